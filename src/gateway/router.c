/* router.c: finds the route of a request. How trees are built is in router_tree.c, how spelling is forgiven in
 * router_redirect.c. Start with router_find. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/router.h"

#include "base/assert.h"
#include "base/text.h"
#include "gateway/escape.h"
#include "gateway/router_internal.h"

struct router *router_new(struct arena *arena, const struct router_rules *rules)
{
    struct router *router = arena_make(arena, struct router);

    if (!router)
        return NULL;
    router->arena = arena;
    router->rules = *rules;
    router->names = intern_new(arena);
    return router->names ? router : NULL;
}

static bool grow_trees(struct router *router)
{
    size_t room = router->tree_room ? 2 * router->tree_room : 8;
    struct route_tree **trees = arena_array(router->arena, struct route_tree *, room);

    if (!trees)
        return false;
    if (router->tree_count > 0)
        memcpy(trees, router->trees, router->tree_count * sizeof(struct route_tree *));
    router->trees = trees;
    router->tree_room = room;
    return true;
}

static struct route_tree *find_tree(const struct router *router, struct str method)
{
    for (size_t i = 0; i < router->tree_count; i++)
        if (str_eq(router->trees[i]->method, method))
            return router->trees[i];
    return NULL;
}

/* The tree of a method, made when it is new. NULL: no memory. */
static struct route_tree *need_tree(struct router *router, struct str method)
{
    bool any = str_eq(method, STR("*"));
    struct route_tree *tree = any ? router->any : find_tree(router, method);

    if (tree)
        return tree;
    tree = arena_lines(router->arena, struct route_tree, 1);
    if (!tree || (!any && router->tree_count == router->tree_room && !grow_trees(router)))
        return NULL;
    tree->method = method;
    if (any)
        router->any = tree;
    else
        router->trees[router->tree_count++] = tree;
    return tree;
}

bool router_add(struct router *router, struct str method, struct str path, void *target, struct place place,
                struct report *report)
{
    struct route_tree *tree = need_tree(router, method);

    ASSERT(target);
    path = route_registered_path(router->arena, path);
    return tree && path.data && route_tree_add(router, tree, path, target, place, report);
}

/* A search under way: what was captured so far, and where it ended. */
struct search {
    struct str path; /* decoded */
    struct route_param *params;
    unsigned param_count;
    void *found;    /* its target */
    size_t rest_at; /* where a subtree's rest begins */
    bool is_subtree;
};

bool route_climbs_out(struct str rest)
{
    struct str part;
    int depth = 0;

    /* Most paths have not even one dot, and that is soon seen. */
    if (str_find_char(rest, '.') == rest.len || str_find(rest, STR("..")) == rest.len)
        return false;
    while (str_split(&rest, '/', &part)) {
        if (str_eq(part, STR("..")))
            depth--;
        else if (part.len > 0 && !str_eq(part, STR(".")))
            depth++;
        if (depth < 0)
            return true;
    }
    return false;
}

static bool end_here(struct search *search, void *target)
{
    search->found = target;
    return true;
}

static bool end_in_subtree(struct search *search, const struct route_node *node, size_t at)
{
    if (!node->subtree || route_climbs_out(str_from_offset(search->path, at)))
        return false;
    search->rest_at = at;
    search->is_subtree = true;
    return end_here(search, node->subtree);
}

/* Each node has one way that leads to it and each way takes a fixed part of the path, so every node is tried at most
 * once. `known`: how many bytes of its prefix the parent has compared. */
static bool descend(struct search *search, const struct route_node *node, size_t at, size_t known)
{
    struct str path = search->path, prefix = str_from_offset(route_prefix(node), known);
    unsigned params = search->param_count;
    size_t child;

    __builtin_prefetch(node->param); /* what else is read here takes as long as its way to us */
    at += known;
    if (prefix.len > 0 && !str_starts(str_from_offset(path, at), prefix))
        return false;
    at += prefix.len;
    if (at == path.len)
        return node->target ? end_here(search, node->target) : end_in_subtree(search, node, at);
    child = route_child(node, path.data[at]);
    if (child < node->child_count && descend(search, route_children(node)[child], at, 1))
        return true;
    if (node->param) {
        size_t end = at + str_find_char(str_from_offset(path, at), '/');

        ASSERT(params < ROUTE_PARAMS_MAX);
        search->params[params] = (struct route_param){*node->param_name, str_of(path.data + at, end - at)};
        search->param_count = params + 1;
        if (descend(search, node->param, end, 0))
            return true;
    }
    if (!end_in_subtree(search, node, at))
        return false;
    search->param_count = params;
    return true;
}

static bool search_tree(const struct route_tree *tree, struct str path, struct route_param *params,
                        struct search *search)
{
    *search = (struct search){.path = path, .params = params};
    return tree && descend(search, &tree->root, 0, 0);
}

/* The method's own tree, then that of all methods. Both may only have a subtree for the path: the nearer one wins. */
static bool search_both(const struct router *router, const struct route_tree *own, struct str path,
                        struct route_match *match, struct search *search)
{
    struct route_param params[ROUTE_PARAMS_MAX];
    struct search any;

    if (search_tree(own, path, match->params, search) && !search->is_subtree)
        return true;
    if (!router->any)
        return search->found != NULL;
    if (!search_tree(router->any, path, params, &any) ||
        (search->found && any.is_subtree && any.rest_at <= search->rest_at))
        return search->found != NULL;
    if (any.param_count > 0)
        memcpy(match->params, params, any.param_count * sizeof *params);
    *search = any;
    return true;
}

/* Where the byte number `decoded_at` of the decoded path stands in the raw one. */
static size_t raw_offset(struct str raw, size_t decoded_at)
{
    size_t at = 0;

    for (; decoded_at > 0 && at < raw.len; decoded_at--)
        at += raw.data[at] == '%' ? 3 : 1;
    return size_min(at, raw.len);
}

/* Stands for an encoded slash while routes are searched under as_sent. One byte, as everything that was encoded; no
 * route has it. */
enum { KEPT_SLASH = '\x01' };

/* The path decoded, but for its encoded slashes. False: a bad escape, or no room. */
static bool decode_kept(struct arena *arena, struct str raw, struct str *decoded)
{
    char *text;
    size_t at = 0;

    if (!text_percent_decode(arena, raw, false, decoded, NULL))
        return false;
    text = arena_alloc(arena, decoded->len + 1, 1);
    for (size_t i = 0; text && i < decoded->len; i++) {
        bool encoded = raw.data[at] == '%';

        text[i] = encoded && decoded->data[i] == '/' ? (char)KEPT_SLASH : decoded->data[i];
        at += encoded ? 3 : 1;
    }
    *decoded = str_of(text, decoded->len);
    return text != NULL;
}

/* One request to find. */
struct finding {
    const struct router *router;
    struct arena *arena;
    const struct route_tree *own; /* NULL: the method has none */
    struct str method, raw, decoded;
    struct str path; /* what is searched: decoded, and cleaned under remove_extra_slash */
    struct route_match *match;
};

/* The values as they came: slices of the raw path in place of those of the decoded one. */
static void set_raw_params(const struct finding *finding)
{
    struct str raw = finding->raw;

    for (unsigned i = 0; i < finding->match->param_count; i++) {
        struct str *value = &finding->match->params[i].value;
        size_t at = (size_t)(value->data - finding->decoded.data);
        size_t from = raw_offset(raw, at), to = raw_offset(raw, at + value->len);

        *value = str_of(raw.data + from, to - from);
    }
}

static void set_found(const struct finding *finding, const struct search *search)
{
    struct route_match *match = finding->match;
    struct str rest;

    match->kind = ROUTE_FOUND;
    match->target = search->found;
    match->param_count = search->param_count;
    if (match->as_sent)
        set_raw_params(finding);
    if (!search->is_subtree)
        return;
    if (finding->path.data == finding->decoded.data)
        rest = str_from_offset(finding->raw, raw_offset(finding->raw, search->rest_at));
    else
        rest = escape_text(finding->arena, ESCAPE_PATH, str_from_offset(finding->path, search->rest_at));
    match->rest = rest.data ? rest : STR_EMPTY;
}

static bool is_a_route(const struct route_tree *tree, struct str path)
{
    struct route_param params[ROUTE_PARAMS_MAX];
    struct search search;

    return search_tree(tree, path, params, &search);
}

/* The path with one slash more or less at its end. data NULL: no room. */
static struct str toggle_slash(struct arena *arena, struct str path)
{
    if (str_ends(path, STR("/")))
        return str_first(path, path.len - 1);
    return arena_format(arena, "%.*s/", STR_ARG(path));
}

static bool redirect_to(const struct finding *finding, struct str path, bool trailing_slash)
{
    struct str location = finding->match->as_sent && trailing_slash ? toggle_slash(finding->arena, finding->raw)
                                                                    : escape_text(finding->arena, ESCAPE_PATH, path);

    if (!location.data)
        return false;
    finding->match->kind = ROUTE_REDIRECT;
    finding->match->param_count = 0; /* KrakenD checks no parameters of what it redirects. */
    finding->match->location = location;
    finding->match->trailing_slash = trailing_slash;
    return true;
}

static bool redirect_in(const struct finding *finding, const struct route_tree *tree)
{
    const struct router_rules *rules = &finding->router->rules;
    struct str other, clean;

    if (!tree)
        return false;
    other = rules->redirect_trailing_slash ? toggle_slash(finding->arena, finding->path) : STR_EMPTY;
    if (other.data && is_a_route(tree, other))
        return redirect_to(finding, toggle_slash(finding->arena, finding->decoded), true);
    if (finding->match->as_sent && str_find_char(finding->decoded, KEPT_SLASH) < finding->decoded.len)
        return false; /* Another spelling of it would have to be made up. */
    clean = rules->redirect_fixed_path ? route_clean_path(finding->arena, finding->decoded) : STR_EMPTY;
    if (!clean.data)
        return false;
    other = route_find_folded(finding->arena, tree, clean);
    if (!other.data && (clean = toggle_slash(finding->arena, clean)).data)
        other = route_find_folded(finding->arena, tree, clean);
    return other.data && redirect_to(finding, other, false);
}

static bool redirect(const struct finding *finding)
{
    if (str_eq(finding->path, STR("/")) || str_eq(finding->method, STR("CONNECT")))
        return false;
    return redirect_in(finding, finding->own) || redirect_in(finding, finding->router->any);
}

/* Joins the other methods that have this path, in order of registration. */
static bool collect_allowed(const struct finding *finding)
{
    const struct router *router = finding->router;
    struct str allow = STR_EMPTY;

    for (size_t i = 0; router->rules.handle_method_not_allowed && i < router->tree_count; i++) {
        const struct route_tree *tree = router->trees[i];

        if (tree == finding->own || !is_a_route(tree, finding->path))
            continue;
        allow = allow.len > 0 ? arena_format(finding->arena, "%.*s, %.*s", STR_ARG(allow), STR_ARG(tree->method))
                              : tree->method;
    }
    finding->match->allow = allow;
    return allow.len > 0;
}

static void find_decoded(const struct finding *finding)
{
    struct route_match *match = finding->match;
    struct search search;

    if (search_both(finding->router, finding->own, finding->path, match, &search)) {
        set_found(finding, &search);
        return;
    }
    match->param_count = search.param_count;
    if (!redirect(finding))
        match->kind = collect_allowed(finding) ? ROUTE_NOT_ALLOWED : ROUTE_NONE;
}

void router_find(const struct router *router, struct arena *arena, struct str method, struct str path,
                 struct route_match *match)
{
    struct finding finding = {router, arena, find_tree(router, method), method, path, path, path, match};

    match->kind = ROUTE_NONE;
    match->target = NULL;
    match->param_count = 0;
    match->trailing_slash = false;
    match->as_sent = router->rules.as_sent;
    match->rest = match->location = match->allow = STR_EMPTY;
    if (path.len == 0 || path.data[0] != '/')
        return;
    if (match->as_sent && router->rules.remove_extra_slash) {
        struct str clean = route_clean_path(arena, path);

        if (clean.data)
            finding.raw = finding.decoded = finding.path = path = clean;
    }
    if (str_find_char(path, '%') < path.len) {
        if (!(match->as_sent ? decode_kept(arena, path, &finding.decoded)
                             : text_percent_decode(arena, path, false, &finding.decoded, NULL))) {
            match->kind = ROUTE_BAD_PATH;
            return;
        }
        finding.path = finding.decoded;
    }
    if (router->rules.remove_extra_slash && !match->as_sent) {
        struct str clean = route_clean_path(arena, finding.decoded);

        if (clean.data && !str_eq(clean, finding.decoded))
            finding.path = clean;
    }
    find_decoded(&finding);
}

static struct str quote(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, 4 * text.len + 1, 1);
    size_t len = 0;

    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c == '"' || c == '\\')
            out[len++] = '\\';
        if (c < ' ' || c >= 0x7f) {
            static const char digits[] = "0123456789abcdef";

            out[len++] = '\\';
            out[len++] = 'x';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        } else {
            out[len++] = (char)c;
        }
    }
    return str_of(out, len);
}

const struct route_match *route_match_keep(const struct route_match *match, struct arena *arena)
{
    size_t bytes = route_match_bytes(match);
    void *copy = arena_alloc(arena, bytes, _Alignof(struct route_match));

    return copy ? memcpy(copy, match, bytes) : NULL;
}

/* Without memory the text is shorter: the request is refused all the same. */
static struct str bad_escape(struct arena *arena, struct str bad)
{
    struct str quoted = bad.data ? quote(arena, bad) : STR_EMPTY, text = STR_EMPTY;

    if (quoted.data)
        text = arena_format(arena, "error: invalid URL escape \"%.*s\"", STR_ARG(quoted));
    return text.data ? text : STR("error: invalid URL escape");
}

struct str route_check_params(const struct route_match *match, struct arena *arena)
{
    for (unsigned i = 0; !match->as_sent && i < match->param_count; i++) {
        struct str value = match->params[i].value, decoded, bad = STR_EMPTY;

        if (str_find_char(value, '%') < value.len) {
            if (text_percent_decode(arena, value, false, &decoded, &bad))
                return STR("error: encoded url params");
            return bad_escape(arena, bad);
        }
        if (str_find_char(value, '?') < value.len || str_find_char(value, '#') < value.len)
            return STR("error: encoded url params");
    }
    return STR_EMPTY;
}
