/* fuzz_router.c: routes and requests: lines "METHOD PATH", an empty line, lines of the same form. Routes are registered
 * at what their names and dots come to, what is found fits the path, and a redirect leads to what is found.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "fuzz/fuzz.h"
#include "gateway/router.h"
#include "gateway/router_internal.h"

enum { ARENA_BYTES = 64 << 20, SIZE_MAX_TAKEN = 4096, ROUTES_MAX = 64 };

struct run {
    struct arena *arena;
    struct router *router;
};

/* A copy that the sanitizer guards: reading behind a line's end is a finding. */
static struct str copy(struct arena *arena, struct str text)
{
    return arena_format(arena, "%.*s", STR_ARG(text));
}

static bool take_line(struct str *rest, struct str *method, struct str *path)
{
    struct str line;
    size_t space;

    if (!str_split(rest, '\n', &line) || line.len == 0)
        return false;
    space = str_find_char(line, ' ');
    *method = str_first(line, space);
    *path = str_from_offset(line, space + 1);
    return true;
}

/* The path that a route and its parameters stand for. */
static struct str rebuild(struct arena *arena, struct str route, const struct route_match *match)
{
    struct str path = STR_EMPTY;
    unsigned param = 0;

    for (size_t i = 0; i < route.len; i++) {
        if (route.data[i] == '\\' && i + 1 < route.len && route.data[i + 1] == ':')
            i++;
        else if (route.data[i] == ':') {
            struct str rest = str_from_offset(route, i + 1);

            ASSERT(param < match->param_count);
            path = arena_format(arena, "%.*s%.*s", STR_ARG(path), STR_ARG(match->params[param].value));
            param++;
            i += str_find_char(rest, '/');
            continue;
        }
        path = arena_format(arena, "%.*s%c", STR_ARG(path), route.data[i]);
    }
    ASSERT(param == match->param_count);
    return path;
}

/* What is behind the last slash; both go. */
static struct str take_last(struct str *path)
{
    size_t slash = str_find_last_char(*path, '/');
    struct str last = str_from_offset(*path, slash + 1);

    *path = str_first(*path, slash);
    return last;
}

/* From the end on, where a ".." is seen before the name that it takes away. */
static void check_registered(struct arena *arena, struct str route)
{
    struct str registered = route_registered_path(arena, route);
    size_t away = 0;

    ASSERT(str_starts(registered, STR("/")));
    ASSERT(registered.len == 1 || str_ends(registered, STR("/")) == str_ends(route, STR("/")));
    if (str_ends(registered, STR("/")))
        registered.len--;
    while (route.len > 0) {
        struct str name = take_last(&route);

        if (name.len == 0 || str_eq(name, STR(".")))
            continue;
        if (str_eq(name, STR("..")))
            away++;
        else if (away > 0)
            away--;
        else
            ASSERT(str_eq(take_last(&registered), name));
    }
    ASSERT(registered.len == 0);
}

static void check_found(struct arena *arena, struct str path, const struct route_match *match)
{
    const struct str *route = match->target;
    struct str registered = route_registered_path(arena, *route), decoded, bad;

    if (str_ends(registered, STR("/*")))
        return;
    ASSERT(text_percent_decode(arena, path, false, &decoded, &bad));
    ASSERT(str_find_char(decoded, '\0') < decoded.len || str_eq(rebuild(arena, registered, match), decoded));
}

static void check_request(struct run *run, struct str method, struct str path)
{
    struct route_match match, again;

    if (path.len == 0 || path.data[0] != '/')
        return;
    router_find(run->router, run->arena, method, path, &match);
    if (match.kind == ROUTE_FOUND)
        check_found(run->arena, path, &match);
    if (match.kind == ROUTE_NOT_ALLOWED)
        ASSERT(match.allow.len > 0);
    if (match.kind != ROUTE_REDIRECT || !match.location.data)
        return;
    router_find(run->router, run->arena, method, copy(run->arena, match.location), &again);
    ASSERT(again.kind == ROUTE_FOUND);
}

static void check(struct arena *arena, struct str text, unsigned rule_bits)
{
    struct router_rules rules = {
        .redirect_trailing_slash = rule_bits & 1,
        .redirect_fixed_path = rule_bits & 2,
        .handle_method_not_allowed = rule_bits & 4,
    };
    struct run run = {arena, router_new(arena, &rules)};
    struct str method, path, *routes = arena_array(arena, struct str, ROUTES_MAX);
    struct report report;

    report_init(&report, arena);
    if (!run.router || !routes)
        return;
    for (size_t i = 0; take_line(&text, &method, &path) && i < ROUTES_MAX; i++) {
        routes[i] = copy(arena, path);
        if (!str_starts(path, STR("/")))
            continue;
        check_registered(arena, routes[i]);
        (void)router_add(run.router, copy(arena, method), routes[i], &routes[i], (struct place){0}, &report);
    }
    while (take_line(&text, &method, &path))
        check_request(&run, copy(arena, method), copy(arena, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str text = {(const char *)bytes, size};
    struct arena *arena = arena_new(NULL, ARENA_BYTES);

    if (arena && size > 0 && size < SIZE_MAX_TAKEN)
        check(arena, str_from_offset(text, 1), bytes[0]);
    arena_free(arena);
    return 0;
}
