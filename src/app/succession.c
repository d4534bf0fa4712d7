/* succession.c: the next generation of a running server: what is made for each worker, the letters, and the end of the
 * generations before. Nothing here waits for a worker. Start with server_succeed.
 * SPDX-License-Identifier: Apache-2.0 */
#include "app/carry.h"
#include "app/server_internal.h"
#include "base/log.h"
#include "config/problems.h"

#include <stdlib.h>

#define LOOK_EVERY_NS UINT64_C(100000000)

/* One change, until all workers have taken it. */
struct change {
    struct list_node node;
    unsigned under_way;
    struct worker_change parts[];
};

static bool is_gone(const struct server *server, size_t number)
{
    return server->listeners[number].gone;
}

bool server_prepare(struct server *server, struct service *next, struct report *report)
{
    size_t room = server->address_room;
    struct carry_door *doors = arena_array(report->arena, struct carry_door, room);
    bool *left = arena_array(report->arena, bool, room);
    bool ok = true;
    struct error err;

    if (!doors || !left)
        return false;
    for (size_t i = 0; i < server->address_count; i++)
        doors[i] = (struct carry_door){server->service->server.listeners[i].listen, is_gone(server, i)};
    if (!carry(&(struct carry_options){server->service, doors, server->address_count, room}, next, left, report))
        return false;
    for (size_t i = server->address_count; i < next->server.listener_count; i++) {
        const struct listener_options *listener = &next->server.listeners[i];
        struct addr addr;

        if (addr_parse(listener->listen, &addr, &err) && server_can_listen(server, &addr, &err))
            continue;
        report_add(report, SEVERITY_ERROR, PROBLEM_LISTENER, listener->place, NULL, "listener %.*s: %s",
                   STR_ARG(listener->listen), err.text);
        ok = false;
    }
    for (size_t i = 0; ok && i < server->address_count; i++)
        server->listeners[i].left = left[i];
    return ok;
}

/* What the workers have taken is theirs. */
static void free_change(struct change *change, unsigned workers)
{
    for (unsigned i = 0; i < workers; i++) {
        struct worker_change *part = &change->parts[i];

        status_table_free(part->succession.statuses, false);
        if (!part->taken)
            reign_free(part->succession.next);
    }
    free(change);
}

static bool make_part(struct server *server, struct generation *generation, struct change *change, unsigned worker)
{
    struct worker_change *part = &change->parts[worker];

    *part = (struct worker_change){.home = server->mailbox, .kind_home = MAIL_SUCCEEDED, .owner = change};
    part->succession.next = reign_new(generation);
    part->succession.statuses = status_table_new(tally_count(server->tally));
    return part->succession.next && part->succession.statuses;
}

/* NULL: no memory. */
static struct change *make_change(struct server *server, struct generation *generation)
{
    struct change *change = calloc(1, sizeof(*change) + server->worker_count * sizeof(change->parts[0]));
    bool ok = change && tally_number(server->tally, generation);

    for (unsigned i = 0; ok && i < server->worker_count; i++)
        ok = make_part(server, generation, change, i);
    if (ok)
        return change;
    if (change)
        free_change(change, server->worker_count);
    return NULL;
}

/* Texts of addresses outlive the generation. False: no memory, and it is not opened. */
static bool add_listener(struct server *server, size_t number, const struct listener_options *listener)
{
    struct str text = arena_copy(server->arena, listener->listen);
    struct error err;

    if (!text.data || !addr_parse(text, &server->addresses[number], &err))
        return false;
    server->listeners[number] = (struct admin_listener){.addr = server->addresses[number]};
    return true;
}

/* Behind the succession, whose TLS they have. */
static void open_listener(struct server *server, size_t number)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        if (server_worker_shares(server, &server->addresses[number], i) &&
            !worker_open(server->workers[i], &server->addresses[number], (uint16_t)number,
                         service_positive(server->service->server.defer_accept_ns)))
            LOG(LOG_ERROR, "SERVICE: Reload", "no memory to open a listener in a worker");
}

/* Before the succession: who waits at their doors comes in as they were. */
static void close_left(struct server *server)
{
    for (size_t i = 0; i < server->address_count; i++) {
        if (!server->listeners[i].left || is_gone(server, i))
            continue;
        server->listeners[i].gone = true;
        if (server->listeners[i].state != LISTENER_DRAINING)
            server_drain_number(server, i);
    }
}

static void open_new(struct server *server, size_t first)
{
    for (size_t i = first; i < server->address_count; i++)
        open_listener(server, i);
}

static size_t take_listeners(struct server *server)
{
    const struct server_options *options = &server->service->server;
    size_t first = server->address_count;

    while (server->address_count < options->listener_count &&
           add_listener(server, server->address_count, &options->listeners[server->address_count]))
        server->address_count++;
    return first;
}

/* What the main thread itself does by the configuration. */
static void take_settings(struct server *server, const struct secured *before)
{
    struct secured *secured = generation_secured(server->generation);

    secured_begin(secured, server->service, before);
    tls_refresh_stop(&server->tls_refresh);
    server->tls_refresh = (struct tls_refresh){0};
    tls_refresh_start(&server->tls_refresh, server->start.loop, secured);
    server->rest.ports.rule = server_leave_rule(server->service);
    server->rest.memory.limit_bytes = service_positive(server->service->server.clients.memory_max);
}

static void note_success(struct server *server)
{
    server->facts.generation++;
    server->facts.loaded_ns = loop_wall_ns(server->start.loop);
    server->facts.alive = 1 + (unsigned)server->pasts.count;
}

/* The one before goes when nobody serves by it any more. */
static void make_past(struct server *server, struct past *past)
{
    *past = (struct past){.generation = server->generation};
    list_push_back(&server->pasts, &past->node);
    timer_set(server->start.loop, &server->past_timer, loop_now_ns(server->start.loop) + LOOK_EVERY_NS);
}

static void publish(struct server *server, struct generation *next, struct change *change)
{
    const struct secured *before = generation_secured(server->generation);
    size_t first;

    close_left(server);
    server->generation = next;
    server->service = generation_service(next);
    take_settings(server, before);
    change->under_way = server->worker_count;
    list_push_back(&server->successions, &change->node);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_succeed(server->workers[i], &change->parts[i]);
    first = take_listeners(server);
    open_new(server, first);
    note_success(server);
}

bool server_succeed(struct server *server, struct generation *next)
{
    uint64_t now_ns = loop_now_ns(server->start.loop);
    struct change *change = make_change(server, next);
    struct past *past = calloc(1, sizeof(*past));

    if (!change || !past) {
        if (change)
            free_change(change, server->worker_count);
        free(past);
        return false;
    }
    generation_name_hosts(next, 1, now_ns);
    generation_claim_hosts(next, server->start.hosts, now_ns); /* before a worker hears of it: see host_hold.h */
    make_past(server, past);
    publish(server, next, change);
    return true;
}

void server_abandon(struct server *server)
{
    server->facts.failed++;
    server->facts.last_failed = true;
    generation_claim_hosts(server->generation, server->start.hosts, loop_now_ns(server->start.loop));
}

void succession_mail(struct server *server, struct letter *letter)
{
    struct change *change = container_of(letter, struct worker_change, letter)->owner;

    if (--change->under_way > 0)
        return;
    list_remove(&server->successions, &change->node);
    free_change(change, server->worker_count);
    task_wake(server->start.loop, &server->past_task);
}

bool server_is_changing(const struct server *server)
{
    return !list_is_empty(&server->successions);
}

static void free_past(struct server *server, struct past *past)
{
    generation_name_hosts(past->generation, -1, loop_now_ns(server->start.loop));
    generation_release(past->generation);
    list_remove(&server->pasts, &past->node);
    free(past);
}

/* A generation of which ours is the last hold is served by nowhere, and nobody can take another. */
static void run_past(struct task *task)
{
    struct server *server = container_of(task, struct server, past_task);
    size_t before = server->pasts.count;

    for (struct list_node *node = list_first(&server->pasts), *next; node; node = next) {
        struct past *past = container_of(node, struct past, node);

        next = list_next(&server->pasts, node);
        if (generation_holders(past->generation) == 1)
            free_past(server, past);
    }
    if (server->pasts.count < before)
        hosts_let_go(server->start.hosts);
    server->facts.alive = 1 + (unsigned)server->pasts.count;
    if (!list_is_empty(&server->pasts))
        timer_set(server->start.loop, &server->past_timer, loop_now_ns(server->start.loop) + LOOK_EVERY_NS);
}

void succession_init(struct server *server)
{
    list_init(&server->pasts);
    list_init(&server->successions);
    server->past_task.run = run_past;
    server->past_timer = (struct timer){.at_ns = TIMER_OFF, .task = &server->past_task};
    server->facts = (struct reload_facts){.generation = 1, .alive = 1, .loaded_ns = loop_wall_ns(server->start.loop)};
}

void succession_end(struct server *server)
{
    struct list_node *node;

    timer_clear(server->start.loop, &server->past_timer);
    task_forget(server->start.loop, &server->past_task);
    while ((node = list_pop_front(&server->successions)))
        free_change(container_of(node, struct change, node), server->worker_count);
    while ((node = list_first(&server->pasts)))
        free_past(server, container_of(node, struct past, node));
}
