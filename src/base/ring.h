/* ring.h: an intrusive list whose head is one pointer, for records of which there are many and whose lists are mostly
 * empty. Its nodes are those of list.h; list_holds tells of them too. How many there are is not kept. A zeroed one is
 * empty. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_RING_H
#define HOLDFAST_BASE_RING_H

#include "base/list.h"

struct ring {
    struct list_node *first; /* its prev is the last one */
};

static inline bool ring_is_empty(const struct ring *ring)
{
    return ring->first == NULL;
}

static inline struct list_node *ring_first(const struct ring *ring) /* NULL when empty */
{
    return ring->first;
}

static inline struct list_node *ring_next(const struct ring *ring, const struct list_node *node) /* NULL at the end */
{
    return node->next == ring->first ? NULL : node->next;
}

static inline void ring_push_back(struct ring *ring, struct list_node *node)
{
    struct list_node *first = ring->first;

    ASSERT(!list_holds(node));
    if (!first) {
        ring->first = node->prev = node->next = node;
        return;
    }
    node->prev = first->prev;
    node->next = first;
    first->prev->next = node;
    first->prev = node;
}

static inline void ring_remove(struct ring *ring, struct list_node *node)
{
    ASSERT(list_holds(node));
    if (ring->first == node)
        ring->first = node->next == node ? NULL : node->next;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->prev = node->next = NULL;
}

static inline size_t ring_count(const struct ring *ring) /* walks over all */
{
    size_t count = 0;

    for (const struct list_node *node = ring->first; node; node = ring_next(ring, node))
        count++;
    return count;
}

#endif
