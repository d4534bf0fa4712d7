/* worker.c: one worker's parts in the order they stand on each other, and the letters it obeys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "app/worker.h"

#include "base/log.h"
#include "observe/access_log.h"
#include "os/mailbox.h"
#include "os/thread.h"
#include "upstream/handoff.h"
#include "upstream/warm_floor.h"

#include <stdio.h>
#include <stdlib.h>

enum letter_kind { LETTER_DRAIN, LETTER_DRAIN_DOOR, LETTER_CUT, LETTER_SUCCEED, LETTER_OPEN };

/* That a listener comes. */
struct open_letter {
    struct letter letter;
    struct addr addr;
    struct listen_options options;
    uint16_t number;
};

/* That a listener goes. */
struct door_letter {
    struct letter letter;
    uint16_t number;
    uint64_t window_ns, limit_ns;
};

struct worker {
    struct worker_options options;
    struct world *world;
    struct loop *loop;
    struct mailbox *mailbox;
    struct task mail_task, drained_task, limit_task;
    struct timer limit;
    struct resolver *resolver;
    struct pool *pool;
    struct access_log *access_log;
    struct frontend *frontend;
    struct thread *thread;
    struct letter drain_letter, cut_letter; /* each is posted at most once */
    struct door_letter *door_letters;       /* one for each listener, the same */
    uint64_t drain_window_ns, drain_limit_ns;
};

static void start_drain(struct worker *worker)
{
    if (worker->drain_limit_ns)
        timer_set(worker->loop, &worker->limit, loop_now_ns(worker->loop) + worker->drain_limit_ns);
    pool_cool(worker->pool);
    frontend_drain(worker->frontend, worker->drain_window_ns, &worker->drained_task);
}

static void drain_door(struct worker *worker, const struct door_letter *letter)
{
    frontend_drain_door(worker->frontend, letter->number, letter->window_ns, letter->limit_ns);
}

/* The log is opened when a generation first wants one; it stays, as requests under way write to it. */
static struct access_log *access_log_of(struct worker *worker, const struct service *service)
{
    if (service->router.disable_access_log)
        return NULL;
    if (!worker->access_log)
        worker->access_log = access_log_new(worker->loop, 1);
    return worker->access_log;
}

/* What the configuration says of names. */
static void obey_names(struct worker *worker, const struct resolve_settings *resolve)
{
    resolver_cache_obey(worker->resolver, &(struct resolve_rules){
                                              .ttl_min_ns = (uint64_t)resolve->ttl_min_ns,
                                              .ttl_max_ns = (uint64_t)resolve->ttl_max_ns,
                                              .failure_ns = (uint64_t)resolve->negative_ttl_ns,
                                              .patience_ns = (uint64_t)resolve->stale_after_ns,
                                              .stale_max_ns = (uint64_t)resolve->stale_max_ns,
                                              .names_max = (size_t)resolve->cache_size,
                                          });
}

static void succeed(struct worker *worker, struct worker_change *change)
{
    struct generation *next = change->succession.next->generation;
    const struct service *service = generation_service(next);

    change->succession.access_log = access_log_of(worker, service);
    frontend_succeed(worker->frontend, &change->succession);
    loop_pipes(worker->loop)->lent_max = (unsigned)service->server.pipes_max;
    obey_names(worker, &service->server.resolve);
    if (!worker->frontend->drain.begun && !generation_keep_warm(next, worker->pool))
        LOG(LOG_WARNING, "SERVICE: Reload", "no memory to keep all hosts warm");
    change->taken = true;
    change->letter.kind = change->kind_home;
    mailbox_post(change->home, &change->letter);
}

static void open_door(struct worker *worker, struct open_letter *letter)
{
    const struct generation *generation = worker->frontend->generation;
    const struct listener_options *listener = &generation_service(generation)->server.listeners[letter->number];
    struct door_options door = {.tls = generation_secured(generation)->servers[letter->number],
                                .proxy_protocol = listener->proxy_protocol,
                                .number = letter->number};
    struct error err;

    if (!worker->frontend->drain.begun &&
        !frontend_listen(worker->frontend, &letter->addr, &letter->options, &door, &err))
        LOG(LOG_ERROR, "SERVICE: Reload", "listen %.*s: %s", STR_ARG(listener->listen), err.text);
    free(letter);
}

static void run_mail(struct task *task)
{
    struct worker *worker = container_of(task, struct worker, mail_task);

    for (struct letter *letter = mailbox_take(worker->mailbox), *next; letter; letter = next) {
        next = letter->next;
        switch ((enum letter_kind)letter->kind) {
        case LETTER_DRAIN:
            start_drain(worker);
            break;
        case LETTER_DRAIN_DOOR:
            drain_door(worker, container_of(letter, struct door_letter, letter));
            break;
        case LETTER_SUCCEED:
            succeed(worker, container_of(letter, struct worker_change, letter));
            break;
        case LETTER_OPEN:
            open_door(worker, container_of(letter, struct open_letter, letter));
            break;
        case LETTER_CUT:
            loop_stop(worker->loop);
            break;
        }
    }
}

static void run_drained(struct task *task)
{
    struct worker *worker = container_of(task, struct worker, drained_task);

    if (frontend_is_empty(worker->frontend))
        loop_stop(worker->loop);
}

static void run_limit(struct task *task)
{
    struct worker *worker = container_of(task, struct worker, limit_task);

    if (worker->limit.fired) {
        LOG(LOG_WARNING, "SERVICE: HTTP Server", "drain limit reached, cutting %zu connections",
            worker->frontend->clients.count);
        frontend_tell_left(worker->frontend);
        loop_stop(worker->loop);
    }
}

/* What the configuration says of name servers. */
static bool use_servers(struct worker *worker, struct error *err)
{
    const struct server_options *server = &generation_service(worker->options.generation)->server;
    struct str servers = server->resolver;
    char text[1024];

    resolver_cares_set_limit(worker->resolver, (uint64_t)server->resolve_timeout_ns);
    if (servers.len == 0)
        return true;
    if (str_to_cstr(servers, text, sizeof(text)) && resolver_cares_use_servers(worker->resolver, text))
        return true;
    return error_set(err, FAULT_CONFIG, ERROR_ADDRESS_INVALID, "resolver: \"%.*s\" is not understood",
                     STR_ARG(servers));
}

/* The parts, lowest first. */
static bool build(struct worker *worker, struct error *err)
{
    const struct worker_options *options = &worker->options;

    worker->world = linux_world_new(err);
    if (!worker->world)
        return false;
    worker->world->sockets = &hosts_budget(options->hosts)->sockets;
    worker->loop = loop_new(worker->world);
    worker->mailbox = worker->loop ? mailbox_new(worker->loop, &worker->mail_task) : NULL;
    if (!worker->mailbox)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a worker");
    loop_pipes(worker->loop)->lent_max = (unsigned)generation_service(options->generation)->server.pipes_max;
    worker->resolver = resolver_cares_new(worker->loop, err);
    if (!worker->resolver)
        return false;
    if (!use_servers(worker, err))
        return false;
    worker->door_letters = calloc(generation_service(options->generation)->server.listener_count + FRONTEND_DOORS_MORE,
                                  sizeof(*worker->door_letters));
    worker->resolver = resolver_cache_new(worker->resolver);
    if (worker->resolver) {
        obey_names(worker, &generation_service(options->generation)->server.resolve);
        worker->pool = pool_new(worker->loop, worker->resolver, options->hosts, options->index);
    }
    if (options->access_log)
        worker->access_log = access_log_new(worker->loop, 1);
    if (worker->pool && worker->door_letters && (worker->access_log || !options->access_log))
        worker->frontend = frontend_new(&(struct frontend_options){
            .loop = worker->loop,
            .pool = worker->pool,
            .generation = options->generation,
            .access_log = worker->access_log,
            .worker = options->index,
            .workers = options->workers,
            .budget = hosts_budget(options->hosts),
            .crowd = options->crowd,
            .lasting_crowd = options->lasting_crowd,
        });
    return (worker->frontend && generation_keep_warm(options->generation, worker->pool)) ||
           error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a worker");
}

struct worker *worker_new(const struct worker_options *options, struct error *err)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (!worker) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a worker");
        return NULL;
    }
    worker->options = *options;
    worker->mail_task.run = run_mail;
    worker->drained_task.run = run_drained;
    worker->limit_task.run = run_limit;
    worker->limit = (struct timer){.at_ns = TIMER_OFF, .task = &worker->limit_task};
    worker->drain_letter.kind = LETTER_DRAIN;
    worker->cut_letter.kind = LETTER_CUT;
    if (!build(worker, err)) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

bool worker_listen(struct worker *worker, struct addr *addr, const struct listen_options *options,
                   const struct door_options *door, struct error *err)
{
    return frontend_listen(worker->frontend, addr, options, door, err);
}

static void run_thread(void *arg)
{
    struct worker *worker = arg;

    loop_run(worker->loop);
    pool_end(worker->pool); /* the others must not wait for its answers */
    frontend_end(worker->frontend);
    worker->options.ended(worker->options.arg);
}

bool worker_start(struct worker *worker, struct error *err)
{
    char name[16];

    snprintf(name, sizeof(name), "worker-%u", worker->options.index);
    worker->thread = thread_start(name, worker->options.pin ? (int)worker->options.index : -1, run_thread, worker, err);
    return worker->thread != NULL;
}

void worker_drain(struct worker *worker, uint64_t window_ns, uint64_t limit_ns)
{
    worker->drain_window_ns = window_ns;
    worker->drain_limit_ns = limit_ns;
    mailbox_post(worker->mailbox, &worker->drain_letter);
}

void worker_drain_door(struct worker *worker, uint16_t number, uint64_t window_ns, uint64_t limit_ns)
{
    struct door_letter *letter = &worker->door_letters[number];

    *letter = (struct door_letter){
        .letter.kind = LETTER_DRAIN_DOOR, .number = number, .window_ns = window_ns, .limit_ns = limit_ns};
    mailbox_post(worker->mailbox, &letter->letter);
}

void worker_succeed(struct worker *worker, struct worker_change *change)
{
    change->letter.kind = LETTER_SUCCEED;
    mailbox_post(worker->mailbox, &change->letter);
}

bool worker_open(struct worker *worker, const struct addr *addr, uint16_t number, uint64_t defer_accept_ns)
{
    struct open_letter *letter = malloc(sizeof(*letter));

    if (!letter)
        return false;
    *letter = (struct open_letter){
        .letter.kind = LETTER_OPEN,
        .addr = *addr,
        .options = {.backlog = WORKER_BACKLOG, .reuse_port = true, .defer_accept_ns = defer_accept_ns},
        .number = number,
    };
    mailbox_post(worker->mailbox, &letter->letter);
    return true;
}

void worker_cut(struct worker *worker)
{
    mailbox_post(worker->mailbox, &worker->cut_letter);
}

void worker_join(struct worker *worker)
{
    if (!worker)
        return;
    thread_join(worker->thread);
    worker->thread = NULL;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker_join(worker);
    frontend_free(worker->frontend); /* may still wake drained_task */
    if (worker->loop) {
        timer_clear(worker->loop, &worker->limit);
        task_forget(worker->loop, &worker->limit_task);
        task_forget(worker->loop, &worker->drained_task);
        task_forget(worker->loop, &worker->mail_task);
    }
    access_log_free(worker->access_log);
    pool_free(worker->pool);
    resolver_free(worker->resolver);
    mailbox_free(worker->mailbox);
    free(worker->door_letters);
    loop_free(worker->loop);
    linux_world_free(worker->world);
    free(worker);
}

struct frontend *worker_frontend(const struct worker *worker)
{
    return worker->frontend;
}
