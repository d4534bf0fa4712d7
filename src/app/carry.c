/* carry.c: see the header. Start with carry. SPDX-License-Identifier: Apache-2.0 */
#include "app/carry.h"

#include "base/text.h"
#include "config/problems.h"

#include "json/write.h"
#include <string.h>

/* What needs a restart as a whole: numbers. */
struct number {
    const char *block, *key; /* block NULL: of the root */
    size_t offset;           /* in struct service, of an int64_t */
    bool lasts;              /* it is a duration */
};

#define ROOT(key_, field)                                                                                              \
    {                                                                                                                  \
        NULL, key_, offsetof(struct service, field), false                                                             \
    }
#define OURS(key_, field)                                                                                              \
    {                                                                                                                  \
        "holdfast/server", key_, offsetof(struct service, server.field), false                                         \
    }
#define OURS_DURATION(key_, field)                                                                                     \
    {                                                                                                                  \
        "holdfast/server", key_, offsetof(struct service, server.field), true                                          \
    }

static const struct number numbers[] = {
    ROOT("max_header_bytes", max_header_bytes),         OURS("workers", workers),
    OURS("ipv4_prefix", clients.ipv4_prefix_bits),      OURS("ipv6_prefix", clients.ipv6_prefix_bits),
    OURS_DURATION("tcp_defer_accept", defer_accept_ns), OURS_DURATION("resolve_timeout", resolve_timeout_ns),
    OURS("http2.max_streams", h2.streams_max),          OURS("http2.max_header_bytes", h2.head_bytes_max),
    OURS("http2.stream_window", h2.stream_window),      OURS("http2.connection_window", h2.connection_window),
    OURS("http2.glitch_budget", h2.glitches_max),       OURS("http2.glitch_refill", h2.glitches_back),
};

/* Limits that may change, but neither come nor go. */
static const struct number limits[] = {
    OURS("max_connections_per_ip", clients.max_per_address),
    OURS("max_streams_per_ip", clients.streams_per_address),
};

enum { TEXTS = 2, KEPT_MAX = COUNT_OF(numbers) + COUNT_OF(limits) + TEXTS };

/* Two configurations, and what of the first one stays. */
struct carrying {
    const struct service *now;
    struct service *next;
    struct kept_setting *kept;
    struct report *report;
};

/* Tells it, with its value as JSON text. False: no memory. */
static bool note(struct carrying *carrying, const char *block, const char *key, struct place place, struct str value)
{
    struct str path = arena_format(carrying->report->arena, "%s%s%s%s", block ? "extra_config." : "",
                                   block ? block : "", block ? "." : "", key);

    if (!path.data || !value.data)
        return false;
    report_add(carrying->report, SEVERITY_WARNING, PROBLEM_RESTART, place, "start the gateway again for this one",
               "%.*s: needs a restart; until then it stays as it is", STR_ARG(path));
    carrying->kept[carrying->next->kept_count++] = (struct kept_setting){path.data, value.data};
    return true;
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

static bool keep(struct carrying *carrying, const struct number *number)
{
    struct arena *arena = carrying->report->arena;
    int64_t value = number_of(carrying->now, number);
    char text[DURATION_TEXT_BYTES];
    struct str shown = number->lasts ? arena_format(arena, "\"%.*s\"", STR_ARG(text_from_duration(value, text)))
                                     : arena_format(arena, "%lld", (long long)value);

    *number_in(carrying->next, number) = value;
    return note(carrying, number->block, number->key, place_of(carrying->next, number->block, number->key), shown);
}

static bool carry_numbers(struct carrying *carrying)
{
    const struct service *now = carrying->now, *next = carrying->next;
    bool ok = true;

    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (number_of(now, &numbers[i]) != number_of(next, &numbers[i]))
            ok &= keep(carrying, &numbers[i]);
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        if ((number_of(now, &limits[i]) > 0) != (number_of(next, &limits[i]) > 0))
            ok &= keep(carrying, &limits[i]);
    return ok;
}

static bool carry_text(struct carrying *carrying, const char *block, const char *key, struct str now, struct str *next)
{
    struct arena *arena = carrying->report->arena;
    struct json_writer writer = {.arena = arena};
    struct str shown;

    if (str_eq(now, *next))
        return true;
    *next = arena_copy(arena, now);
    json_write_string(&writer, now);
    shown = json_written(&writer);
    return next->data && shown.data &&
           note(carrying, block, key, place_of(carrying->next, block, key), arena_copy(arena, shown));
}

static bool carry_texts(struct carrying *carrying)
{
    const struct server_options *now = &carrying->now->server;
    struct server_options *next = &carrying->next->server;

    return carry_text(carrying, "holdfast/server", "resolver", now->resolver, &next->resolver) &&
           carry_text(carrying, "holdfast/admin", "listen", now->admin_listen, &next->admin_listen);
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
            doors[i] = (struct listener_options){
                .listen = arena_copy(report->arena, options->doors[i].listen),
                .max_age_hard_ns = options->now->server.listeners[i].max_age_hard_ns,
            };
        if (!doors[i].listen.data)
            return false;
    }
    server->listener_count = add_new(&matching, doors, options->door_count, report);
    server->listeners = doors;
    return true;
}

bool carry(const struct carry_options *options, struct service *next, bool *left, struct report *report)
{
    struct carrying carrying = {options->now, next, arena_array(report->arena, struct kept_setting, KEPT_MAX), report};

    if (!carrying.kept)
        return false;
    next->kept = carrying.kept;
    return carry_numbers(&carrying) && carry_texts(&carrying) && carry_listeners(options, next, left, report);
}
