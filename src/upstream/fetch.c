/* fetch.c: one upstream request as a state machine that its waiter pulls. Which connection: pool.c; what happens when it dies under the
 * request: fetch_recover.c. Start with connect_step. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/fetch_internal.h"

struct fetch *fetch_start(struct arena *arena, const struct fetch_options *options, struct task *waiter)
{
    struct fetch *fetch = arena_make(arena, struct fetch);

    if (!fetch)
        return NULL;
    fetch->options = *options;
    fetch->waiter = waiter;
    fetch->head_timer = (struct timer){.at_ns = TIMER_OFF, .task = waiter};
    fetch->continue_timer = (struct timer){.at_ns = TIMER_OFF, .task = waiter};
    fetch->proof_timer = (struct timer){.at_ns = TIMER_OFF, .task = waiter};
    fetch->may_send = !(options->head->expect_continue && options->transport->expect_continue_timeout_ns > 0);
    fetch->body_given = fetch->request_ended = options->head->body_bytes == 0;
    fetch->started_ns = loop_now_ns(pool_loop(options->pool));
    return fetch;
}

enum io fetch_fail(struct fetch *fetch, const struct error *err)
{
    fetch->failure = *err;
    fetch->state = FETCH_FAILED;
    host_count_add(&fetch_counts(fetch)->failures, 1);
    return IO_FAIL;
}

/* The connection carries nothing of this request any more. */
static void let_go_of_stream(struct fetch *fetch)
{
    struct loop *loop = fetch_loop(fetch);

    timer_clear(loop, &fetch->head_timer);
    timer_clear(loop, &fetch->continue_timer);
    timer_clear(loop, &fetch->proof_timer);
    if (fetch->stream)
        http_done(fetch->stream);
    fetch->stream = NULL;
}

void fetch_release(struct fetch *fetch)
{
    let_go_of_stream(fetch);
    if (fetch->pooled)
        pool_return(fetch->pooled, fetch->options.transport);
    fetch->pooled = NULL;
}

void fetch_drop(struct fetch *fetch, enum reason reason, enum side side)
{
    let_go_of_stream(fetch);
    if (fetch->pooled)
        pool_discard(fetch->pooled, reason, side);
    fetch->pooled = NULL;
}

static void end_dial(struct fetch *fetch, bool failed)
{
    dial_free(fetch->dial);
    fetch->dial = NULL;
    pool_dial_ended(fetch->options.pool, fetch->options.host, failed);
}

/* The request has left as far as we are concerned: from here the host's answer is awaited. */
static void start_head_clock(struct fetch *fetch)
{
    int64_t timeout_ns = fetch->options.transport->response_header_timeout_ns;

    if (timeout_ns > 0 && fetch->state == FETCH_SENT)
        timer_set(fetch_loop(fetch), &fetch->head_timer, loop_now_ns(fetch_loop(fetch)) + (uint64_t)timeout_ns);
}

static void count_request(struct fetch *fetch)
{
    struct host_counts *counts = fetch_counts(fetch);

    fetch->stats.attempts++;
    fetch->stats.reused = fetch->pooled->uses > 1;
    if (fetch->stats.reused) {
        host_count_add(&counts->requests_reused, 1);
    } else {
        host_count_add(&counts->requests_new, 1);
        ledger_new(&counts->ledger, fetch->reason);
    }
}

static enum io send_request(struct fetch *fetch, struct error *err)
{
    struct http_conn_facts facts;

    if (http_open(fetch->pooled->conn, &fetch->stream, err) != IO_OK)
        return IO_FAIL;
    fetch->stream->owner = fetch->waiter;
    http_facts(fetch->pooled->conn, &facts);
    fetch->in_before = facts.bytes_in;
    fetch->out_before = facts.bytes_out;
    if (http_send_head(fetch->stream, fetch->options.head, fetch->options.head->body_bytes == 0, err) != IO_OK)
        return IO_FAIL;
    fetch->state = FETCH_SENT;
    count_request(fetch);
    if (!fetch->may_send)
        timer_set(fetch_loop(fetch), &fetch->continue_timer,
                  loop_now_ns(fetch_loop(fetch)) + (uint64_t)fetch->options.transport->expect_continue_timeout_ns);
    if (fetch->request_ended)
        start_head_clock(fetch);
    return IO_OK;
}

static enum io pick(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;

    if (!fetch->fresh_only && !options->transport->disable_keep_alives)
        fetch->pooled = pool_take(options->pool, options->host);
    if (fetch->pooled)
        return IO_OK;
    fetch->reason = fetch->fresh_only ? REASON_RESEND : pool_explain(options->pool, options->host, options->transport);
    fetch->dial = pool_dial(options->pool, options->host, options->transport, fetch->waiter);
    if (!fetch->dial) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to dial %.*s", STR_ARG(options->host->url));
        return IO_FAIL;
    }
    fetch->state = FETCH_DIAL;
    return IO_OK;
}

static enum io finish_dial(struct fetch *fetch, struct error *err)
{
    struct stream *stream = NULL;
    enum io io = dial_result(fetch->dial, &stream, err);

    if (io == IO_WAIT)
        return IO_WAIT;
    end_dial(fetch, io != IO_OK);
    if (io != IO_OK)
        return IO_FAIL;
    fetch->stats.dial_ns = loop_now_ns(fetch_loop(fetch)) - fetch->started_ns;
    fetch->pooled = pool_adopt(fetch->options.pool, fetch->options.host, fetch->options.transport, stream, err);
    return fetch->pooled ? IO_OK : IO_FAIL;
}

/* Passes on what a fresh connection has to get again. A failure shows when the answer is read. */
static void send_pending(struct fetch *fetch)
{
    struct error err;
    enum io io;

    if (fetch->pending.size == 0 || !fetch->stream)
        return;
    io = http_send_body(fetch->stream, &fetch->pending, fetch->body_given, &err);
    if (io == IO_FAIL)
        chain_clear(&fetch->pending);
    if (io == IO_OK && fetch->body_given) {
        fetch->request_ended = true;
        start_head_clock(fetch);
    }
}

/* Moves on until the head has been given to a connection. */
static enum io connect_step(struct fetch *fetch, struct error *err)
{
    struct error local = {0};
    enum io io = IO_OK;

    if (fetch->state == FETCH_FAILED) {
        *err = fetch->failure;
        return IO_FAIL;
    }
    if (fetch->state == FETCH_PROOF)
        return fetch_prove(fetch, err) == IO_OK ? connect_step(fetch, err) : fetch->state == FETCH_PROOF ? IO_WAIT : IO_FAIL;
    if (fetch->state == FETCH_PICK)
        io = pick(fetch, &local);
    if (io == IO_OK && fetch->state == FETCH_DIAL)
        io = finish_dial(fetch, &local);
    if (io == IO_OK && fetch->pooled && !fetch->stream)
        io = send_request(fetch, &local);
    if (io == IO_FAIL) {
        *err = local;
        fetch_drop(fetch, REASON_ANSWER_FAILED, SIDE_PEER);
        return fetch_fail(fetch, &local);
    }
    if (io == IO_OK)
        send_pending(fetch);
    return io;
}

bool fetch_may_send(struct fetch *fetch)
{
    if (fetch->continue_timer.fired)
        fetch->may_send = true;
    return fetch->may_send;
}

/* Keeps a copy of body bytes that are about to go, as long as all of them fit. */
static void keep(struct fetch *fetch, const struct chain *from, size_t taken_before)
{
    struct block_pool *blocks = loop_blocks(fetch_loop(fetch));
    struct iovec parts[16];
    int count = chain_parts(from, parts, 16);

    (void)taken_before;
    if (fetch->replay_lost)
        return;
    fetch->replay_lost = fetch->replay.size + from->size > REPLAY_BYTES;
    for (int i = 0; i < count && !fetch->replay_lost; i++)
        fetch->replay_lost = !chain_append(&fetch->replay, blocks, str_of(parts[i].iov_base, parts[i].iov_len));
    if (fetch->replay_lost)
        chain_clear(&fetch->replay);
}

enum io fetch_send(struct fetch *fetch, struct chain *from, bool end, struct error *err)
{
    enum io io = connect_step(fetch, err);

    if (io == IO_WAIT || io == IO_FAIL)
        return io;
    if (fetch->request_ended || fetch->send_broken || fetch->state == FETCH_OVER) {
        fetch->body_given |= end;
        chain_clear(from);
        return IO_OK;
    }
    if (fetch->pending.size > 0)
        return IO_WAIT;
    return give_body(fetch, from, end, err);
}
