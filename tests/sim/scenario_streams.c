/* scenario_streams.c: our own streams, listeners and dials on a network that cuts, delays and wakes for nothing. Every
 * byte must come back, in order, and no wake may be lost. SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"
#include "net/listener.h"
#include "scenario.h"

#include <stdlib.h>

enum { PORT = 7, ECHOERS_MAX = 16, TALKERS = 6, PIECE_BYTES = 8192 };

/* Sends back what it gets, through one buffer, until the end. */
struct echoer {
    struct stream *stream; /* NULL: free */
    struct loop *loop;
    struct task task;
    char bytes[PIECE_BYTES];
    size_t at, len;
    bool ended;
};

struct echo_server {
    struct sim *sim;
    struct loop *loop;
    struct listener *listener;
    struct task task;
    struct echoer echoers[ECHOERS_MAX];
};

static void end_echoer(struct echoer *echoer, bool reset)
{
    stream_close(echoer->stream, reset);
    echoer->stream = NULL;
    task_forget(echoer->loop, &echoer->task);
}

/* IO_OK: all that was there has gone out. */
static enum io echo_out(struct echoer *echoer)
{
    while (echoer->len > 0) {
        struct iovec part = {echoer->bytes + echoer->at, echoer->len};
        size_t sent;
        enum io io = stream_writev(echoer->stream, &part, 1, &sent, NULL);

        if (io != IO_OK)
            return io;
        echoer->at += sent;
        echoer->len -= sent;
    }
    return IO_OK;
}

static enum io echo_in(struct echoer *echoer)
{
    struct iovec parts[] = {{echoer->bytes, 100}, {echoer->bytes + 100, PIECE_BYTES - 100}};

    echoer->at = 0;
    return stream_readv(echoer->stream, parts, 2, &echoer->len, NULL);
}

static void run_echoer(struct task *task)
{
    struct echoer *echoer = container_of(task, struct echoer, task);
    enum io io = IO_OK;

    while (io == IO_OK) {
        io = echo_out(echoer);
        if (io == IO_OK)
            io = echo_in(echoer);
    }
    if (io == IO_END || io == IO_FAIL)
        end_echoer(echoer, io == IO_FAIL);
}

static struct echoer *free_echoer(struct echo_server *server)
{
    for (int i = 0; i < ECHOERS_MAX; i++)
        if (!server->echoers[i].stream)
            return &server->echoers[i];
    return NULL;
}

static void run_server(struct task *task)
{
    struct echo_server *server = container_of(task, struct echo_server, task);
    struct stream *stream;

    while (listener_accept(server->listener, &stream, NULL) == IO_OK) {
        struct echoer *echoer = free_echoer(server);

        if (!echoer) {
            stream_close(stream, true);
            continue;
        }
        *echoer = (struct echoer){.stream = stream, .loop = server->loop, .task.run = run_echoer};
        stream_set_owner(stream, &echoer->task, sim_percent(server->sim, 50));
        task_wake(server->loop, &echoer->task);
    }
}

static void open_server(struct echo_server *server, struct sim *sim)
{
    struct addr any = {.family = ADDR_IPV6, .port = PORT};
    struct listen_options options = {.backlog = 64};
    struct error err;

    server->sim = sim;
    server->loop = sim_loop_new(sim, "server");
    server->task.run = run_server;
    server->listener = listener_new(server->loop, &any, &options, &server->task, &err);
    if (!server->listener)
        sim_fail(sim, "listen: %s", err.text);
}

static void close_server(struct echo_server *server)
{
    for (int i = 0; i < ECHOERS_MAX; i++)
        if (server->echoers[i].stream)
            end_echoer(&server->echoers[i], false);
    listener_free(server->listener);
    task_forget(server->loop, &server->task);
    sim_loop_free(server->sim, server->loop);
}

/* Dials, sends `total` bytes, ends its direction and must get the same bytes back, then the end; then once more. */
struct talker {
    struct sim *sim;
    struct loop *loop;
    struct resolver *resolver;
    struct task task;
    struct dial *dial;
    struct stream *stream;
    uint64_t key, total, sent, received;
    unsigned rounds, failures;
    bool may_fail, finished;
};

static uint8_t byte_at(const struct talker *talker, uint64_t place)
{
    return (uint8_t)((place * 0x9e3779b97f4a7c15u + talker->key) >> 32);
}

static void begin_round(struct talker *talker)
{
    struct dial_options options = {
        .name = STR("echo.example"),
        .port = PORT,
        .timeout_ns = 20 * SIM_SECOND,
        .fallback_delay_ns = sim_percent(talker->sim, 30) ? -1 : 0,
    };

    if (talker->rounds-- == 0) {
        talker->rounds = 0;
        talker->finished = true;
        return;
    }
    talker->key = rng_next(sim_rng(talker->sim));
    talker->total = sim_between(talker->sim, 0, sim_percent(talker->sim, 50) ? 300 : 300000);
    talker->sent = talker->received = 0;
    talker->dial = dial_start(talker->loop, talker->resolver, &options, &talker->task);
}

static void end_round(struct talker *talker, const char *failure)
{
    if (failure && !talker->may_fail)
        sim_fail(talker->sim, "talker: %s after %llu of %llu bytes", failure, (unsigned long long)talker->received,
                 (unsigned long long)talker->total);
    talker->failures += failure != NULL;
    stream_close(talker->stream, sim_percent(talker->sim, 50));
    talker->stream = NULL;
    begin_round(talker);
}

static void take_dial(struct talker *talker)
{
    struct error err = {0};
    enum io io = dial_result(talker->dial, &talker->stream, &err);

    if (io == IO_WAIT)
        return;
    dial_free(talker->dial);
    talker->dial = NULL;
    if (io == IO_OK) {
        stream_set_owner(talker->stream, &talker->task, false);
        return;
    }
    if (!err.retry_safe)
        sim_fail(talker->sim, "a dial failed and is not safe to repeat: %s", err.text);
    end_round(talker, err.text);
}

static enum io talk_out(struct talker *talker)
{
    uint8_t bytes[PIECE_BYTES];
    size_t len = (size_t)(talker->total - talker->sent < PIECE_BYTES ? talker->total - talker->sent : PIECE_BYTES),
           sent;
    struct iovec part = {bytes, len};
    enum io io;

    if (len == 0)
        return IO_WAIT;
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(talker, talker->sent + i);
    io = stream_writev(talker->stream, &part, 1, &sent, NULL);
    if (io != IO_OK)
        return io;
    talker->sent += sent;
    if (talker->sent == talker->total)
        stream_shutdown_write(talker->stream);
    return IO_OK;
}

static enum io talk_in(struct talker *talker)
{
    uint8_t bytes[PIECE_BYTES];
    struct iovec part = {bytes, (size_t)sim_between(talker->sim, 1, PIECE_BYTES)};
    size_t got;
    enum io io = stream_readv(talker->stream, &part, 1, &got, NULL);

    if (io != IO_OK)
        return io;
    for (size_t i = 0; i < got; i++)
        if (bytes[i] != byte_at(talker, talker->received + i))
            sim_fail(talker->sim, "talker: byte %llu came back wrong", (unsigned long long)(talker->received + i));
    talker->received += got;
    return IO_OK;
}

static void talk(struct talker *talker)
{
    enum io out = IO_OK, in = IO_OK;

    if (talker->total == 0)
        stream_shutdown_write(talker->stream);
    while (out == IO_OK)
        out = talk_out(talker);
    while (in == IO_OK)
        in = talk_in(talker);
    if (in == IO_END && talker->received == talker->total)
        end_round(talker, NULL);
    else if (in == IO_END)
        end_round(talker, "the end came early");
    else if (in == IO_FAIL || out == IO_FAIL)
        end_round(talker, "the connection failed");
}

static void run_talker(struct task *task)
{
    struct talker *talker = container_of(task, struct talker, task);

    if (!talker->finished && !talker->dial && !talker->stream)
        begin_round(talker);
    if (talker->dial)
        take_dial(talker);
    if (talker->stream)
        talk(talker);
}

struct talk {
    struct echo_server server;
    struct loop *loop;
    struct resolver *resolver;
    struct talker talkers[TALKERS];
};

static bool all_finished(void *arg)
{
    const struct talk *talk_ = arg;

    for (int i = 0; i < TALKERS; i++)
        if (!talk_->talkers[i].finished)
            return false;
    return true;
}

static void run_talk(struct sim *sim, bool may_fail)
{
    struct talk *all = calloc(1, sizeof(*all));

    ASSERT(all);
    open_server(&all->server, sim);
    all->loop = sim_loop_new(sim, "talker");
    all->resolver = resolver_cache_new(sim_resolver_new(sim, all->loop));
    ASSERT(all->resolver);
    for (int i = 0; i < TALKERS; i++) {
        all->talkers[i] = (struct talker){.sim = sim, .loop = all->loop, .resolver = all->resolver};
        all->talkers[i].task.run = run_talker;
        all->talkers[i].rounds = (unsigned)sim_between(sim, 1, 8);
        all->talkers[i].may_fail = may_fail;
        task_wake(all->loop, &all->talkers[i].task);
    }
    if (!sim_run(sim, all_finished, all, 3600 * SIM_SECOND))
        sim_fail(sim, "the talkers do not come to an end: %s", sim_verdict(sim));
    for (int i = 0; i < TALKERS; i++)
        task_forget(all->loop, &all->talkers[i].task);
    close_server(&all->server);
    resolver_free(all->resolver);
    if (sim_files_open(sim, "talker") != 0)
        sim_fail(sim, "the talkers left descriptors open");
    sim_loop_free(sim, all->loop);
    free(all);
}

static void make_names(struct sim *sim)
{
    static const char *const answers[] = {
        "10.0.0.1",          "fd00::1", "fd00::1 10.0.0.1", "10.9.9.9 10.0.0.1", "fd00::99 fd00::98 10.0.0.1",
        "10.0.0.2 10.0.0.1",
    };

    (void)sim_host(sim, "server"); /* the first machine: 10.0.0.1 */
    (void)sim_host(sim, "talker");
    sim_name(sim, "echo.example", answers[sim_between(sim, 0, COUNT_OF(answers) - 1)],
             sim_between(sim, 0, 3) * SIM_SECOND);
}

static void make_trouble(struct sim *sim)
{
    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, (uint32_t)sim_between(sim, 0, 300000));
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, (uint32_t)sim_between(sim, 0, 300000));
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, (uint32_t)sim_between(sim, 0, 300000));
    if (sim_percent(sim, 50))
        sim_buffers(sim, sim_between(sim, 3, 5000), sim_between(sim, 1, 5000));
    sim_link(sim, "talker", "server",
             (struct sim_link){sim_between(sim, 0, SIM_MS), sim_between(sim, 0, SIM_MS), 1000});
}

SCENARIO(streams_lose_nothing)
{
    make_names(sim);
    make_trouble(sim);
    run_talk(sim, false);
}

SCENARIO(streams_and_dials_bear_a_bad_network)
{
    make_names(sim);
    make_trouble(sim);
    sim_fault(sim, NULL, SIM_FAULT_RESET, (uint32_t)sim_between(sim, 0, 20000));
    sim_fault(sim, NULL, SIM_FAULT_REFUSE, (uint32_t)sim_between(sim, 0, 300000));
    sim_fault(sim, NULL, SIM_FAULT_BLACK_HOLE, (uint32_t)sim_between(sim, 0, 300000));
    sim_fault(sim, NULL, SIM_FAULT_OUT_OF_FILES, (uint32_t)sim_between(sim, 0, 200000));
    sim_fault(sim, NULL, SIM_FAULT_DNS_FAILS, (uint32_t)sim_between(sim, 0, 200000));
    sim_fault(sim, NULL, SIM_FAULT_DNS_SILENT, (uint32_t)sim_between(sim, 0, 200000));
    run_talk(sim, true);
}
