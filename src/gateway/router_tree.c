/* router_tree.c: builds the radix trees of the router and reports routes that cannot stand beside each other. Runs when
 * a configuration is loaded; start with route_tree_add. SPDX-License-Identifier: Apache-2.0 */
#include "config/problems.h"
#include "gateway/router_internal.h"

/* One route on its way into a tree. */
struct adding {
    struct router *router;
    struct arena *arena;
    struct str method, path;
    void *target;
    const struct route_source *source;
    struct report *report;
    unsigned params;
};

static bool refuse(struct adding *adding, unsigned code, const char *why)
{
    report_add(adding->report, SEVERITY_ERROR, code, adding->source->place, NULL, "route %.*s %.*s: %s",
               STR_ARG(adding->method), STR_ARG(adding->path), why);
    return false;
}

static bool refuse_memory(struct adding *adding)
{
    return refuse(adding, PROBLEM_OUT_OF_MEMORY, "no memory");
}

/* Two problems, one at each route, so that both positions are shown. */
static bool refuse_beside(struct adding *adding, unsigned code, const struct route_source *other, const char *why)
{
    refuse(adding, code, why);
    if (other->place.source)
        report_add(adding->report, SEVERITY_NOTE, code, other->place, NULL, "route %.*s %.*s stands here",
                   STR_ARG(adding->method), STR_ARG(other->path));
    return false;
}

static void set_prefix(struct route_node *node, struct str prefix)
{
    node->prefix_len = (uint32_t)prefix.len;
    if (prefix.len > sizeof(node->text))
        node->long_text = prefix.data;
    else if (prefix.len > 0)
        memcpy(node->text, prefix.data, prefix.len);
}

static bool grow_children(struct adding *adding, struct route_node *node)
{
    size_t lines = node->child_lines > 0 ? 2U * node->child_lines : 1;
    char *firsts = arena_zero_lines(adding->arena, lines, CACHE_LINE_BYTES);
    struct route_node larger = {.firsts = firsts, .child_lines = (uint16_t)lines};

    if (!firsts)
        return false;
    if (node->child_count > 0) {
        memcpy(firsts, node->firsts, node->child_count);
        memcpy(route_children(&larger), route_children(node), node->child_count * sizeof(struct route_node *));
    }
    node->firsts = firsts;
    node->child_lines = larger.child_lines;
    return true;
}

static bool add_child(struct adding *adding, struct route_node *parent, struct route_node *child)
{
    if (parent->child_count == parent->child_lines * ROUTE_LINE_CHILDREN && !grow_children(adding, parent))
        return false;
    parent->firsts[parent->child_count] = route_prefix(child).data[0];
    route_children(parent)[parent->child_count++] = child;
    return true;
}

/* Cuts a node's prefix at `at`: what it was becomes its only child. */
static bool split(struct adding *adding, struct route_node *node, size_t at)
{
    struct route_node *tail = arena_lines(adding->arena, struct route_node, 1);
    struct route_node whole = *node;

    if (!tail)
        return false;
    *tail = whole;
    set_prefix(tail, str_from_offset(route_prefix(&whole), at));
    *node = (struct route_node){0};
    set_prefix(node, str_first(route_prefix(&whole), at));
    return add_child(adding, node, tail);
}

static bool is_blank(const struct route_node *node)
{
    return node->prefix_len == 0 && node->child_count == 0 && !node->param && !node->target && !node->subtree;
}

static size_t common_len(struct str a, struct str b)
{
    size_t len = 0;

    while (len < a.len && len < b.len && a.data[len] == b.data[len])
        len++;
    return len;
}

/* The node at which static text ends, made as needed. NULL: no memory. */
static struct route_node *add_text(struct adding *adding, struct route_node *node, struct str text)
{
    for (;;) {
        size_t common, at;
        struct route_node *child;

        if (is_blank(node)) {
            set_prefix(node, text);
            return node;
        }
        common = common_len(route_prefix(node), text);
        if (common < node->prefix_len && !split(adding, node, common))
            return NULL;
        text = str_from_offset(text, common);
        if (text.len == 0)
            return node;
        at = route_child(node, text.data[0]);
        if (at == node->child_count) {
            child = arena_lines(adding->arena, struct route_node, 1);
            if (!child)
                return NULL;
            set_prefix(child, text);
            return add_child(adding, node, child) ? child : NULL;
        }
        node = route_children(node)[at];
    }
}

/* Steps over a parameter called `name`. NULL: refused. */
static struct route_node *add_param(struct adding *adding, struct route_node *node, struct str name)
{
    if (name.len == 0)
        return refuse(adding, PROBLEM_ROUTE, "a parameter has no name"), NULL;
    if (str_find_char(name, ':') < name.len || str_find_char(name, '*') < name.len)
        return refuse(adding, PROBLEM_ROUTE, "only one parameter is allowed between two slashes"), NULL;
    if (++adding->params > ROUTE_PARAMS_MAX)
        return refuse(adding, PROBLEM_ROUTE, "it has more parameters than can be kept"), NULL;
    if (node->param && !str_eq(*node->param_name, name)) {
        struct str text = arena_format(adding->arena, "parameter {%.*s} stands where another route has {%.*s}",
                                       STR_ARG(name), STR_ARG(*node->param_name));

        return refuse_beside(adding, PROBLEM_ROUTE_CONFLICT, node->param_by, text.data ? text.data : "conflict"), NULL;
    }
    if (!node->param) {
        struct str kept = intern_text(adding->router->names, name);

        node->param_name = intern_bytes(adding->router->names, &kept, sizeof kept);
        node->param = arena_lines(adding->arena, struct route_node, 1);
        if (!node->param || !node->param_name || !kept.data)
            return refuse_memory(adding), NULL;
        node->param_by = adding->source;
    }
    return node->param;
}

/* A parameter's node may begin with text that other routes have behind it: a route that ends here cuts that off. */
static struct route_node *end_at(struct adding *adding, struct route_node *node, struct str left)
{
    return left.len == 0 ? add_text(adding, node, left) : node;
}

/* Takes static text up to the next parameter from *rest, with "\:" as a colon. False: a bad escape or no memory. */
static bool take_text(struct adding *adding, struct str *rest, struct str *text)
{
    char *out = arena_alloc(adding->arena, rest->len + 1, 1);
    size_t len = 0, at = 0;

    if (!out)
        return refuse_memory(adding);
    for (; at < rest->len && rest->data[at] != ':'; at++) {
        if (rest->data[at] == '\\') {
            if (at + 1 == rest->len || rest->data[at + 1] != ':')
                return refuse(adding, PROBLEM_ROUTE, "a backslash may only stand before a colon");
            at++;
        }
        out[len++] = rest->data[at];
    }
    *text = str_of(out, len);
    *rest = str_from_offset(*rest, at);
    return true;
}

static bool set_end(struct adding *adding, void **target, const struct route_source **by)
{
    if (*target)
        return refuse_beside(adding, PROBLEM_ROUTE_TWICE, *by, "the same route is there already");
    *target = adding->target;
    *by = adding->source;
    return true;
}

bool route_tree_add(struct router *router, struct route_tree *tree, struct str path, void *target, struct place place,
                    struct report *report)
{
    struct route_source *source = arena_make(router->arena, struct route_source);
    struct adding adding = {router, router->arena, tree->method, path, target, source, report, 0};
    bool subtree = str_ends(path, STR("/*"));
    struct str rest = subtree ? str_first(path, path.len - 1) : path;
    struct route_node *node = &tree->root;

    if (!source)
        return false;
    *source = (struct route_source){path, place};
    if (path.len == 0 || path.data[0] != '/')
        return refuse(&adding, PROBLEM_ROUTE, "a path begins with a slash");
    if (str_find_char(rest, '*') < rest.len)
        return refuse(&adding, PROBLEM_ROUTE, "a star may only stand at the end, behind a slash");
    while (rest.len > 0) {
        if (rest.data[0] == ':') {
            size_t end = str_find_char(rest, '/');

            node = add_param(&adding, node, str_from_offset(str_first(rest, end), 1));
            if (!node)
                return false;
            rest = str_from_offset(rest, end);
            node = end_at(&adding, node, rest);
            if (!node)
                return refuse_memory(&adding);
        } else {
            struct str text = STR_EMPTY;

            if (!take_text(&adding, &rest, &text))
                return false;
            node = add_text(&adding, node, text);
            if (!node)
                return refuse_memory(&adding);
        }
    }
    return subtree ? set_end(&adding, &node->subtree, &node->subtree_by)
                   : set_end(&adding, &node->target, &node->target_by);
}
