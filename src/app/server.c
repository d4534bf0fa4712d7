/* server.c: workers with the same listeners (SO_REUSEPORT), started together, drained together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "app/kernel_report.h"
#include "app/server_internal.h"
#include "gateway/crowd.h"
#include "os/kernel.h"
#include "os/process.h"
#include "os/thread.h"

#include <stdlib.h>

unsigned server_workers(const struct service *service)
{
    int64_t wanted = service->server.workers;

    if (wanted > 0)
        return wanted < WORKERS_MAX ? (unsigned)wanted : WORKERS_MAX;
    return (unsigned)size_min(thread_cpu_count(), WORKERS_MAX);
}

static void worker_ended(void *arg)
{
    struct ended_letter *letter = arg;

    mailbox_post(letter->server->mailbox, &letter->letter);
}

static void run_mail(struct task *task)
{
    struct server *server = container_of(task, struct server, mail_task);

    for (struct letter *letter = mailbox_take(server->mailbox), *next; letter; letter = next) {
        next = letter->next;
        switch ((enum server_mail)letter->kind) {
        case MAIL_ENDED:
            server->running--;
            break;
        case MAIL_SUCCEEDED:
            succession_mail(server, letter);
            break;
        }
    }
    if (server->running == 0)
        task_wake(server->start.loop, server->start.ended);
}

static bool parse_listeners(struct server *server, struct error *err)
{
    const struct server_options *options = &server->service->server;

    server->address_room = options->listener_count + FRONTEND_DOORS_MORE;
    server->addresses = calloc(server->address_room, sizeof(*server->addresses));
    server->listeners = calloc(server->address_room, sizeof(*server->listeners));
    if (!server->addresses || !server->listeners)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for listeners");
    for (size_t i = 0; i < options->listener_count; i++) {
        struct str text = arena_copy(server->arena, options->listeners[i].listen);

        if (!text.data)
            return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for listeners");
        if (!addr_parse(text, &server->addresses[i], err))
            return error_context(err, "listener %.*s", STR_ARG(text));
    }
    server->address_count = options->listener_count;
    return true;
}

bool server_worker_shares(const struct server *server, const struct addr *addr, unsigned worker)
{
    return worker == 0 || (addr->family != ADDR_UNIX && !(server->refused & LISTEN_NO_REUSE));
}

static bool build_worker(struct server *server, unsigned index, struct error *err)
{
    char text[ADDR_TEXT_BYTES];
    struct listen_options listen = {
        .backlog = WORKER_BACKLOG,
        .reuse_port = true,
        .defer_accept_ns = service_positive(server->service->server.defer_accept_ns),
        .refused = &server->refused,
    };

    server->letters[index].server = server;
    server->workers[index] = worker_new(
        &(struct worker_options){
            .index = index,
            .workers = server->worker_count,
            .pin = server->worker_count > 1,
            .generation = server->generation,
            .hosts = server->start.hosts,
            .access_log = !server->service->router.disable_access_log,
            .crowd = server->crowd,
            .lasting_crowd = server->lasting_crowd,
            .ended = worker_ended,
            .arg = &server->letters[index],
        },
        err);
    if (!server->workers[index])
        return false;
    server->frontends[index] = worker_frontend(server->workers[index]);
    for (size_t i = 0; i < server->address_count; i++) {
        struct door_options door = {.tls = generation_secured(server->generation)->servers[i],
                                    .proxy_protocol = server->service->server.listeners[i].proxy_protocol,
                                    .number = (uint16_t)i};

        if (server_worker_shares(server, &server->addresses[i], index) &&
            !worker_listen(server->workers[index], &server->addresses[i], &listen, &door, err))
            return error_context(err, "listen %.*s", STR_ARG(addr_format(&server->addresses[i], text)));
    }
    return true;
}

bool server_can_listen(struct server *server, const struct addr *addr, struct error *err)
{
    struct world *world = loop_world(server->start.loop);
    int fd = world->ops->listen(world, addr, &(struct listen_options){.backlog = 1}, err);

    if (fd == -1)
        return false;
    world->ops->close(world, fd);
    return true;
}

/* With SO_REUSEPORT a second gateway of the same user would share the port unnoticed, and requests would be split
 * between two configurations; so each TCP address is taken once without it. */
static bool addresses_are_free(struct server *server, struct error *err)
{
    char text[ADDR_TEXT_BYTES];

    for (size_t i = 0; i < server->address_count; i++) {
        const struct addr *addr = &server->addresses[i];

        if (addr->family != ADDR_UNIX && addr->port != 0 && !server_can_listen(server, addr, err))
            return error_context(err, "listen %.*s", STR_ARG(addr_format(addr, text)));
    }
    return true;
}

static bool build(struct server *server, struct error *err)
{
    server->workers = calloc(server->worker_count, sizeof(struct worker *));
    server->frontends = calloc(server->worker_count, sizeof(struct frontend *));
    server->letters = calloc(server->worker_count, sizeof(*server->letters));
    server->mailbox = mailbox_new(server->start.loop, &server->mail_task);
    server->arena = arena_new(NULL, SIZE_MAX);
    server->tally = tally_new();
    if (!server->workers || !server->frontends || !server->letters || !server->mailbox || !server->arena ||
        !server->tally || !tally_number(server->tally, server->generation))
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for workers");
    if (server->service->server.clients.max_per_address > 0 && !(server->crowd = crowd_new()))
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for workers");
    if (server->service->server.clients.streams_per_address > 0 && !(server->lasting_crowd = crowd_new()))
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for workers");
    if (!parse_listeners(server, err) || !addresses_are_free(server, err))
        return false;
    for (unsigned i = 0; i < server->worker_count; i++)
        if (!build_worker(server, i, err))
            return false;
    for (unsigned i = 0; i < server->worker_count; i++)
        frontend_meet(server->frontends[i], server->frontends, server->worker_count);
    for (size_t i = 0; i < server->address_count; i++)
        server->listeners[i].addr = server->addresses[i];
    return true;
}

static bool start_workers(struct server *server, struct error *err)
{
    /* The sockets of the workers are counted as they come and go; what else is open now stays open. */
    budget_limit(hosts_budget(server->start.hosts), process_file_limit(), process_open_files(), process_port_count());
    for (unsigned i = 0; i < server->worker_count; i++) {
        if (!worker_start(server->workers[i], err))
            return false;
        server->started++;
        server->running++;
    }
    return true;
}

static uint64_t overflows(void)
{
    struct kernel_listen counts;

    return kernel_listen_read(&counts) ? counts.overflows : 0;
}

struct host_leave_rule server_leave_rule(const struct service *service)
{
    return (struct host_leave_rule){service_positive(service->server.hide_hosts_after_ns),
                                    service_positive(service->server.forget_hosts_after_ns)};
}

static bool start_rest(struct server *server, struct error *err)
{
    return rest_start(&server->rest,
                      &(struct rest_options){
                          .loop = server->start.loop,
                          .frontends = (const struct frontend *const *)server->frontends,
                          .workers = server->worker_count,
                          .hosts = server->start.hosts,
                          .leave_rule = server_leave_rule(server->service),
                          .tls = &server->tls_refresh,
                          .memory_max = service_positive(server->service->server.clients.memory_max),
                      }) ||
           error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the server");
}

struct server *server_new(const struct server_start *start, struct error *err)
{
    struct server *server = calloc(1, sizeof(*server));

    if (!server) {
        generation_release(start->generation);
        hosts_free(start->hosts);
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the server");
        return NULL;
    }
    server->start = *start;
    server->generation = start->generation;
    server->service = generation_service(start->generation);
    server->worker_count = start->workers;
    succession_init(server);
    generation_name_hosts(start->generation, 1, loop_now_ns(start->loop));
    server->mail_task.run = run_mail;
    if (!build(server, err) || !start_rest(server, err) || !start_workers(server, err)) {
        server_cut(server);
        server_free(server);
        return NULL;
    }
    tls_refresh_start(&server->tls_refresh, start->loop, generation_secured(start->generation));
    server->overflows_at_start = overflows();
    kernel_report(server->service, server->worker_count, WORKER_BACKLOG, process_file_limit(), server->refused);
    return server;
}

size_t server_address_count(const struct server *server)
{
    return server->address_count;
}

struct addr server_address(const struct server *server, size_t index)
{
    return server->addresses[index];
}

bool server_is_secured(const struct server *server, size_t index)
{
    return generation_secured(server->generation)->servers[index];
}

const char *server_protocols(const struct server *server, size_t index)
{
    const struct service *service = server->service;

    if (server_is_secured(server, index))
        return service->server.listeners[index].no_h2 ? "http/1.1" : "http/1.1, h2";
    return service->use_h2c || service->router.use_h2c ? "http/1.1, h2c" : "http/1.1";
}

static uint64_t drain_limit_ns(const struct service *service)
{
    return service_positive(service->max_shutdown_wait_time_ns > 0 ? service->max_shutdown_wait_time_ns
                                                                   : service->server.drain_limit_ns);
}

/* Idle connections close by themselves a little before the limit would cut them. */
static uint64_t drain_window_ns(const struct service *service)
{
    uint64_t window_ns = service_positive(service->server.drain_window_ns), limit_ns = drain_limit_ns(service);

    return limit_ns > 0 && window_ns > limit_ns / 4 * 3 ? limit_ns / 4 * 3 : window_ns;
}

void server_drain(struct server *server)
{
    if (server->draining)
        return;
    server->draining = true;
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_drain(server->workers[i], drain_window_ns(server->service), drain_limit_ns(server->service));
}

/* Workers that do not listen there may have been given connections that came in by it. */
void server_drain_number(struct server *server, size_t number)
{
    server->listeners[number].state = LISTENER_DRAINING;
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_drain_door(server->workers[i], (uint16_t)number, drain_window_ns(server->service),
                          drain_limit_ns(server->service));
}

void server_drain_listeners(struct server *server)
{
    for (size_t number = 0; number < server->address_count; number++)
        if (server->listeners[number].state == LISTENER_ASKED)
            server_drain_number(server, number);
}

void server_cut(struct server *server)
{
    if (server->cutting)
        return;
    server->cutting = true;
    for (unsigned i = 0; i < server->started; i++) /* also those that have ended: any of them may be left */
        worker_cut(server->workers[i]);
}

bool server_is_draining(const struct server *server)
{
    return server->draining;
}

bool server_has_ended(const struct server *server)
{
    return server->running == 0;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    tls_refresh_stop(&server->tls_refresh);
    for (unsigned i = 0; server->workers && i < server->worker_count; i++)
        worker_join(server->workers[i]);
    rest_stop(&server->rest);
    for (unsigned i = 0; server->workers && i < server->worker_count; i++)
        worker_free(server->workers[i]);
    succession_end(server);
    task_forget(server->start.loop, &server->mail_task);
    mailbox_free(server->mailbox);
    generation_release(server->generation);
    hosts_free(server->start.hosts);
    tally_free(server->tally);
    arena_free(server->arena);
    free(server->workers);
    free(server->frontends);
    free(server->letters);
    free(server->addresses);
    free(server->listeners);
    crowd_free(server->crowd);
    crowd_free(server->lasting_crowd);
    free(server);
}

unsigned server_worker_count(const struct server *server)
{
    return server->worker_count;
}

const struct generation *server_generation(const struct server *server)
{
    return server->generation;
}

struct hosts *server_hosts(const struct server *server)
{
    return server->start.hosts;
}

struct reload_facts *server_reload_facts(struct server *server)
{
    return &server->facts;
}

struct admin_view server_view(const struct server *server)
{
    return (struct admin_view){
        .hosts = server->start.hosts,
        .generation = server->generation,
        .frontends = (const struct frontend *const *)server->frontends,
        .workers = server->worker_count,
        .draining = &server->draining,
        .listeners = server->listeners,
        .tally = server->tally,
        .reloads = &server->facts,
        .overflows_at_start = server->overflows_at_start,
    };
}
