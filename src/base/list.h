/* list.h: intrusive doubly linked list. A node is in at most one list; a zeroed node is in none.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_LIST_H
#define HOLDFAST_BASE_LIST_H

#include "base/assert.h"

struct list_node {
    struct list_node *prev, *next;
};

struct list {
    struct list_node head; /* a ring; head.next is the first */
    size_t count;
};

static inline void list_init(struct list *list)
{
    list->head.prev = list->head.next = &list->head;
    list->count = 0;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_holds(const struct list_node *node) /* is it in some list? */
{
    return node->next != NULL;
}

static inline void list_insert_after(struct list *list, struct list_node *at, struct list_node *node)
{
    ASSERT(!list_holds(node));
    node->prev = at;
    node->next = at->next;
    at->next->prev = node;
    at->next = node;
    list->count++;
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_after(list, &list->head, node);
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_after(list, list->head.prev, node);
}

static inline void list_remove(struct list *list, struct list_node *node)
{
    ASSERT(list_holds(node));
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
    list->count--;
}

static inline struct list_node *list_first(const struct list *list) /* NULL when empty */
{
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_last(const struct list *list) /* NULL when empty */
{
    return list_is_empty(list) ? NULL : list->head.prev;
}

static inline struct list_node *list_next(const struct list *list, const struct list_node *node) /* NULL at the end */
{
    return node->next == &list->head ? NULL : node->next;
}

static inline struct list_node *list_pop_front(struct list *list) /* NULL when empty */
{
    struct list_node *node = list_first(list);

    if (node)
        list_remove(list, node);
    return node;
}

#endif
