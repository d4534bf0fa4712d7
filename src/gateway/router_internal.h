/* router_internal.h: the tree that router.c searches, router_tree.c builds and router_redirect.c searches without
 * regard to case. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ROUTER_INTERNAL_H
#define HOLDFAST_GATEWAY_ROUTER_INTERNAL_H

#include "base/intern.h"
#include "base/lines.h"
#include "gateway/router.h"

#include <assert.h>

/* Where a route was written, for reports. */
struct route_source {
    struct str path;
    struct place place;
};

enum { ROUTE_TEXT_BYTES = 16, ROUTE_LINE_CHILDREN = 7 };

/* A node of a compressed radix tree over decoded path bytes. Below its prefix three things may follow, tried in this
 * order: a static child (chosen by its first byte), a parameter up to the next slash, a subtree route that takes
 * whatever is left.
 *
 * Two cache lines. With 1,000 routes asked in turn each line of those of one route alone comes from afar, so a search
 * reads the first only, unless the prefix is long. Short ones stand in front: comparing loads 32 bytes from where they
 * begin on. The first byte of a prefix stands in the parent. */
struct route_node {
    char text[ROUTE_TEXT_BYTES];  /* the prefix (route_prefix) */
    struct route_node *param;     /* what follows the parameter; NULL: none */
    const struct str *param_name; /* interned */
    void *target, *subtree;       /* of the route that ends here, and of the subtree route; NULL: there is none */
    char *firsts;                 /* lines with a byte for each of seven children, the first of its prefix, and behind
                                   * these bytes the children (route_children) */
    uint16_t child_count, child_lines;
    uint32_t prefix_len;
    const char *long_text;               /* of a prefix that is longer than `text` */
    const struct route_source *param_by; /* the route that brought the parameter */
    const struct route_source *target_by, *subtree_by;
};

static_assert(offsetof(struct route_node, long_text) == CACHE_LINE_BYTES, "a search reads one line");

struct route_tree {
    struct route_node root;
    struct str method; /* "*": any */
};

struct router {
    struct arena *arena;
    struct intern *names; /* of parameters: equal ones are one piece */
    struct router_rules rules;
    struct route_tree **trees; /* in order of registration; the one of "*" is not among them */
    size_t tree_count, tree_room;
    struct route_tree *any;
};

/* router_tree.c: puts a route into a tree, with conflicts reported. */
bool route_tree_add(struct router *router, struct route_tree *tree, struct str path, void *target, struct place place,
                    struct report *report) MUST_USE;

static inline struct str route_prefix(const struct route_node *node)
{
    return str_of(node->prefix_len <= sizeof(node->text) ? node->text : node->long_text, node->prefix_len);
}

static inline struct route_node **route_children(const struct route_node *node)
{
    return (struct route_node **)(void *)(node->firsts + node->child_lines * sizeof(struct route_node *));
}

/* router.c: the place of the child that begins with c; child_count when there is none. */
static inline size_t route_child(const struct route_node *node, char c)
{
    const char *at = node->child_count == 0 ? NULL : memchr(node->firsts, c, node->child_count);

    return at ? (size_t)(at - node->firsts) : node->child_count;
}

/* True when `rest` has more ".." than it has names to leave: it would climb out of its subtree. */
bool route_climbs_out(struct str rest);

/* router_redirect.c */
struct str route_clean_path(struct arena *arena, struct str path); /* data NULL: no room */

/* The path that a route is registered at, as gin has it: without empty and dot segments, each ".." with the name before
 * it gone, and with a slash at the end when the route has one there (of "/a/." that is "/a", where route_clean_path
 * says "/a/"). The route itself when it is so already, or begins with something else than a slash. data NULL: no room.
 */
struct str route_registered_path(struct arena *arena, struct str route);

struct str route_find_folded(struct arena *arena, const struct route_tree *tree,
                             struct str path); /* data NULL: no route */

#endif
