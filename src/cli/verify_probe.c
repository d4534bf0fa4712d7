/* verify_probe.c: see the header. A command has nothing else to do while it waits, so waiting is turning the loop.
 * Start with verify_probe. SPDX-License-Identifier: Apache-2.0 */
#include "cli/verify_probe.h"

#include "net/dial.h"
#include "net/tcp.h"
#include "tls/stream.h"

enum { ARENA_BYTES = 1 << 20, PIECE_BYTES = 65536 };
#define PAUSE_NS           UINT64_C(50000000) /* between requests: time for a close that nobody announced */
#define SECOND_NS          UINT64_C(1000000000)
#define IDLE_DEFAULT_NS    (10 * SECOND_NS)
#define IDLE_OVERTIME_NS   (2 * SECOND_NS)
#define IDLE_PROMISE_S_MAX INT64_C(86400)

struct probe {
    const struct verify_options *options;
    struct verify_result *result;
    struct world *world;
    struct loop *loop;
    struct resolver *resolver;
    struct tls_profile *tls; /* NULL: in the clear */
    struct task task;        /* owns what must be owned; whoever waits looks after each turn */
    struct http_conn *conn;
    uint16_t local_port;
};

static void run_nothing(struct task *task)
{
    (void)task;
}

/* Until something may have happened. False: the time is up. */
static bool turn(struct probe *probe, uint64_t until_ns)
{
    if (probe->world->ops->now_ns(probe->world) >= until_ns)
        return false;
    loop_turn(probe->loop, until_ns);
    return true;
}

static uint64_t deadline(const struct probe *probe)
{
    return probe->world->ops->now_ns(probe->world) + probe->options->answer_limit_ns;
}

static void drop_connection(struct probe *probe)
{
    http_close(probe->conn);
    probe->conn = NULL;
}

static bool take_stream(struct probe *probe, struct stream *stream, struct error *err)
{
    static const struct http_conn_options options = {0};

    probe->conn = h1_client_new(stream, &options, &probe->task, err);
    probe->result->connections++;
    return probe->conn != NULL;
}

/* TLS over a new connection; *stream is it from then on, NULL when it failed. */
static bool secure(struct probe *probe, struct stream **stream, struct error *err)
{
    struct tls_stream_options options = {.profile = probe->tls, .server_name = probe->options->target.host};
    uint64_t until_ns = deadline(probe);
    enum io io;

    *stream = tls_client_stream(*stream, &options, &probe->task, err);
    if (!*stream)
        return false;
    while ((io = tls_handshake(*stream, err)) == IO_WAIT && turn(probe, until_ns))
        continue;
    if (io == IO_OK)
        return true;
    if (io == IO_WAIT)
        error_set(err, FAULT_UPSTREAM, ERROR_TLS_TIMEOUT, "no end of the TLS handshake in time");
    stream_close(*stream, false);
    *stream = NULL;
    return false;
}

static bool connect_to(struct probe *probe, struct error *err)
{
    const struct verify_target *target = &probe->options->target;
    struct dial_options options = {.name = target->host,
                                   .port = target->port,
                                   .timeout_ns = probe->options->answer_limit_ns,
                                   .socket = {.no_delay = true}};
    struct dial *dial = dial_start(probe->loop, probe->resolver, &options, &probe->task);
    struct stream *stream;
    struct addr local;
    enum io io;

    if (!dial)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to connect");
    while ((io = dial_result(dial, &stream, err)) == IO_WAIT)
        loop_turn(probe->loop, UINT64_MAX);
    dial_free(dial);
    if (io != IO_OK)
        return false;
    probe->local_port = tcp_local_addr(stream, &local) ? local.port : 0;
    return (!probe->tls || secure(probe, &stream, err)) && take_stream(probe, stream, err);
}

static bool out_of_time(struct error *err)
{
    return error_set(err, FAULT_UPSTREAM, ERROR_DEADLINE, "no whole answer in time");
}

static bool send_request(struct probe *probe, struct http_stream *stream, struct arena *arena, struct error *err)
{
    const struct verify_target *target = &probe->options->target;
    struct http_head head = {
        .method = STR("GET"), .path = target->path, .authority = target->authority, .announced_bytes = -1};

    return headers_add(&head.headers, arena, STR("User-Agent"), STR("holdfast-verify/" HOLDFAST_VERSION)) &&
           headers_add(&head.headers, arena, STR("Accept"), STR("*/*")) &&
           http_send_head(stream, &head, true, err) == IO_OK;
}

static bool receive_answer(struct probe *probe, struct http_stream *stream, struct arena *arena,
                           struct verify_request *request, struct error *err)
{
    uint64_t until_ns = deadline(probe);
    struct http_head *head = NULL;
    struct chain body = {0};
    enum io io;

    while (!head || head->status < 200) {
        while ((io = http_recv_head(stream, arena, &head, err)) == IO_WAIT)
            if (!turn(probe, until_ns))
                return out_of_time(err);
        if (io != IO_OK)
            return false;
    }
    while ((io = http_recv_body(stream, &body, PIECE_BYTES, err)) == IO_OK || io == IO_WAIT) {
        chain_clear(&body);
        if (io == IO_WAIT && !turn(probe, until_ns))
            return out_of_time(err);
    }
    if (io != IO_END)
        return false;
    request->status = head->status;
    request->version_minor = head->version_minor;
    return true;
}

static bool exchange(struct probe *probe, struct verify_request *request, struct error *err)
{
    struct arena *arena = arena_new(loop_pages(probe->loop), ARENA_BYTES);
    struct http_stream *stream = NULL;
    bool ok = arena && http_open(probe->conn, &stream, err) == IO_OK;

    if (!arena)
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a request");
    if (ok) {
        stream->owner = &probe->task;
        ok = send_request(probe, stream, arena, err) && receive_answer(probe, stream, arena, request, err);
        http_done(stream);
    }
    arena_free(arena);
    return ok;
}

static void note_facts(const struct probe *probe, struct verify_request *request)
{
    struct http_conn_facts facts;

    http_facts(probe->conn, &facts);
    request->unfit = facts.unfit;
    request->hint_timeout_s = facts.hint_timeout_s;
    request->hint_max = facts.hint_max;
}

/* One request, over the connection there is if it still is good. False: it was not answered, the request's error tells
 * why. */
static bool ask(struct probe *probe)
{
    struct verify_request *request = &probe->result->requests[probe->result->count++];
    uint64_t start_ns = probe->world->ops->now_ns(probe->world);
    bool ok;

    *request = (struct verify_request){.hint_timeout_s = -1, .hint_max = -1};
    if (probe->conn && (http_room(probe->conn) == 0 || http_check_idle(probe->conn, true) != IO_WAIT))
        drop_connection(probe);
    request->reused = probe->conn != NULL;
    if (!probe->conn && !connect_to(probe, &request->error))
        return false;
    request->local_port = probe->local_port;
    ok = exchange(probe, request, &request->error);
    request->took_ns = probe->world->ops->now_ns(probe->world) - start_ns;
    note_facts(probe, request);
    if (ok)
        probe->result->reused += request->reused;
    else
        drop_connection(probe);
    return ok;
}

/* Time in which a peer may close. */
static enum io watch_for(struct probe *probe, uint64_t duration_ns)
{
    uint64_t until_ns = probe->world->ops->now_ns(probe->world) + duration_ns;
    enum io io = IO_WAIT;

    while (probe->conn && (io = http_check_idle(probe->conn, false)) == IO_WAIT && turn(probe, until_ns))
        continue;
    return io;
}

static uint64_t patience_ns(const struct probe *probe)
{
    const struct verify_result *result = probe->result;
    int64_t promise_s = result->requests[result->count - 1].hint_timeout_s;

    if (probe->options->idle_ns > 0)
        return probe->options->idle_ns;
    if (promise_s < 0 || promise_s > IDLE_PROMISE_S_MAX)
        return IDLE_DEFAULT_NS;
    return (uint64_t)promise_s * SECOND_NS + IDLE_OVERTIME_NS;
}

static void watch_the_end(struct probe *probe)
{
    uint64_t start_ns = probe->world->ops->now_ns(probe->world);

    if (!probe->conn || http_room(probe->conn) == 0)
        return;
    probe->result->watched = true;
    probe->result->end = watch_for(probe, patience_ns(probe));
    probe->result->idle_ns = probe->world->ops->now_ns(probe->world) - start_ns;
}

static bool run(struct probe *probe, struct error *err)
{
    for (unsigned i = 0; i < probe->options->requests; i++) {
        bool answered = ask(probe);

        if (i == 0 && !answered) {
            *err = probe->result->requests[0].error;
            return false;
        }
        if (i + 1 < probe->options->requests)
            (void)!watch_for(probe, PAUSE_NS);
    }
    watch_the_end(probe);
    drop_connection(probe);
    return true;
}

static bool build_tls(struct probe *probe, struct error *err)
{
    struct tls_client_options options = {.allow_insecure = probe->options->insecure};

    if (probe->options->target.secure)
        probe->tls = tls_profile_new(&options, err);
    return probe->tls || !probe->options->target.secure;
}

static bool build(struct probe *probe, struct error *err)
{
    struct resolver *backend;

    probe->task.run = run_nothing;
    probe->world = linux_world_new(err);
    if (!probe->world)
        return false;
    probe->loop = loop_new(probe->world);
    if (!probe->loop)
        return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a loop");
    backend = resolver_cares_new(probe->loop, err);
    if (!backend)
        return false;
    probe->resolver = resolver_cache_new(backend);
    return probe->resolver || error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a resolver");
}

bool verify_probe(const struct verify_options *options, struct verify_result *result, struct error *err)
{
    struct probe probe = {.options = options, .result = result};
    bool ok;

    *result = (struct verify_result){.end = IO_WAIT};
    ok = build(&probe, err) && build_tls(&probe, err) && run(&probe, err);
    resolver_free(probe.resolver);
    if (probe.loop)
        task_forget(probe.loop, &probe.task);
    loop_free(probe.loop);
    tls_profile_unref(probe.tls);
    linux_world_free(probe.world);
    return ok;
}
