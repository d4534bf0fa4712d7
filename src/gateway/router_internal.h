/* router_internal.h: the tree that router.c searches, router_tree.c builds and router_redirect.c searches without
 * regard to case. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ROUTER_INTERNAL_H
#define HOLDFAST_GATEWAY_ROUTER_INTERNAL_H

#include "gateway/router.h"

/* Where a route ends: its target, and what reports need of it. */
struct route_end {
    void *target; /* NULL: no route ends here */
    struct str path;
    struct place place;
};

/* A node of a compressed radix tree over decoded path bytes. Below its prefix three things may follow, tried in this
 * order: a static child (chosen by its first byte), a parameter up to the next slash, a subtree route that takes
 * whatever is left. */
struct route_node {
    struct str prefix;
    struct route_node **children;
    char *firsts; /* first byte of each child's prefix */
    size_t child_count, child_room;
    struct route_node *param; /* what follows the parameter; NULL: none */
    struct str param_name;
    struct route_end param_by; /* the route that brought the parameter */
    struct route_end end, subtree;
};

struct route_tree {
    struct str method; /* "*": any */
    struct route_node root;
};

struct router {
    struct arena *arena;
    struct router_rules rules;
    struct route_tree **trees; /* in order of registration; the one of "*" is not among them */
    size_t tree_count, tree_room;
    struct route_tree *any;
};

/* router_tree.c: puts a route into a tree, with conflicts reported. */
bool route_tree_add(struct arena *arena, struct route_tree *tree, struct str path, void *target, struct place place,
                    struct report *report) MUST_USE;

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
struct str route_find_folded(struct arena *arena, const struct route_tree *tree,
                             struct str path); /* data NULL: no route */

#endif
