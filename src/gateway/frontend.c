/* frontend.c: listeners, and what the settings are for the connections that come in by them. Start with run_door.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/log.h"
#include "gateway/arrival.h"
#include "gateway/frontend_internal.h"
#include "gateway/greeting.h"
#include "gateway/shadow.h"
#include "gateway/spread.h"

#include "json/write.h"
#include <stdlib.h>

/* A listener with its task. */
struct door {
    struct listener *listener;
    struct door_options options;
    struct frontend *frontend;
    struct task task;
    struct list_node node;
};

enum { ACCEPT_BATCH = 64, HEAD_SLACK_BYTES = 4096 };
#define WARNING_EVERY_NS UINT64_C(10000000000)

bool frontend_is_full(const struct frontend *frontend)
{
    uint64_t max = atomic_load_explicit(&frontend->clients_max, memory_order_relaxed);

    return max > 0 && frontend->clients.count + frontend->arrivals.count + frontend->greetings.count >= max;
}

/* Requests need descriptors too: while they grow short, those who are inside come first. Idle upstream connections make
 * room by themselves, so they are no reason to keep clients out. */
static bool files_are_short(const struct frontend *frontend)
{
    uint64_t clients = frontend->clients.count + frontend->arrivals.count + frontend->greetings.count;

    return frontend->budget && budget_files(frontend->budget, loop_now_ns(frontend->loop)) >= PRESSURE_STRETCH &&
           2 * clients * frontend->workers >= frontend->budget->files_max;
}

/* A descriptor, or a place under the cap, is free again: whoever waits for it may go on. The listeners take turns at
 * being first. */
void frontend_resume_doors(struct frontend *frontend, bool was_full)
{
    struct list_node *first = list_pop_front(&frontend->doors);

    spread_note(frontend);
    if (first)
        list_push_back(&frontend->doors, first);
    for (struct list_node *node = list_first(&frontend->doors); node; node = list_next(&frontend->doors, node)) {
        struct door *door = container_of(node, struct door, node);

        listener_resume(door->listener);
        if (was_full)
            task_wake(frontend->loop, &door->task);
    }
}

/* A pause is tried again ten times a second, which is no news ten times a second. */
static void tell_of_pause(struct frontend *frontend, const struct error *err)
{
    uint64_t now_ns = loop_now_ns(frontend->loop);

    if (now_ns < frontend->next_warning_ns)
        return;
    frontend->next_warning_ns = now_ns + WARNING_EVERY_NS;
    LOG(LOG_WARNING, "SERVICE: HTTP Server", "accepting pauses: %s", err->text);
}

/* False: nobody waits, or there is no room. */
static bool accept_one(struct door *door)
{
    struct stream *stream = NULL;
    struct error err = {0};
    enum io io;

    if (frontend_is_full(door->frontend) && !spread_can_pass(door->frontend)) {
        keep_notice_pressure(door->frontend);
        return false; /* who comes waits in the kernel's queue; a client that leaves wakes us */
    }
    if (files_are_short(door->frontend)) {
        error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_FILES,
                  "what descriptors are left is for the requests of those inside");
        listener_pause(door->listener);
        tell_of_pause(door->frontend, &err);
        keep_notice_pressure(door->frontend);
        return false;
    }
    io = listener_accept(door->listener, &stream, &err);
    if (io == IO_OK && !spread_pass(door->frontend, stream, &door->options))
        greeting_new(door->frontend, stream, &door->options);
    spread_note(door->frontend);
    if (io == IO_FAIL)
        tell_of_pause(door->frontend, &err);
    if (io != IO_WAIT)
        keep_notice_pressure(door->frontend);
    return io != IO_WAIT;
}

static void run_door(struct task *task)
{
    struct door *door = container_of(task, struct door, task);

    for (int i = 0; i < ACCEPT_BATCH; i++)
        if (!accept_one(door))
            return;
    task_wake(door->frontend->loop, task); /* let others run between batches */
}

static void accept_waiting(struct door *door)
{
    listener_look(door->listener);
    while (accept_one(door))
        ;
}

void frontend_accept_all(struct frontend *frontend)
{
    for (struct list_node *node = list_first(&frontend->doors); node; node = list_next(&frontend->doors, node))
        accept_waiting(container_of(node, struct door, node));
}

static bool has_no_room(const struct frontend *frontend)
{
    return (frontend_is_full(frontend) && !spread_can_pass(frontend)) || files_are_short(frontend);
}

/* At a door that closes who waits is no reason to hurry those inside, who are told anyway. */
bool frontend_is_crowded(const struct frontend *frontend)
{
    if (frontend->drain.begun || !has_no_room(frontend))
        return false;
    for (struct list_node *node = list_first(&frontend->doors); node; node = list_next(&frontend->doors, node)) {
        const struct door *door = container_of(node, struct door, node);

        if (!frontend->door_drains[door->options.number].begun && listener_is_waited_at(door->listener))
            return true;
    }
    return false;
}

static void door_free(struct door *door)
{
    list_remove(&door->frontend->doors, &door->node);
    listener_free(door->listener);
    task_forget(door->frontend->loop, &door->task);
    tls_server_release(door->options.tls);
    free(door);
}

void frontend_close_doors(struct frontend *frontend)
{
    for (struct list_node *node; (node = list_first(&frontend->doors));)
        door_free(container_of(node, struct door, node));
}

bool frontend_close_door(struct frontend *frontend, int number, bool at_once)
{
    bool closed = true;

    for (struct list_node *node = list_first(&frontend->doors), *next; node; node = next) {
        struct door *door = container_of(node, struct door, node);

        next = list_next(&frontend->doors, node);
        if (door->options.number != number)
            continue;
        accept_waiting(door);
        if (at_once || !has_no_room(frontend))
            door_free(door);
        else
            closed = false;
    }
    return closed;
}

/* More than any conn can count is as good as the most that it can. */
static uint32_t clamped(int64_t number)
{
    if (number <= 0)
        return 0;
    return number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
}

/* KrakenD's slack of 4 KiB; 0: the conn's default. */
static uint32_t head_bytes_max(int64_t max_header_bytes)
{
    return max_header_bytes > 0 ? clamped((int64_t)clamped(max_header_bytes) + HEAD_SLACK_BYTES) : 0;
}

/* Only who could have a tunnel is told of it. */
static bool has_tunnels(const struct generation *generation)
{
    for (uint32_t i = 0; i < generation_endpoint_count(generation); i++)
        if (generation_endpoint(generation, i)->traffic == CLASS_TUNNEL)
            return true;
    return false;
}

/* A head is no larger than max_header_bytes lets it be. */
static struct h2_rules h2_rules_of(const struct service *service)
{
    const struct h2_settings *settings = &service->server.h2;
    uint32_t head_max = head_bytes_max(service->max_header_bytes);
    uint32_t h2_head_max = clamped(settings->head_bytes_max);

    return (struct h2_rules){
        .streams_max = clamped(settings->streams_max),
        .head_bytes_max = head_max > 0 && head_max < h2_head_max ? head_max : h2_head_max,
        .stream_window = clamped(settings->stream_window),
        .connection_window = clamped(settings->connection_window),
        .glitches_max = clamped(settings->glitches_max),
        .glitches_back = clamped(settings->glitches_back),
    };
}

static struct http_conn_options conn_options_of(const struct service *service)
{
    return (struct http_conn_options){
        .head_bytes_max = head_bytes_max(service->max_header_bytes),
        .idle_timeout_ns = service_positive(service->idle_timeout_ns),
        .head_timeout_ns = service_positive(service->read_header_timeout_ns),
        .head_rate = service_positive(service->server.clients.head_rate_min),
        .read_timeout_ns = service_positive(service->read_timeout_ns),
        .write_timeout_ns = service_positive(service->write_timeout_ns),
        .fields_max = clamped(service->server.clients.fields_max),
        .body_gap_ns = service_positive(service->server.body_gap_timeout_ns),
        .body_rate = service_positive(service->server.clients.body_rate_min),
        .send_gap_ns = service_positive(service->server.clients.send_gap_ns),
        .send_rate = service_positive(service->server.clients.send_rate_min),
        .requests_max = clamped(service->server.max_requests_per_connection),
        .linger_ns = (uint64_t)service->server.clients.linger_ns,
        .keep_alive_header = service->server.keep_alive_header,
    };
}

/* max_connections shared out evenly, rounded up: connections do not move between workers. */
static uint64_t clients_max(const struct server_options *server, unsigned workers)
{
    uint64_t all = (uint64_t)server->max_connections;

    return all / workers + (all % workers > 0);
}

static size_t door_count(const struct generation *generation)
{
    return generation_service(generation)->server.listener_count;
}

/* What is kept for each listener. False: no memory. */
static bool make_doors(struct frontend *frontend, size_t room)
{
    bool made = drain_init(frontend, room);

    frontend->door_room = room;
    frontend->closes_by = calloc(room, sizeof(*frontend->closes_by));
    frontend->open_by = calloc(room, sizeof(*frontend->open_by));
    frontend->busy_by = calloc(room, sizeof(*frontend->busy_by));
    return made && frontend->closes_by && frontend->open_by && frontend->busy_by;
}

static void free_doors(struct frontend *frontend)
{
    drain_free(frontend, frontend->door_room);
    free(frontend->closes_by);
    free(frontend->open_by);
    free(frontend->busy_by);
}

/* What the newest generation says of clients. Rules of HTTP/2 are promised to those inside, and stay; a tunnel is
 * offered to who comes. */
static void take_settings(struct frontend *frontend)
{
    const struct service *service = generation_service(frontend->generation);
    uint64_t grace_ns = frontend->conn_options.idle_grace_ns;

    frontend->conn_options = conn_options_of(service);
    frontend->conn_options.idle_grace_ns = grace_ns;
    frontend->conn_options.h2 = &frontend->h2_rules;
    frontend->conn_options.dates = &frontend->dates;
    frontend->conn_options.h2_counts = &frontend->h2_counts;
    frontend->h2_rules.tunnels = has_tunnels(frontend->generation);
    frontend->h2c = service->use_h2c || service->router.use_h2c;
    atomic_store_explicit(&frontend->clients_max, clients_max(&service->server, frontend->workers),
                          memory_order_relaxed);
    frontend->request_memory_max = (size_t)service->server.request_memory_max;
    frontend->shadows_max = (uint32_t)service->server.shadows_max;
    keep_take(frontend, &service->server);
}

struct frontend *frontend_new(const struct frontend_options *options)
{
    struct frontend *frontend = aligned_alloc(_Alignof(struct frontend), sizeof(*frontend));

    ASSERT(options->workers > options->worker);
    if (!frontend)
        return NULL;
    memset(frontend, 0, sizeof(*frontend));
    frontend->loop = options->loop;
    frontend->statuses = status_table_new(generation_endpoint_count(options->generation));
    frontend->reign = reign_new(options->generation);
    frontend->shapes = json_shapes_new();
    if (!make_doors(frontend, door_count(options->generation) + FRONTEND_DOORS_MORE) || !frontend->statuses ||
        !frontend->reign || !frontend->shapes || !spread_open(frontend)) {
        status_table_free(frontend->statuses, true);
        json_shapes_free(frontend->shapes);
        reign_free(frontend->reign);
        free_doors(frontend);
        free(frontend);
        return NULL;
    }
    frontend->pool = options->pool;
    frontend->access_log = options->access_log;
    frontend->worker = options->worker;
    frontend->generation = options->generation;
    frontend->started_ns = loop_now_ns(options->loop);
    frontend->h2_rules = h2_rules_of(generation_service(options->generation));
    frontend->budget = options->budget;
    frontend->workers = options->workers;
    frontend->crowd = options->crowd;
    frontend->lasting_crowd = options->lasting_crowd;
    list_init(&frontend->greetings);
    list_init(&frontend->doors);
    list_init(&frontend->clients);
    list_init(&frontend->shadows);
    list_init(&frontend->arrivals);
    keep_init(frontend);
    take_settings(frontend);
    return frontend;
}

void frontend_free(struct frontend *frontend)
{
    if (!frontend)
        return;
    frontend_close_doors(frontend);
    frontend_cut(frontend);
    shadows_end(frontend);
    free_doors(frontend);
    keep_free(frontend);
    spread_free(frontend);
    client_log_clear(&frontend->closed);
    tls_server_common_end(&frontend->tls_common);
    status_table_free(frontend->statuses, true);
    json_shapes_free(frontend->shapes);
    reign_end(frontend->reign);
    free(frontend);
}

static void take_statuses(struct frontend *frontend, struct succession *succession)
{
    struct status_table *before = atomic_load_explicit(&frontend->statuses, memory_order_relaxed);
    struct status_table *next = succession->statuses;

    status_table_succeed(before, next);
    atomic_store_explicit(&frontend->statuses, next, memory_order_release);
    succession->statuses = before;
}

/* What its listener says in the newest generation. One that has none there is about to close. */
static void renew_door(struct door *door)
{
    const struct generation *generation = door->frontend->generation;
    struct secured *secured = generation_secured(generation);
    struct tls_server *before = door->options.tls;
    uint16_t number = door->options.number;

    if (door->frontend->door_drains[number].begun || number >= secured->count)
        return;
    door->options.tls = tls_server_hold(secured->servers[number]);
    door->options.proxy_protocol = generation_service(generation)->server.listeners[number].proxy_protocol;
    tls_server_release(before);
}

void frontend_succeed(struct frontend *frontend, struct succession *succession)
{
    struct reign *before = frontend->reign;

    take_statuses(frontend, succession);
    frontend->reign = succession->next;
    frontend->generation = frontend->reign->generation;
    frontend->access_log = succession->access_log;
    take_settings(frontend);
    for (struct list_node *node = list_first(&frontend->doors); node; node = list_next(&frontend->doors, node))
        renew_door(container_of(node, struct door, node));
    reign_end(before);
    frontend_resume_doors(frontend, true); /* there may be more room */
}

bool frontend_listen(struct frontend *frontend, struct addr *addr, const struct listen_options *options,
                     const struct door_options *door_options, struct error *err)
{
    struct door *door = calloc(1, sizeof(*door));

    if (!door)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a listener");
    door->frontend = frontend;
    if (door_options)
        door->options = *door_options;
    ASSERT(door->options.number < frontend->door_room);
    door->task.run = run_door;
    door->listener = listener_new(frontend->loop, addr, options, &door->task, err);
    if (!door->listener) {
        free(door);
        return false;
    }
    (void)tls_server_hold(door->options.tls);
    *addr = *listener_addr(door->listener);
    list_push_back(&frontend->doors, &door->node);
    return true;
}

bool frontend_is_empty(const struct frontend *frontend)
{
    return list_is_empty(&frontend->clients) && list_is_empty(&frontend->arrivals) &&
           list_is_empty(&frontend->greetings);
}

void frontend_cut(struct frontend *frontend)
{
    arrivals_cut(frontend);
    greetings_cut(frontend);
    for (struct list_node *node; (node = list_first(&frontend->clients));)
        client_cut(container_of(node, struct client, node), HTTP_END_CUT);
}

void frontend_count_close(struct frontend *frontend, uint16_t door, enum http_end end)
{
    host_count_add(&frontend->closes_by[door][end], 1);
}

void frontend_count_request(struct frontend *frontend, const struct endpoint *endpoint, uint16_t status)
{
    status_table_count(atomic_load_explicit(&frontend->statuses, memory_order_relaxed), endpoint->slot, status);
    host_count_add(&frontend->counts.requests, 1);
}

/* A worker that has not taken the newest generation yet has no place for what that one has more. */
void frontend_add_answers(const struct frontend *frontend, uint32_t slot, uint64_t sums[STATUS_SLOTS])
{
    status_table_add(atomic_load_explicit(&frontend->statuses, memory_order_acquire), slot, sums);
}
