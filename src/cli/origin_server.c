/* origin_server.c: the connections of a test origin and the life of a request on one. What the answers are:
 * origin_answer.c. Start with run_visit. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_server.h"

#include "base/assert.h"
#include "cli/origin_answer.h"
#include "http/conn.h"
#include "net/listener.h"

#include <stdlib.h>

enum { PIECE_BYTES = 262144, ARENA_BYTES = 1 << 20 };
#define STRAY_AFTER_NS 1000000u

struct origin {
    struct loop *loop;
    struct origin_options options;
    struct listener *listener;
    struct task task;
    struct list visits;
};

enum visit_state {
    VISIT_IDLE,  /* between requests */
    VISIT_HEAD,  /* the request's head is awaited */
    VISIT_DELAY, /* the answer is held back */
    VISIT_FIRST, /* the first of a request's body that is to be sent back is awaited */
    VISIT_SINK,  /* the request's body is read away */
    VISIT_SEND,  /* the answer is sent */
    VISIT_ECHO,  /* the request's body is sent back as it comes */
};

/* One connection and the request on it. */
struct visit {
    struct origin *origin;
    struct http_conn *conn;
    struct http_stream *stream;
    struct arena *arena;
    struct http_head *request;
    struct origin_answer answer;
    struct chain body;
    uint64_t body_bytes;
    enum visit_state state;
    struct timer delay;
    struct timer stray;
    struct task task;
    struct list_node node;
};

static void end_request(struct visit *visit)
{
    timer_clear(visit->origin->loop, &visit->delay);
    if (visit->stream)
        http_done(visit->stream);
    visit->stream = NULL;
    visit->request = NULL;
    visit->body_bytes = 0;
    chain_clear(&visit->body);
    arena_free(visit->arena);
    visit->arena = NULL;
    visit->state = VISIT_IDLE;
}

static void visit_close(struct visit *visit)
{
    struct loop *loop = visit->origin->loop;

    end_request(visit);
    timer_clear(loop, &visit->stray);
    http_close(visit->conn);
    task_forget(loop, &visit->task);
    list_remove(&visit->origin->visits, &visit->node);
    free(visit);
}

static enum io accept_request(struct visit *visit, struct error *err)
{
    enum io io = http_accept(visit->conn, &visit->stream, err);

    if (io != IO_OK)
        return io;
    visit->stream->owner = &visit->task;
    visit->arena = arena_new(loop_pages(visit->origin->loop), ARENA_BYTES);
    visit->state = VISIT_HEAD;
    return visit->arena ? IO_OK : IO_FAIL;
}

static uint64_t hold_ns(struct visit *visit)
{
    const struct origin_options *options = &visit->origin->options;
    uint64_t jitter_ns = options->jitter_ns ? rng_below(loop_rng(visit->origin->loop), options->jitter_ns) : 0;

    return options->delay_ns + jitter_ns + visit->answer.delay_ns;
}

static enum io receive_head(struct visit *visit, struct error *err)
{
    enum io io = http_recv_head(visit->stream, visit->arena, &visit->request, err);
    struct loop *loop = visit->origin->loop;
    uint64_t wait_ns;

    if (io != IO_OK)
        return io;
    origin_answer_for(visit->arena, visit->request, &visit->answer);
    visit->state = VISIT_DELAY;
    wait_ns = hold_ns(visit);
    if (wait_ns > 0)
        timer_set(loop, &visit->delay, loop_now_ns(loop) + wait_ns);
    return IO_OK;
}

static enum io send_head(struct visit *visit, struct error *err)
{
    struct origin_answer *answer = &visit->answer;
    bool end = answer->head.body_bytes == 0;

    if (rng_chance(loop_rng(visit->origin->loop), visit->origin->options.reset_per_million)) {
        http_cancel(visit->stream, HTTP_CANCEL_ERROR);
        return IO_END;
    }
    if (http_send_head(visit->stream, &answer->head, end, err) != IO_OK)
        return IO_FAIL;
    visit->state = answer->echo ? VISIT_ECHO : VISIT_SEND;
    return IO_OK;
}

static enum io leave_delay(struct visit *visit)
{
    if (visit->delay.at_ns != TIMER_OFF && !visit->delay.fired)
        return IO_WAIT;
    visit->state = visit->answer.echo ? VISIT_FIRST : VISIT_SINK;
    return IO_OK;
}

/* The answer's head waits for the first of the body: a client that expects 100 Continue would else never send it. */
static enum io await_first(struct visit *visit, struct error *err)
{
    enum io io = http_recv_body(visit->stream, &visit->body, PIECE_BYTES, err);

    return io == IO_OK || io == IO_END ? send_head(visit, err) : io;
}

static enum io sink(struct visit *visit, struct error *err)
{
    enum io io;

    while ((io = http_recv_body(visit->stream, &visit->body, PIECE_BYTES, err)) == IO_OK) {
        visit->body_bytes += visit->body.size;
        chain_clear(&visit->body);
    }
    if (io != IO_END)
        return io;
    if (!origin_answer_sunk(visit->arena, &visit->answer, visit->body_bytes))
        return IO_FAIL;
    return send_head(visit, err);
}

/* IO_END: the request is over. */
static enum io send_answer(struct visit *visit, struct error *err)
{
    while (visit->answer.head.body_bytes != 0) {
        bool end;
        enum io io;

        if (visit->body.size == 0 &&
            !origin_answer_piece(&visit->answer, &visit->body, loop_blocks(visit->origin->loop), PIECE_BYTES))
            return IO_FAIL;
        end = visit->answer.left == 0;
        io = http_send_body(visit->stream, &visit->body, end, err);
        if (io != IO_OK)
            return io;
        if (end)
            break;
    }
    return IO_END;
}

static enum io echo(struct visit *visit, struct error *err)
{
    for (;;) {
        enum io io = IO_OK, sent;

        if (visit->body.size == 0)
            io = http_recv_body(visit->stream, &visit->body, PIECE_BYTES, err);
        if (io == IO_WAIT || io == IO_FAIL)
            return io;
        if (io == IO_END && visit->answer.head.body_bytes == 0)
            return IO_END;
        sent = http_send_body(visit->stream, &visit->body, io == IO_END, err);
        if (sent != IO_OK)
            return sent;
        if (io == IO_END)
            return IO_END;
    }
}

static enum io step(struct visit *visit, struct error *err)
{
    switch (visit->state) {
    case VISIT_IDLE:
        return accept_request(visit, err);
    case VISIT_HEAD:
        return receive_head(visit, err);
    case VISIT_DELAY:
        return leave_delay(visit);
    case VISIT_FIRST:
        return await_first(visit, err);
    case VISIT_SINK:
        return sink(visit, err);
    case VISIT_SEND:
        return send_answer(visit, err);
    case VISIT_ECHO:
        return echo(visit, err);
    }
    return IO_FAIL;
}

/* The fault --stray-bytes: an answer that nobody asked for, a moment after the real one. */
static void send_stray(struct visit *visit)
{
    static char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSTRAY";
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes) - 1};
    struct error err;
    size_t sent;

    timer_clear(visit->origin->loop, &visit->stray);
    if (visit->state == VISIT_IDLE)
        (void)!stream_writev(visit->conn->stream, &part, 1, &sent, &err);
}

static void after_request(struct visit *visit)
{
    struct origin *origin = visit->origin;

    end_request(visit);
    if (origin->options.stray_bytes)
        timer_set(origin->loop, &visit->stray, loop_now_ns(origin->loop) + STRAY_AFTER_NS);
}

static void run_visit(struct task *task)
{
    struct visit *visit = container_of(task, struct visit, task);

    if (visit->stray.fired)
        send_stray(visit);
    for (;;) {
        struct error err = {0};
        enum visit_state before = visit->state;
        enum io io = step(visit, &err);

        if (io == IO_WAIT)
            return;
        if (io == IO_FAIL || (io == IO_END && before == VISIT_IDLE)) {
            visit_close(visit);
            return;
        }
        if (io == IO_END)
            after_request(visit);
    }
}

static void visit_new(struct origin *origin, struct stream *stream)
{
    struct http_conn_options options = {
        .idle_timeout_ns = origin->options.close_idle_after_ns,
        .requests_max = origin->options.close_after_requests,
        .keep_alive_header = origin->options.keep_alive_header,
    };
    struct visit *visit = calloc(1, sizeof(*visit));
    struct error err;

    if (!visit) {
        stream_close(stream, true);
        return;
    }
    visit->origin = origin;
    visit->task.run = run_visit;
    visit->delay = (struct timer){.at_ns = TIMER_OFF, .task = &visit->task};
    visit->stray = (struct timer){.at_ns = TIMER_OFF, .task = &visit->task};
    visit->conn = h1_server_new(stream, &options, &visit->task, &err);
    if (!visit->conn) {
        free(visit);
        return;
    }
    list_push_back(&origin->visits, &visit->node);
}

static void run_origin(struct task *task)
{
    struct origin *origin = container_of(task, struct origin, task);
    struct stream *stream;
    struct error err;

    while (listener_accept(origin->listener, &stream, &err) == IO_OK)
        visit_new(origin, stream);
}

struct origin *origin_new(struct loop *loop, struct addr *addr, const struct origin_options *options, struct error *err)
{
    struct origin *origin = calloc(1, sizeof(*origin));

    if (!origin) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for an origin");
        return NULL;
    }
    origin->loop = loop;
    origin->options = *options;
    origin->task.run = run_origin;
    list_init(&origin->visits);
    origin->listener = listener_new(
        loop, addr, &(struct listen_options){.backlog = 4096, .reuse_port = options->shared}, &origin->task, err);
    if (!origin->listener) {
        free(origin);
        return NULL;
    }
    *addr = *listener_addr(origin->listener);
    return origin;
}

void origin_free(struct origin *origin)
{
    if (!origin)
        return;
    for (struct list_node *node; (node = list_first(&origin->visits));)
        visit_close(container_of(node, struct visit, node));
    listener_free(origin->listener);
    task_forget(origin->loop, &origin->task);
    free(origin);
}
