/* carry.c: see the header. Start with carry. SPDX-License-Identifier: Apache-2.0 */
#include "app/carry.h"

#include "config/problems.h"

#include <string.h>

/* What needs a restart as a whole: numbers. */
struct number {
    const char *block, *key; /* block NULL: of the root */
    size_t offset;           /* in struct service, of an int64_t */
};

#define ROOT(key_, field)                                                                                              \
    {                                                                                                                  \
        NULL, key_, offsetof(struct service, field)                                                                    \
    }
#define OURS(key_, field)                                                                                              \
    {                                                                                                                  \
        "holdfast/server", key_, offsetof(struct service, server.field)                                                \
    }

static const struct number numbers[] = {
    ROOT("max_header_bytes", max_header_bytes),    OURS("workers", workers),
    OURS("ipv4_prefix", clients.ipv4_prefix_bits), OURS("ipv6_prefix", clients.ipv6_prefix_bits),
    OURS("tcp_defer_accept", defer_accept_ns),     OURS("resolve_timeout", resolve_timeout_ns),
    OURS("http2.max_streams", h2.streams_max),     OURS("http2.max_header_bytes", h2.head_bytes_max),
    OURS("http2.stream_window", h2.stream_window), OURS("http2.connection_window", h2.connection_window),
    OURS("http2.glitch_budget", h2.glitches_max),  OURS("http2.glitch_refill", h2.glitches_back),
};

/* Limits that may change, but neither come nor go. */
static const struct number limits[] = {
    OURS("max_connections_per_ip", clients.max_per_address),
    OURS("max_streams_per_ip", clients.streams_per_address),
};

static void warn(struct report *report, struct place place, const char *block, const char *key)
{
    report_add(report, SEVERITY_WARNING, PROBLEM_RESTART, place, "start the gateway again for this one",
               "%s%s%s%s: needs a restart; until then it stays as it is", block ? "extra_config." : "",
               block ? block : "", block ? "." : "", key);
}

static int64_t *number_in(struct service *service, const struct number *number)
{
    return (int64_t *)(void *)((char *)service + number->offset);
}

static int64_t number_of(const struct service *service, const struct number *number)
{
    int64_t value;

    memcpy(&value, (const char *)service + number->offset, sizeof(value));
    return value;
}

/* Where the file says it; else there is no place. */
static struct place place_of(const struct service *next, const char *block, const char *key)
{
    const struct node *node = next->document;
    struct str path = str_from(key), name;

    if (block && node)
        node = node_member(node, STR("extra_config"));
    if (block && node)
        node = node_member(node, str_from(block));
    while (node && str_split(&path, '.', &name))
        node = node_member(node, name);
    return node ? node->place : (struct place){0};
}

static void keep(const struct service *now, struct service *next, const struct number *number, struct report *report)
{
    warn(report, place_of(next, number->block, number->key), number->block, number->key);
    *number_in(next, number) = number_of(now, number);
}

static void carry_numbers(const struct service *now, struct service *next, struct report *report)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (number_of(now, &numbers[i]) != number_of(next, &numbers[i]))
            keep(now, next, &numbers[i], report);
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        if ((number_of(now, &limits[i]) > 0) != (number_of(next, &limits[i]) > 0))
            keep(now, next, &limits[i], report);
}

static bool carry_text(struct str now, struct str *next, struct place place, const char *block, const char *key,
                       struct report *report)
{
    if (str_eq(now, *next))
        return true;
    warn(report, place, block, key);
    *next = arena_copy(report->arena, now);
    return next->data || now.len == 0;
}

static bool carry_texts(const struct service *now, struct service *next, struct report *report)
{
    return carry_text(now->server.resolver, &next->server.resolver, place_of(next, "holdfast/server", "resolver"),
                      "holdfast/server", "resolver", report) &&
           carry_text(now->server.admin_listen, &next->server.admin_listen, place_of(next, "holdfast/admin", "listen"),
                      "holdfast/admin", "listen", report);
}

/* The listeners of `next`, and which of them have found their number. */
struct matching {
    const struct carry_options *options;
    const struct server_options *next;
    bool *used;
};

/* Those that are written alike (port 0) are told apart by their order. */
static const struct listener_options *match(struct matching *matching, const struct carry_door *door)
{
    for (size_t i = 0; i < matching->next->listener_count && !door->gone; i++)
        if (!matching->used[i] && str_eq(matching->next->listeners[i].listen, door->listen)) {
            matching->used[i] = true;
            return &matching->next->listeners[i];
        }
    return NULL;
}

static bool has_fixed_address(struct str listen)
{
    struct addr addr;
    struct error err;

    return addr_parse(listen, &addr, &err) && (addr.family == ADDR_UNIX || addr.port != 0);
}

/* Port 0 is another one in each worker. */
static size_t add_new(struct matching *matching, struct listener_options *doors, size_t count, struct report *report)
{
    for (size_t i = 0; i < matching->next->listener_count; i++) {
        const struct listener_options *listener = &matching->next->listeners[i];

        if (matching->used[i])
            continue;
        if (count < matching->options->door_room && has_fixed_address(listener->listen))
            doors[count++] = *listener;
        else
            report_add(report, SEVERITY_WARNING, PROBLEM_RESTART, listener->place,
                       "start the gateway again for this one", "listener %.*s: needs a restart; it is not opened",
                       STR_ARG(listener->listen));
    }
    return count;
}

static bool carry_listeners(const struct carry_options *options, struct service *next, bool *left,
                            struct report *report)
{
    struct server_options *server = &next->server;
    struct listener_options *doors = arena_array(report->arena, struct listener_options, options->door_room + 1);
    struct matching matching = {options, server, arena_array(report->arena, bool, server->listener_count + 1)};

    if (!doors || !matching.used)
        return false;
    for (size_t i = 0; i < options->door_count; i++) {
        const struct listener_options *found = match(&matching, &options->doors[i]);

        left[i] = !found;
        if (found)
            doors[i] = *found;
        else
            doors[i].listen = arena_copy(report->arena, options->doors[i].listen);
        if (!doors[i].listen.data)
            return false;
    }
    server->listener_count = add_new(&matching, doors, options->door_count, report);
    server->listeners = doors;
    return true;
}

bool carry(const struct carry_options *options, struct service *next, bool *left, struct report *report)
{
    carry_numbers(options->now, next, report);
    return carry_texts(options->now, next, report) && carry_listeners(options, next, left, report);
}
