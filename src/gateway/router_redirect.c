/* router_redirect.c: paths made clean, those of routes and those that requests may have meant, and the latter searched
 * for without regard to case.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/router_internal.h"

/* Removes the last name from the clean path of *len bytes. */
static void drop_name(const char *path, size_t *len)
{
    while (*len > 1 && path[--*len] != '/')
        ;
}

struct str route_clean_path(struct arena *arena, struct str path)
{
    bool slash_at_end = str_ends(path, STR("/")) || str_ends(path, STR("/."));
    char *out = arena_alloc(arena, path.len + 2, 1);
    size_t len = 1;
    struct str part;

    if (!out)
        return STR_EMPTY;
    out[0] = '/';
    while (str_split(&path, '/', &part)) {
        if (part.len == 0 || str_eq(part, STR(".")))
            continue;
        if (str_eq(part, STR(".."))) {
            drop_name(out, &len);
            continue;
        }
        if (len > 1)
            out[len++] = '/';
        memcpy(out + len, part.data, part.len);
        len += part.len;
    }
    if (slash_at_end && len > 1)
        out[len++] = '/';
    return str_of(out, len);
}

struct str route_registered_path(struct arena *arena, struct str route)
{
    bool is_clean = str_find(route, STR("//")) == route.len && str_find(route, STR("/.")) == route.len;
    struct str clean;

    if (is_clean || !str_starts(route, STR("/")))
        return route;
    clean = route_clean_path(arena, route);
    if (clean.len > 1 && str_ends(clean, STR("/")) && !str_ends(route, STR("/")))
        clean.len--;
    return clean;
}

/* A search that takes the registered spelling of static text and the client's of everything else. */
struct folding {
    struct str path;
    char *out; /* as long as path: both spellings have the same length */
};

static bool fold_down(struct folding *folding, const struct route_node *node, size_t at);

static char other_case(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return (char)(c ^ 0x20);
    return c;
}

static bool fold_children(struct folding *folding, const struct route_node *node, size_t at)
{
    char c = folding->path.data[at], other = other_case(c);
    size_t child = route_child(node, c);

    if (child < node->child_count && fold_down(folding, route_children(node)[child], at))
        return true;
    child = other == c ? node->child_count : route_child(node, other);
    return child < node->child_count && fold_down(folding, route_children(node)[child], at);
}

static void keep(struct folding *folding, size_t at, size_t end)
{
    memcpy(folding->out + at, folding->path.data + at, end - at);
}

static bool fold_down(struct folding *folding, const struct route_node *node, size_t at)
{
    struct str path = folding->path, left = str_from_offset(path, at), prefix = route_prefix(node);

    if (!str_starts_fold(left, prefix))
        return false;
    if (prefix.len > 0)
        memcpy(folding->out + at, prefix.data, prefix.len);
    at += prefix.len;
    if (at == path.len)
        return node->target || node->subtree;
    if (fold_children(folding, node, at))
        return true;
    if (node->param) {
        size_t end = at + str_find_char(str_from_offset(path, at), '/');

        keep(folding, at, end);
        if (fold_down(folding, node->param, end))
            return true;
    }
    if (!node->subtree || route_climbs_out(str_from_offset(path, at)))
        return false;
    keep(folding, at, path.len);
    return true;
}

struct str route_find_folded(struct arena *arena, const struct route_tree *tree, struct str path)
{
    struct folding folding = {path, arena_alloc(arena, path.len + 1, 1)};

    if (!folding.out || !fold_down(&folding, &tree->root, 0))
        return STR_EMPTY;
    return str_of(folding.out, path.len);
}
