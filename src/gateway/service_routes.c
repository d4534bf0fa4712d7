/* service_routes.c: endpoint paths and url_patterns: what may stand in them, whether each placeholder has a value, and
 * whether all routes can stand beside each other. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/pattern.h"
#include "gateway/router.h"
#include "gateway/sequence.h"
#include "gateway/service_internal.h"

static enum placeholder_rule path_rule(const struct service *service)
{
    return service->disable_rest ? PLACEHOLDER_WIDE : PLACEHOLDER_STRICT;
}

void check_path(const struct spot *spot)
{
    struct endpoint_options *endpoint = spot->endpoint;
    struct arena *arena = spot->report->arena;
    struct str_list names;

    endpoint->endpoint = path_with_slash(arena, endpoint->endpoint);
    if (!endpoint->endpoint.data || !placeholders_list(arena, path_rule(spot->service), endpoint->endpoint, &names))
        return;
    endpoint->route = path_to_route(arena, endpoint->endpoint, &names);
    if (path_is_refused(endpoint->endpoint)) {
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_ENDPOINT_PATH, endpoint->place, NULL,
                   "%sendpoint: \"%.*s\" is kept for the gateway itself, or has a star before its end", spot->prefix,
                   STR_ARG(endpoint->endpoint));
        endpoint->route = STR_EMPTY; /* The router need not complain again. */
    }
}

/* Does the router ever capture a parameter of that name? "/x/{a}.json" brings one that is called "a.json". */
static bool is_captured(struct str route, struct str name)
{
    for (size_t at = str_find_char(route, ':'); at < route.len;) {
        struct str rest = str_from_offset(route, at + 1);
        size_t end = str_find_char(rest, '/');

        if (placeholder_is_param(name, str_first(rest, end)))
            return true;
        rest = str_from_offset(rest, end);
        at = route.len - rest.len + str_find_char(rest, ':');
    }
    return false;
}

/* The name's place inside url_pattern; the whole value when that is not written as it reads. */
static struct place name_place(const struct backend_options *backend, struct str name)
{
    struct place place = backend->url_pattern_place;
    struct str text, braced = {name.data - 1, name.len + 2};
    size_t at;

    if (!place.source)
        return place;
    text = str_of(place.source->text.data + place.at, place.len);
    at = str_find(text, braced);
    return at < text.len ? (struct place){place.source, place.at + (uint32_t)at, (uint32_t)braced.len} : place;
}

/* {respN_...} behind backend N of a sequence. Shadows are no part of it. */
static bool is_filled_by_sequence(const struct spot *spot, const struct backend_options *backend, struct str name)
{
    uint32_t wanted, index = 0;
    struct str path;

    if (!spot->endpoint->proxy.sequential || !sequence_name(name, &wanted, &path))
        return false;
    for (const struct backend_options *before = spot->endpoint->backends; before < backend; before++)
        index += !before->shadow;
    return wanted < index;
}

static void check_name(const struct spot *spot, const struct backend_options *backend, const struct str_list *defined,
                       struct str name)
{
    struct place place = name_place(backend, name);
    const char **names = arena_array(spot->report->arena, const char *, defined->count + 1), *near = NULL;
    struct str hint = STR_EMPTY;

    if (placeholder_is_special(name) && is_filled_by_sequence(spot, backend, name))
        return;
    if (placeholder_is_special(name)) {
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_PLACEHOLDER_NEVER, place, NULL,
                   "%surl_pattern: nothing fills {%.*s} in this version", spot->prefix, STR_ARG(name));
        return;
    }
    if (str_list_has(defined, name)) {
        if (spot->endpoint->route.len > 0 && !is_captured(spot->endpoint->route, name))
            report_add(spot->report, SEVERITY_WARNING, PROBLEM_PLACEHOLDER_NEVER, place,
                       "a placeholder must fill its place between two slashes",
                       "%surl_pattern: {%.*s} is never filled: the path has text behind it", spot->prefix,
                       STR_ARG(name));
        return;
    }
    for (size_t i = 0; names && i < defined->count; i++) {
        struct str copy = arena_copy(spot->report->arena, defined->items[i]);

        names[i] = copy.data ? copy.data : "";
    }
    near = names ? report_nearest(name, names, defined->count) : NULL;
    if (near)
        hint = arena_format(spot->report->arena, "did you mean {%s}?", near);
    report_add(spot->report, SEVERITY_ERROR, PROBLEM_PLACEHOLDER, place, hint.data,
               "%surl_pattern: {%.*s} is not defined by the endpoint's path", spot->prefix, STR_ARG(name));
}

static void check_star(const struct spot *spot, const struct backend_options *backend)
{
    struct str pattern = backend->url_pattern;
    size_t star = str_find_char(pattern, '*');

    if (!str_ends(pattern, STR("/*")) || star + 1 < pattern.len || str_ends(spot->endpoint->endpoint, STR("/*")))
        return;
    report_add(spot->report, SEVERITY_WARNING, PROBLEM_SUBTREE, backend->url_pattern_place,
               "end the endpoint's path in \"/*\" too",
               "%surl_pattern: the star is sent as it is, because the endpoint is no subtree", spot->prefix);
}

void check_pattern(const struct spot *spot, struct backend_options *backend)
{
    struct arena *arena = spot->report->arena;
    struct str_list defined, used;

    backend->url_pattern = path_with_slash(arena, backend->url_pattern);
    if (!backend->url_pattern.data || !spot->endpoint->endpoint.data ||
        !placeholders_list(arena, path_rule(spot->service), spot->endpoint->endpoint, &defined) ||
        !placeholders_list(arena, PLACEHOLDER_WIDE, backend->url_pattern, &used))
        return;
    for (size_t i = 0; i < used.count; i++)
        check_name(spot, backend, &defined, used.items[i]);
    check_star(spot, backend);
}

/* Builds a router only to hear what it has to say. */
void check_routes(const struct service *service, const struct node *root, struct report *report)
{
    static const struct router_rules rules;
    struct router *router = router_new(report->arena, &rules);
    const struct node *block = component_find(service->extra_config, "router");
    bool ok = router != NULL;

    if (ok && !service->router.disable_health)
        ok = router_add(router, STR("GET"), service->router.health_path, router,
                        block ? node_place(block, "health_path") : root->place, report);
    for (size_t i = 0; router && i < service->endpoint_count; i++) {
        struct endpoint_options *endpoint = &service->endpoints[i];

        if (endpoint->route.len > 0)
            ok &= router_add(router, endpoint->method, endpoint->route, endpoint, endpoint->place, report);
    }
    if (!ok && report->errors == 0)
        report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory");
}
