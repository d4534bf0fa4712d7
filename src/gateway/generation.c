/* generation.c: from a checked service to routes that serve. Start with generation_build.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/generation.h"

#include "base/assert.h"
#include "gateway/admin_token.h"
#include "gateway/proxies.h"

#include <stdatomic.h>

struct generation {
    struct arena *arena; /* this struct lives in it */
    _Atomic uint32_t holders;
    const struct service *service;
    struct router *router;
    struct endpoint *endpoints;
    uint32_t count, room;
    struct secured *secured;
    struct str admin_token;
    struct intern *pieces;
    struct profiles profiles; /* of TLS to hosts; held for those that are still to be discovered */
};

static const char *const all_methods[] = {"GET",     "POST",   "PUT",     "PATCH", "HEAD",
                                          "OPTIONS", "DELETE", "CONNECT", "TRACE"};

static struct endpoint *next_endpoint(struct generation *generation)
{
    struct endpoint *endpoint = &generation->endpoints[generation->count];

    ASSERT(generation->count < generation->room);
    endpoint->index = endpoint->slot = generation->count++;
    return endpoint;
}

static struct endpoint *add_builtin(struct generation *generation, enum endpoint_kind kind, struct str path)
{
    struct endpoint *endpoint = next_endpoint(generation);

    endpoint->kind = kind;
    endpoint->path = endpoint->label = path;
    endpoint->timeout_ns = generation->service->timeout_ns;
    return endpoint;
}

static bool route(struct generation *generation, struct str method, struct endpoint *endpoint, struct str path,
                  struct place place, struct report *report)
{
    return router_add(generation->router, method, path, endpoint, place, report);
}

/* /__health, gRPC's health service, and /__debug/ and /__echo/ for all methods (spec 2.4). */
static bool add_builtins(struct generation *generation, struct report *report)
{
    const struct service *service = generation->service;
    struct endpoint *endpoint;
    bool ok = true;

    if (!service->router.disable_health) {
        endpoint = add_builtin(generation, ENDPOINT_HEALTH, service->router.health_path);
        ok &= route(generation, STR("GET"), endpoint, endpoint->path, (struct place){0}, report);
    }
    if (service->server.grpc_health) {
        endpoint = add_builtin(generation, ENDPOINT_GRPC_HEALTH, STR("/grpc.health.v1.Health/Check"));
        ok &= route(generation, STR("POST"), endpoint, endpoint->path, (struct place){0}, report);
        endpoint = add_builtin(generation, ENDPOINT_GRPC_WATCH, STR("/grpc.health.v1.Health/Watch"));
        ok &= route(generation, STR("POST"), endpoint, endpoint->path, (struct place){0}, report);
    }
    if (service->debug_endpoint) {
        endpoint = add_builtin(generation, ENDPOINT_DEBUG, STR("/__debug/*"));
        for (size_t i = 0; i < COUNT_OF(all_methods); i++)
            ok &= route(generation, str_from(all_methods[i]), endpoint, endpoint->path, (struct place){0}, report);
    }
    if (service->echo_endpoint) {
        endpoint = add_builtin(generation, ENDPOINT_ECHO, STR("/__echo/*"));
        for (size_t i = 0; i < COUNT_OF(all_methods); i++)
            ok &= route(generation, str_from(all_methods[i]), endpoint, endpoint->path, (struct place){0}, report);
    }
    return ok;
}

static bool add_endpoints(struct generation *generation, struct hosts *hosts, struct report *report)
{
    const struct service *service = generation->service;
    uint32_t first = generation->count;
    bool ok = true;

    for (size_t i = 0; i < service->endpoint_count; i++) {
        const struct endpoint_options *options = &service->endpoints[i];
        struct endpoint *endpoint = next_endpoint(generation);

        ok &= endpoint_compile(generation->pieces, service, options, hosts, &generation->profiles, endpoint, report);
    }
    /* Apart, so that the nodes of the tree stand together. */
    for (size_t i = 0; ok && i < service->endpoint_count; i++) {
        struct endpoint *endpoint = &generation->endpoints[first + i];
        const struct endpoint_options *options = endpoint->options;

        ok &= route(generation, options->method, endpoint, endpoint->path, options->place, report);
    }
    proxies_tell(generation->endpoints, generation->count, report);
    return ok;
}

/* The methods of the endpoints at `path`, sorted and joined, or empty when an earlier endpoint already stands for that
 * path. */
static struct str methods_at(struct generation *generation, size_t first)
{
    const struct service *service = generation->service;
    struct str path = service->endpoints[first].endpoint, joined = STR_EMPTY;
    struct str last = STR_EMPTY;

    for (size_t i = 0; i < first; i++)
        if (str_eq(service->endpoints[i].endpoint, path))
            return STR_EMPTY;
    for (;;) {
        struct str least = STR_EMPTY;

        for (size_t i = first; i < service->endpoint_count; i++) {
            struct str method = service->endpoints[i].method;

            if (str_eq(service->endpoints[i].endpoint, path) && (!last.data || str_compare(method, last) > 0) &&
                (!least.data || str_compare(method, least) < 0))
                least = method;
        }
        if (!least.data)
            return joined;
        joined = joined.data ? arena_format(generation->arena, "%.*s, %.*s", STR_ARG(joined), STR_ARG(least)) : least;
        last = least;
    }
}

/* router.auto_options: OPTIONS for every path that has no endpoint for it; one of all methods is for it, and sorts
 * first. */
static bool add_options(struct generation *generation, struct report *report)
{
    const struct service *service = generation->service;
    bool ok = true;

    for (size_t i = 0; service->router.auto_options && i < service->endpoint_count; i++) {
        struct str allow = methods_at(generation, i);
        struct endpoint *endpoint;

        if (allow.len == 0 || str_starts(allow, STR("*")))
            continue;
        endpoint = add_builtin(generation, ENDPOINT_OPTIONS, service->endpoints[i].route);
        endpoint->allow = allow;
        ok &= route(generation, STR("OPTIONS"), endpoint, endpoint->path, service->endpoints[i].place, report);
    }
    return ok;
}

struct generation *generation_build(struct arena *arena, const struct service *service, struct hosts *hosts,
                                    struct report *report)
{
    return generation_build_next(arena, service, hosts, NULL, report);
}

struct generation *generation_build_next(struct arena *arena, const struct service *service, struct hosts *hosts,
                                         const struct generation *before, struct report *report)
{
    struct generation *generation = arena_make(arena, struct generation);
    struct router_rules rules = {
        .as_sent = service->server.as_sent,
        .redirect_trailing_slash = !service->router.disable_redirect_trailing_slash,
        .redirect_fixed_path = !service->router.disable_redirect_fixed_path,
        .handle_method_not_allowed = !service->router.disable_handle_method_not_allowed,
        .remove_extra_slash = service->router.remove_extra_slash,
    };
    bool ok;

    if (!generation)
        return NULL;
    generation->arena = arena;
    generation->service = service;
    generation->holders = 1;
    generation->profiles.arena = arena;
    generation->room = (uint32_t)(2 * service->endpoint_count + 5);
    generation->endpoints = arena_lines(arena, struct endpoint, generation->room);
    generation->pieces = intern_new(arena);
    generation->router = router_new(arena, &rules);
    generation->secured = arena_make(arena, struct secured);
    if (!generation->endpoints || !generation->pieces || !generation->router || !generation->secured)
        return NULL;
    ok = add_builtins(generation, report);
    ok &= add_endpoints(generation, hosts, report);
    ok &= add_options(generation, report);
    add_builtin(generation, ENDPOINT_ANSWER, STR("unrouted"));
    ok &= secured_build(generation->secured, arena, service, before ? before->service : NULL,
                        before ? before->secured : NULL, report);
    profiles_check_files(service, report);
    ok &= admin_token_read(arena, &service->server, &generation->admin_token, report);
    if (ok) {
        hosts_obey(hosts, &service->transport.rules);
        return generation;
    }
    secured_end(generation->secured);
    profiles_end(&generation->profiles);
    return NULL;
}

void generation_set_slot(struct generation *generation, uint32_t index, uint32_t slot)
{
    ASSERT(index < generation->count);
    generation->endpoints[index].slot = slot;
}

struct generation *generation_hold(struct generation *generation)
{
    atomic_fetch_add_explicit(&generation->holders, 1, memory_order_relaxed);
    return generation;
}

void generation_release(struct generation *generation)
{
    if (!generation || atomic_fetch_sub_explicit(&generation->holders, 1, memory_order_acq_rel) > 1)
        return;
    secured_end(generation->secured);
    profiles_end(&generation->profiles);
    arena_free(generation->arena);
}

uint32_t generation_holders(const struct generation *generation)
{
    return atomic_load_explicit(&generation->holders, memory_order_acquire);
}

struct str generation_admin_token(const struct generation *generation)
{
    return generation->admin_token;
}

struct secured *generation_secured(const struct generation *generation)
{
    return generation->secured;
}

const struct service *generation_service(const struct generation *generation)
{
    return generation->service;
}

const struct router *generation_router(const struct generation *generation)
{
    return generation->router;
}

uint32_t generation_endpoint_count(const struct generation *generation)
{
    return generation->count;
}

const struct endpoint *generation_endpoint(const struct generation *generation, uint32_t index)
{
    ASSERT(index < generation->count);
    return &generation->endpoints[index];
}

const struct endpoint *generation_unrouted(const struct generation *generation)
{
    return &generation->endpoints[generation->count - 1];
}
