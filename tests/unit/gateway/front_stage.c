/* front_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"

#include "gateway_test.h"
#include "net/tcp_internal.h"

#include <fcntl.h>
#include <unistd.h>

static const char *text_or_nothing(const char *text)
{
    return text ? text : "";
}

static struct str config_of(const struct front_settings *settings)
{
    return arena_format(test_arena(),
                        "{%s\"version\": 3, \"debug_endpoint\": true, \"echo_endpoint\": true, \"endpoints\": [%s],"
                        "\"extra_config\": {\"holdfast/server\": {%s}, \"router\": {%s}}}",
                        text_or_nothing(settings->root), text_or_nothing(settings->endpoints),
                        text_or_nothing(settings->server), text_or_nothing(settings->router));
}

static void build_generation(struct front_stage *stage, const struct front_settings *settings)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct service_sources sources = {.path = "test.json", .text = config_of(settings).data};
    struct service *service;
    struct report report;

    CHECK(arena != NULL);
    report_init(&report, arena);
    service = service_load(arena, &sources, &report);
    stage->generation = service ? generation_build(arena, service, stage->hosts, &report) : NULL;
    if (!stage->generation)
        test_fail(__FILE__, __LINE__, "%s", report_text(&report, test_arena(), false).data);
}

void front_open(struct front_stage *stage, const struct front_settings *settings)
{
    int ends[2];

    *stage = (struct front_stage){.sim = sim_new(1), .hosts = hosts_new(1)};
    CHECK(stage->hosts != NULL);
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    stage->read_fd = ends[0];
    stage->write_fd = ends[1];
    stage->loop = sim_loop_new(stage->sim, "gateway");
    stage->caller_loop = sim_loop_new(stage->sim, "caller");
    build_generation(stage, settings);
    stage->resolver = sim_resolver_new(stage->sim, stage->loop);
    stage->pool = pool_new(stage->loop, stage->resolver, stage->hosts, 0);
    CHECK(stage->pool != NULL);
    stage->log = access_log_new(stage->loop, stage->write_fd);
    CHECK(stage->log != NULL);
    stage->frontend = frontend_new(&(struct frontend_options){.loop = stage->loop,
                                                              .pool = stage->pool,
                                                              .generation = stage->generation,
                                                              .access_log = stage->log,
                                                              .workers = settings->workers ? settings->workers : 1});
    CHECK(stage->frontend != NULL);
}

void front_close(struct front_stage *stage)
{
    frontend_free(stage->frontend);
    access_log_free(stage->log);
    pool_free(stage->pool);
    resolver_free(stage->resolver);
    sim_loop_free(stage->sim, stage->loop);
    sim_loop_free(stage->sim, stage->caller_loop);
    CHECK_EQ(sim_files_open(stage->sim, "gateway"), 0);
    generation_release(stage->generation);
    hosts_free(stage->hosts);
    sim_free(stage->sim);
    close(stage->read_fd);
    close(stage->write_fd);
}

struct addr front_listen_as(struct front_stage *stage, uint16_t port, uint16_t number)
{
    struct addr addr = sim_addr(stage->sim, "gateway", port);
    struct door_options door = {.number = number};
    struct error err;

    CHECK(frontend_listen(stage->frontend, &addr, &(struct listen_options){.backlog = 64}, &door, &err));
    return addr;
}

struct addr front_listen(struct front_stage *stage, uint16_t port)
{
    return front_listen_as(stage, port, 0);
}

void front_run(struct front_stage *stage, uint64_t duration_ns)
{
    (void)sim_run(stage->sim, NULL, NULL, duration_ns);
    /* Loops that slept read the clock: what a test calls next goes by it. */
    (void)sim_run(stage->sim, NULL, NULL, SIM_MS / 50);
}

struct str front_access_lines(struct front_stage *stage)
{
    enum { LINES_BYTES_MAX = 65536 };
    char *lines = arena_alloc(test_arena(), LINES_BYTES_MAX, 1);
    ssize_t got;

    CHECK(lines != NULL);
    access_log_free(stage->log);
    stage->log = stage->frontend->access_log = NULL;
    got = read(stage->read_fd, lines, LINES_BYTES_MAX);
    return str_of(lines, got > 0 ? (size_t)got : 0);
}

static void run_nothing(struct task *task)
{
    (void)task;
}

void caller_open(struct caller *caller, struct front_stage *stage, struct addr addr)
{
    static const struct socket_options plain = {.no_delay = true};
    struct error err;

    *caller = (struct caller){.loop = stage->caller_loop, .task.run = run_nothing};
    caller->stream = tcp_stream_connect(stage->caller_loop, &addr, &plain, &caller->task, &err);
    CHECK(caller->stream != NULL);
    front_run(stage, SIM_MS);
    CHECK_EQ(tcp_stream_connected(caller->stream, &err), IO_OK);
}

bool front_refuses(struct front_stage *stage, struct addr addr)
{
    static const struct socket_options plain = {.no_delay = true};
    struct caller caller = {.loop = stage->caller_loop, .task.run = run_nothing};
    struct error err;
    bool refused;

    caller.stream = tcp_stream_connect(stage->caller_loop, &addr, &plain, &caller.task, &err);
    CHECK(caller.stream != NULL);
    front_run(stage, SIM_MS);
    refused = tcp_stream_connected(caller.stream, &err) == IO_FAIL;
    caller_close(&caller);
    return refused;
}

void caller_say(struct caller *caller, const char *text)
{
    struct iovec part = test_part(str_from(text));
    struct error err;
    size_t sent;

    CHECK_EQ(stream_writev(caller->stream, &part, 1, &sent, &err), IO_OK);
    CHECK_EQ(sent, part.iov_len);
}

bool caller_has_heard(struct caller *caller, const char *text)
{
    struct str heard;
    struct error err;
    size_t got;

    for (;;) {
        struct iovec part = {caller->heard + caller->len, sizeof(caller->heard) - caller->len};

        if (part.iov_len == 0 || stream_readv(caller->stream, &part, 1, &got, &err) != IO_OK)
            break;
        caller->len += got;
    }
    heard = str_of(caller->heard, caller->len);
    return str_find(heard, str_from(text)) < heard.len;
}

bool caller_is_left(struct caller *caller)
{
    char bytes[1024];
    struct iovec part = {bytes, sizeof(bytes)};
    enum io io = IO_OK;
    struct error err;
    size_t got;

    while (io == IO_OK)
        io = stream_readv(caller->stream, &part, 1, &got, &err);
    return io == IO_END;
}

void caller_close(struct caller *caller)
{
    stream_close(caller->stream, false);
    task_forget(caller->loop, &caller->task);
}
