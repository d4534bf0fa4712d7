/* serve.c: the main thread of a running gateway: load, start, wait for signals, drain. Start with serve.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve.h"

#include "app/server.h"
#include "cli/flags.h"
#include "cli/log_sink.h"
#include "cli/reload.h"
#include "gateway/sources.h"
#include "os/file.h"
#include "os/process.h"
#include "os/signal.h"

#define RELOAD_RETRY_NS UINT64_C(50000000)

struct serving {
    struct world *world;
    struct loop *loop;
    struct signals *signals;
    struct server *server;
    struct admin *admin;
    struct task signal_task, ended_task, drain_task, listeners_task, reload_task;
    struct timer reload_timer;
    struct reloading reloading;
    struct arena *arena; /* texts of the admin listener's address */
    uint64_t started_ns;
};

void print_report(const struct report *report, struct arena *arena)
{
    struct str text = report_text(report, arena, file_is_terminal(2));

    if (text.len)
        file_print(2, text);
}

static bool is_signal(int number, const char *name)
{
    return str_eq(str_from(signal_name(number)), str_from(name));
}

/* First signal to end: drain. Second: now. Of many SIGHUP that came meanwhile the last one counts. */
static void run_signals(struct task *task)
{
    struct serving *serving = container_of(task, struct serving, signal_task);
    bool reloads = false;

    for (int number; (number = signals_next(serving->signals)) != 0;) {
        reloads |= is_signal(number, "SIGHUP");
        if (!is_signal(number, "SIGINT") && !is_signal(number, "SIGTERM"))
            continue;
        if (server_is_draining(serving->server)) {
            print(2, "Signal intercepted: %s again, ending now\n", signal_name(number));
            server_cut(serving->server);
        } else {
            print(2, "Signal intercepted: %s\n", signal_name(number));
            server_drain(serving->server);
        }
    }
    if (reloads)
        task_wake(serving->loop, &serving->reload_task);
}

/* One at a time: what was asked for meanwhile comes when it can. */
static void run_reload(struct task *task)
{
    struct serving *serving = container_of(task, struct serving, reload_task);

    if (server_is_draining(serving->server))
        return;
    if (!reload_must_wait(&serving->reloading)) {
        timer_clear(serving->loop, &serving->reload_timer);
        (void)reload_now(&serving->reloading, NULL);
        return;
    }
    if (!serving->reload_timer.fired)
        reload_tell_wait(&serving->reloading);
    timer_set(serving->loop, &serving->reload_timer, loop_now_ns(serving->loop) + RELOAD_RETRY_NS);
}

static struct reload_result reload_asked(void *arg, struct arena *arena)
{
    return reload_now(&((struct serving *)arg)->reloading, arena);
}

/* The admin listener was told to drain. */
static void run_drain(struct task *task)
{
    struct serving *serving = container_of(task, struct serving, drain_task);

    if (server_is_draining(serving->server))
        return;
    print(2, "Drain asked for at the admin listener\n");
    server_drain(serving->server);
}

/* The same, of some listeners. */
static void run_listeners(struct task *task)
{
    struct serving *serving = container_of(task, struct serving, listeners_task);

    print(2, "Drain of a listener asked for at the admin listener\n");
    server_drain_listeners(serving->server);
}

static void run_ended(struct task *task)
{
    struct serving *serving = container_of(task, struct serving, ended_task);

    if (server_has_ended(serving->server))
        loop_stop(serving->loop);
}

static bool prepare(struct serving *serving, struct error *err)
{
    serving->world = linux_world_new(err);
    if (!serving->world)
        return false;
    log_sink_start(serving->world, LOG_DEBUG); /* KrakenD's basic logger */
    serving->started_ns = serving->world->ops->now_ns(serving->world);
    serving->loop = loop_new(serving->world);
    if (!serving->loop)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the main loop");
    serving->signal_task.run = run_signals;
    serving->ended_task.run = run_ended;
    serving->reload_task.run = run_reload;
    serving->reload_timer = (struct timer){.at_ns = TIMER_OFF, .task = &serving->reload_task};
    serving->drain_task.run = run_drain;
    serving->listeners_task.run = run_listeners;
    serving->signals = signals_new(serving->loop, &serving->signal_task, err);
    return serving->signals != NULL;
}

static bool start_admin(struct serving *serving, const struct service *service, struct error *err)
{
    struct admin_view view = server_view(serving->server);
    struct str listen;
    struct addr addr;

    if (service->server.admin_listen.len == 0)
        return true;
    serving->arena = arena_new(NULL, SIZE_MAX);
    listen = serving->arena ? arena_copy(serving->arena, service->server.admin_listen) : STR_EMPTY;
    if (!listen.data)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for the admin listener");
    view.reload = reload_asked;
    view.reload_arg = serving;
    view.drain = &serving->drain_task;
    view.drain_listeners = &serving->listeners_task;
    if (!addr_parse(listen, &addr, err))
        return error_context(err, "holdfast/admin");
    serving->admin = admin_new(serving->loop, &addr, &view, err);
    return serving->admin || error_context(err, "holdfast/admin");
}

/* "http://127.0.0.1:8080", "unix:/path" */
static struct str url_of(struct arena *arena, const struct addr *addr, bool secured)
{
    char out[ADDR_TEXT_BYTES];
    struct str text = addr_format(addr, out);
    const char *scheme = secured ? "https://" : "http://";

    return arena_format(arena, "%s%.*s", addr->family == ADDR_UNIX ? "" : scheme, STR_ARG(text));
}

/* "ready: http://127.0.0.1:8080 (http/1.1), admin http://127.0.0.1:9901, 2 workers, 3 ms" */
static struct str ready_line(const struct serving *serving, struct arena *arena)
{
    const struct server *server = serving->server;
    uint64_t took_ns = serving->world->ops->now_ns(serving->world) - serving->started_ns;
    unsigned workers = server_worker_count(server);
    struct str line = STR("ready: "), url;

    for (size_t i = 0; i < server_address_count(server); i++) {
        struct addr addr = server_address(server, i);

        url = url_of(arena, &addr, server_is_secured(server, i));
        line = arena_format(arena, "%.*s%.*s (%s), ", STR_ARG(line), STR_ARG(url), server_protocols(server, i));
    }
    if (serving->admin) {
        struct addr addr = admin_addr(serving->admin);

        url = url_of(arena, &addr, false);
        line = arena_format(arena, "%.*sadmin %.*s, ", STR_ARG(line), STR_ARG(url));
    }
    return arena_format(arena, "%.*s%u worker%s, %u ms\n", STR_ARG(line), workers, workers == 1 ? "" : "s",
                        (unsigned)(took_ns / 1000000));
}

/* In one piece: a log line of a worker must not stand in the middle of it. */
static void print_ready(const struct serving *serving)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);

    if (arena)
        file_print(2, ready_line(serving, arena));
    arena_free(arena);
}

static void clean_up(struct serving *serving)
{
    admin_free(serving->admin);
    server_free(serving->server);
    signals_free(serving->signals);
    if (serving->loop) {
        task_forget(serving->loop, &serving->signal_task);
        task_forget(serving->loop, &serving->ended_task);
        timer_clear(serving->loop, &serving->reload_timer);
        task_forget(serving->loop, &serving->reload_task);
        task_forget(serving->loop, &serving->drain_task);
        task_forget(serving->loop, &serving->listeners_task);
    }
    loop_free(serving->loop);
    arena_free(serving->arena);
    log_set(LOG_OFF, NULL);
    linux_world_free(serving->world);
}

/* Takes generation and hosts over. */
static int run_server(struct serving *serving, struct generation *generation, struct hosts *hosts, unsigned workers)
{
    const struct service *service = generation_service(generation);
    struct error err = {0};

    serving->server = server_new(&(struct server_start){.generation = generation,
                                                        .hosts = hosts,
                                                        .workers = workers,
                                                        .loop = serving->loop,
                                                        .ended = &serving->ended_task},
                                 &err);
    if (!serving->server) {
        print(2, "ERROR starting the gateway: %s\n", err.text);
        return EXIT_ERROR;
    }
    if (!start_admin(serving, service, &err)) {
        print(2, "ERROR starting the gateway: %s\n", err.text);
        server_cut(serving->server);
        return EXIT_ERROR;
    }
    serving->reloading.server = serving->server;
    serving->reloading.admin = serving->admin;
    print_ready(serving);
    loop_run(serving->loop);
    return EXIT_OK;
}

/* The arena goes to the generation, or is freed here. */
static struct generation *load(struct arena *arena, const struct service_sources *sources, struct hosts **hosts,
                               unsigned *workers)
{
    struct generation *generation = NULL;
    struct service *service;
    struct report report;

    report_init(&report, arena);
    service = service_load(arena, sources, &report);
    if (service) {
        *workers = server_workers(service);
        *hosts = hosts_new(*workers);
        if (*hosts && sources_check(service, &report))
            generation = generation_build(arena, service, *hosts, &report);
    }
    print_report(&report, arena);
    if (!generation) {
        if (report.errors)
            print(2, "ERROR parsing the configuration file: '%s': %u problem%s\n", sources->path, report.errors,
                  report.errors == 1 ? "" : "s");
        else
            print(2, "ERROR starting the gateway: out of memory\n");
        hosts_free(*hosts);
        arena_free(arena);
    }
    return generation;
}

int serve(struct arena *arena, const struct service_sources *sources)
{
    struct serving serving = {0};
    struct hosts *hosts = NULL;
    struct generation *generation;
    struct error err = {0};
    unsigned workers = 1;
    int code = EXIT_ERROR;

    if (!prepare(&serving, &err)) {
        print(2, "ERROR starting the gateway: %s\n", err.text);
        arena_free(arena);
        clean_up(&serving);
        return EXIT_ERROR;
    }
    generation = load(arena, sources, &hosts, &workers);
    if (generation) {
        process_raise_file_limit();
        serving.reloading.sources = sources;
        code = run_server(&serving, generation, hosts, workers);
    }
    clean_up(&serving);
    return code;
}
