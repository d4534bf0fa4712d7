/* origin_visit.c: one connection to a test origin and the life of a request on it: read, counted, answered, or whatever
 * its plan says instead. What the answers are: origin_answer.c; when a connection ends: origin_end.c. Start with
 * run_visit. SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_visit.h"

#include "base/assert.h"
#include "cli/origin_ledger.h"
#include "cli/origin_stream.h"
#include "cli/origin_visit_internal.h"

#include <stdlib.h>

enum { PIECE_BYTES = 262144, ARENA_BYTES = 1 << 20 };
#define STRAY_AFTER_NS  UINT64_C(1000000)
#define SILENT_CHECK_NS UINT64_C(100000000)

static struct origin_ledger *ledger_of(const struct visit *visit)
{
    return visit->house->options.ledger;
}

void visit_end_request(struct visit *visit)
{
    timer_clear(visit->house->loop, &visit->delay);
    if (visit->stream) {
        visit->bytes_given += visit->stream->bytes_out;
        http_done(visit->stream);
    }
    visit->stream = NULL;
    visit->request = NULL;
    visit->number = STR_EMPTY;
    visit->body_bytes = 0;
    chain_clear(&visit->body);
    arena_free(visit->arena);
    visit->arena = NULL;
    visit->state = VISIT_IDLE;
}

void visit_close(struct visit *visit)
{
    struct loop *loop = visit->house->loop;

    visit_end_request(visit);
    timer_clear(loop, &visit->stray);
    timer_clear(loop, &visit->limit);
    http_close(visit->conn);
    task_forget(loop, &visit->task);
    list_remove(&visit->house->visits, &visit->node);
    free(visit);
}

static enum io accept_request(struct visit *visit, struct error *err)
{
    enum io io = http_accept(visit->conn, &visit->stream, err);

    if (io != IO_OK)
        return io;
    visit->stream->owner = &visit->task;
    visit->arena = arena_new(loop_pages(visit->house->loop), ARENA_BYTES);
    visit->state = VISIT_HEAD;
    if (!visit->half_closed)
        timer_set(visit->house->loop, &visit->limit, TIMER_OFF);
    return visit->arena ? IO_OK : IO_FAIL;
}

static uint64_t hold_ns(const struct visit *visit)
{
    const struct origin_options *options = &visit->house->options;
    struct rng *rng = loop_rng(visit->house->loop);
    uint64_t jitter_ns = options->jitter_ns ? rng_below(rng, options->jitter_ns) : 0;
    uint64_t late_ns = visit->plan.late ? options->late_ns : 0;

    return options->delay_ns + jitter_ns + late_ns + visit->answer.delay_ns;
}

static enum io hold(struct visit *visit, uint64_t wait_ns)
{
    struct loop *loop = visit->house->loop;

    visit->state = VISIT_DELAY;
    if (wait_ns > 0)
        timer_set(loop, &visit->delay, loop_now_ns(loop) + wait_ns);
    return IO_OK;
}

/* Who looks at the ledger is no part of it, and no fault hits him. */
static enum io receive_ledger_request(struct visit *visit)
{
    struct origin_ledger *ledger = ledger_of(visit);
    struct str text;

    if (visit->requests == 0 && !visit->looks_at_ledger)
        origin_ledger_drop_connection(ledger);
    visit->looks_at_ledger = true;
    if (str_eq(visit->request->method, STR("DELETE")))
        origin_ledger_reset(ledger);
    text = origin_ledger_json(ledger, visit->arena);
    visit->plan = (struct origin_plan){0};
    origin_answer_text(visit->arena, &visit->answer, text, STR("application/json"));
    visit->answer.delay_ns = 0;
    return text.data ? hold(visit, 0) : IO_FAIL;
}

static void make_plan(struct visit *visit)
{
    struct origin_house *house = visit->house;

    if (visit->looks_at_ledger)
        origin_ledger_add_connection(ledger_of(visit));
    visit->looks_at_ledger = false;
    visit->requests++;
    house->requests++;
    if (house->has_plans)
        visit->plan = origin_plan_for(&house->options, house->requests, loop_rng(house->loop));
}

static enum io receive_head(struct visit *visit, struct error *err)
{
    enum io io = http_recv_head(visit->stream, visit->arena, &visit->request, err);

    if (io != IO_OK)
        return io;
    origin_answer_for(visit->arena, visit->request, &visit->answer);
    if (ledger_of(visit) && str_eq(visit->request->path, STR("/ledger")))
        return receive_ledger_request(visit);
    visit->number = headers_get(&visit->request->headers, STR("X-Request-Number"));
    make_plan(visit);
    return hold(visit, hold_ns(visit));
}

/* The request is here to its last byte: it counts as executed. */
static void count_execution(struct visit *visit)
{
    struct origin_ledger *ledger = ledger_of(visit);

    if (ledger && !visit->looks_at_ledger)
        origin_ledger_add_request(ledger, visit->request->method, visit->number);
}

/* So that a client can tell whether an answer is to its own request. */
static bool add_number(struct visit *visit)
{
    return !visit->number.data ||
           headers_add(&visit->answer.head.headers, visit->arena, STR("X-Request-Number"), visit->number);
}

static void prepare_stream(struct visit *visit)
{
    const struct origin_options *options = &visit->house->options;
    struct stream *stream = visit->conn->stream;

    origin_stream_pace(stream, visit->plan.slow ? options->bytes_per_second : 0);
    origin_stream_cut_after(stream, visit->plan.cut ? options->cut_after : UINT64_MAX, &visit->task);
}

static enum io send_head(struct visit *visit, struct error *err)
{
    struct origin_answer *answer = &visit->answer;
    bool end = answer->head.body_bytes == 0;

    if (visit->house->needs_faulty_stream)
        prepare_stream(visit);
    if (!add_number(visit) || http_send_head(visit->stream, &answer->head, end, err) != IO_OK)
        return IO_FAIL;
    visit->state = answer->echo ? VISIT_ECHO : VISIT_SEND;
    return IO_OK;
}

/* IO_FAIL ends the connection. */
static enum io answer_or_not(struct visit *visit, struct error *err)
{
    if (visit->plan.silence) {
        visit->state = VISIT_SILENT;
        return IO_OK;
    }
    if (visit->plan.reset)
        origin_stream_reset_at_close(visit->conn->stream);
    if (visit->plan.reset || visit->plan.hang_up || visit->half_closed)
        return IO_FAIL;
    return send_head(visit, err);
}

/* The answer to an echo begins before the request has ended, unless there will be none. */
static bool echoes(const struct visit *visit)
{
    return visit->answer.echo && !visit->plan.silence && !visit->plan.reset && !visit->plan.hang_up &&
           !visit->half_closed;
}

static enum io leave_delay(struct visit *visit)
{
    if (visit->delay.at_ns != TIMER_OFF && !visit->delay.fired)
        return IO_WAIT;
    visit->state = echoes(visit) ? VISIT_FIRST : VISIT_SINK;
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
    count_execution(visit);
    if (!origin_answer_sunk(visit->arena, &visit->answer, visit->body_bytes))
        return IO_FAIL;
    return answer_or_not(visit, err);
}

/* Nothing wakes us when the peer gives up, since nothing is read: so it is looked at from time to time. */
static enum io keep_silent(struct visit *visit)
{
    struct loop *loop = visit->house->loop;
    enum io io = stream_peek(visit->conn->stream);

    if (io == IO_END || io == IO_FAIL)
        return IO_FAIL;
    timer_set(loop, &visit->delay, loop_now_ns(loop) + SILENT_CHECK_NS);
    return IO_WAIT;
}

/* IO_END: the request is over. */
static enum io send_answer(struct visit *visit, struct error *err)
{
    while (visit->answer.head.body_bytes != 0) {
        bool end;
        enum io io;

        if (visit->body.size == 0 &&
            !origin_answer_piece(&visit->answer, &visit->body, loop_blocks(visit->house->loop), PIECE_BYTES))
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
        if (io == IO_END && !visit->counted) {
            visit->counted = true;
            count_execution(visit);
        }
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
    case VISIT_SILENT:
        return keep_silent(visit);
    case VISIT_SEND:
        return send_answer(visit, err);
    case VISIT_ECHO:
        return echo(visit, err);
    }
    return IO_FAIL;
}

/* An answer that nobody asked for, a moment after the real one. */
static void send_stray(struct visit *visit)
{
    static char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSTRAY";
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes) - 1};
    struct error err;
    size_t sent;

    timer_clear(visit->house->loop, &visit->stray);
    if (visit->state == VISIT_IDLE)
        (void)!stream_writev(visit->conn->stream, &part, 1, &sent, &err);
}

static void after_request(struct visit *visit)
{
    struct loop *loop = visit->house->loop;

    if (visit->plan.stray)
        timer_set(loop, &visit->stray, loop_now_ns(loop) + STRAY_AFTER_NS);
    visit->counted = false;
    visit_end_request(visit);
    visit_set_limit(visit);
}

/* False: the visit is over and gone. */
static bool move_on(struct visit *visit)
{
    for (;;) {
        struct error err = {0};
        enum visit_state before = visit->state;
        enum io io = step(visit, &err);

        if (io == IO_WAIT)
            return true;
        if (io == IO_FAIL || (io == IO_END && before == VISIT_IDLE)) {
            visit_close(visit);
            return false;
        }
        if (io == IO_END)
            after_request(visit);
    }
}

static void run_visit(struct task *task)
{
    struct visit *visit = container_of(task, struct visit, task);

    if (visit->stray.fired)
        send_stray(visit);
    if (visit->house->needs_faulty_stream && origin_stream_was_cut(visit->conn->stream))
        visit_leave(visit);
    else if (move_on(visit) && visit->limit.fired)
        visit_limit_is_up(visit);
}

void visit_new(struct origin_house *house, struct stream *stream)
{
    const struct origin_options *limits = &house->options;
    struct visit *visit = calloc(1, sizeof(*visit));
    struct error err;

    if (!visit) {
        stream_close(stream, true);
        return;
    }
    visit->conn_options = (struct http_conn_options){
        /* Told to the peer only: origin_end.c does the closing. */
        .idle_timeout_ns = limits->close_idle_after.min_ns,
        .idle_grace_ns = UINT64_MAX / 4,
        .requests_max = limits->unannounced ? 0 : limits->close_after_requests,
        .keep_alive_header = limits->keep_alive_header,
    };
    visit->house = house;
    visit->task.run = run_visit;
    visit->delay = visit->stray = visit->limit = (struct timer){.at_ns = TIMER_OFF, .task = &visit->task};
    visit->conn = h1_server_new(stream, &visit->conn_options, &visit->task, &err);
    if (!visit->conn) {
        free(visit);
        return;
    }
    list_push_back(&house->visits, &visit->node);
    visit_set_limit(visit);
}

void visits_end(struct origin_house *house)
{
    for (struct list_node *node; (node = list_first(&house->visits));)
        visit_close(container_of(node, struct visit, node));
}
