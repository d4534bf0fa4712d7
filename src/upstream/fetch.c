/* fetch.c: one upstream request as a state machine that its waiter pulls. Which connection: pool.c; what happens when
 * it dies under the request: fetch_recover.c. Start with connect_step. SPDX-License-Identifier: Apache-2.0 */
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
    fetch->queue_timer = (struct timer){.at_ns = TIMER_OFF, .task = waiter};
    fetch->may_send = !(options->head->expect_continue && options->transport->expect_continue_timeout_ns > 0);
    fetch->body_given = fetch->request_ended = options->head->body_bytes == 0;
    fetch->started_ns = loop_now_ns(pool_loop(options->pool));
    return fetch;
}

enum io fetch_fail(struct fetch *fetch, const struct error *failure, struct error *err)
{
    *err = fetch->failure = *failure;
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

static void end_dial(struct fetch *fetch, enum dial_end end)
{
    dial_free(fetch->dial);
    fetch->dial = NULL;
    pool_dial_ended(fetch->options.pool, fetch->options.host, end);
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
    fetch->stats.reused = pooled_was_idle(fetch->pooled);
    if (fetch->stats.reused) {
        host_count_add(&counts->requests_reused, 1);
        if (fetch->pooled->uses == 1)
            host_count_add(&counts->requests_warm, 1);
    } else {
        host_count_add(&counts->requests_new, 1);
        ledger_new(&counts->ledger, fetch->reason);
    }
}

static enum io send_request(struct fetch *fetch, struct error *err)
{
    const struct http_head *head = fetch->options.head;
    struct http_conn_facts facts;

    if (http_open(fetch->pooled->conn, &fetch->stream, err) != IO_OK)
        return IO_FAIL;
    fetch->stream->owner = fetch->waiter;
    http_facts(fetch->pooled->conn, &facts);
    fetch->in_before = facts.bytes_in;
    fetch->out_before = facts.bytes_out;
    if (http_send_head(fetch->stream, head, head->body_bytes == 0, err) != IO_OK)
        return IO_FAIL;
    fetch->state = FETCH_SENT;
    fetch->sent_at_ns = loop_now_ns(fetch_loop(fetch));
    count_request(fetch);
    if (!fetch->may_send)
        timer_set(fetch_loop(fetch), &fetch->continue_timer,
                  loop_now_ns(fetch_loop(fetch)) + (uint64_t)fetch->options.transport->expect_continue_timeout_ns);
    if (fetch->request_ended)
        start_head_clock(fetch);
    return IO_OK;
}

/* A kept connection that will not even take the head was dead before anything left (E0): a fresh one is made. */
static enum io give_request(struct fetch *fetch, struct error *err)
{
    bool kept = pooled_was_idle(fetch->pooled);
    struct error failure;

    if (send_request(fetch, &failure) == IO_OK)
        return IO_OK;
    fetch_drop(fetch, kept ? REASON_STALE_AT_CHECK : REASON_ANSWER_FAILED, SIDE_PEER);
    if (!kept || fetch->fresh_only)
        return fetch_fail(fetch, &failure, err);
    fetch->fresh_only = true;
    fetch->state = FETCH_PICK;
    return IO_OK;
}

/* If the connection dies under it, may it be sent again? (Its body has not been seen yet: an announced length tells.)
 */
static bool is_repeatable(const struct fetch *fetch)
{
    const struct http_head *head = fetch->options.head;

    return fetch->options.transport->resend != RESEND_OFF && head->body_bytes >= 0 &&
           head->body_bytes <= REPLAY_BYTES && resend_is_idempotent(head);
}

/* Would a connection do that has been used before? */
static bool may_be_kept(const struct fetch *fetch)
{
    return !fetch->fresh_only && !fetch->options.transport->disable_keep_alives;
}

static bool is_turn(const struct fetch *fetch)
{
    return gate_is_turn(pool_gate(fetch->options.pool), fetch->options.host, &fetch->gate_waiter);
}

static bool take_idle(struct fetch *fetch)
{
    const struct fetch_options *options = &fetch->options;

    if (may_be_kept(fetch))
        fetch->pooled = pool_take(options->pool, options->host, options->transport, is_repeatable(fetch));
    if (fetch->pooled)
        fetch->state = FETCH_GIVE;
    return fetch->pooled;
}

static bool ask_others(struct fetch *fetch)
{
    fetch->wish.task = fetch->waiter;
    return may_be_kept(fetch) && pool_ask(fetch->options.pool, fetch->options.host, &fetch->wish, is_repeatable(fetch));
}

/* Until it has a connection it is among those who are woken when one becomes idle. Without memory it is not. */
static void join_race(struct fetch *fetch)
{
    fetch->race_waiter.task = fetch->waiter;
    if (may_be_kept(fetch) && !list_holds(&fetch->race_waiter.node))
        (void)!gate_wait(pool_racers(fetch->options.pool), fetch->options.host, &fetch->race_waiter);
}

static void leave_race(struct fetch *fetch)
{
    if (list_holds(&fetch->race_waiter.node))
        gate_quit(pool_racers(fetch->options.pool), fetch->options.host, &fetch->race_waiter);
}

/* In the race: takes what has become idle, when it is our turn. */
static bool win_race(struct fetch *fetch)
{
    if (!list_holds(&fetch->race_waiter.node) ||
        !gate_is_turn(pool_racers(fetch->options.pool), fetch->options.host, &fetch->race_waiter) || !take_idle(fetch))
        return false;
    leave_race(fetch);
    return true;
}

static enum io start_dial(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;
    struct error failure;

    fetch->reason = fetch->resends > 0 ? REASON_RESEND : pool_explain(options->pool, options->host, options->transport);
    fetch->dial = pool_dial(options->pool, options->host, options->transport, fetch->waiter);
    fetch->state = FETCH_DIAL;
    if (fetch->dial) {
        join_race(fetch);
        return IO_OK;
    }
    leave_race(fetch);
    error_set(&failure, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to dial %.*s", STR_ARG(options->host->url));
    return fetch_fail(fetch, &failure, err);
}

/* A slot for a new connection. IO_WAIT: the host is at its cap, or others came first. */
static enum io dial_own(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;

    if (!is_turn(fetch) || !gate_enter(options->host, options->transport->max_connections_per_host))
        return IO_WAIT;
    return start_dial(fetch, err);
}

static enum io queue_failed(struct fetch *fetch, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_UPSTREAM, ERROR_QUEUE_TIMEOUT, "%.*s: all %lld connections are in use",
              STR_ARG(fetch->options.host->url), (long long)fetch->options.transport->max_connections_per_host);
    failure.retry_safe = true;
    return fetch_fail(fetch, &failure, err);
}

static void look_again_soon(struct fetch *fetch)
{
    uint64_t at_ns = loop_now_ns(fetch_loop(fetch)) + GATE_RETRY_NS;

    timer_set(fetch_loop(fetch), &fetch->queue_timer, at_ns < fetch->queue_end_ns ? at_ns : fetch->queue_end_ns);
}

/* For other workers: who has one to spare sends it here. */
static void count_waiting(struct fetch *fetch, int change)
{
    host_count_add(&fetch_counts(fetch)->waiting, change);
    atomic_fetch_add_explicit(&fetch->options.host->waiting, (uint32_t)change, memory_order_relaxed);
}

static void leave_queue(struct fetch *fetch)
{
    timer_clear(fetch_loop(fetch), &fetch->queue_timer);
    if (!list_holds(&fetch->gate_waiter.node))
        return;
    gate_quit(pool_gate(fetch->options.pool), fetch->options.host, &fetch->gate_waiter);
    count_waiting(fetch, -1);
}

/* Nothing idle is at hand. */
static enum io dial_or_queue(struct fetch *fetch, struct error *err)
{
    int64_t timeout_ns = fetch->options.transport->queue_timeout_ns;
    enum io io = dial_own(fetch, err);

    if (io != IO_WAIT)
        return io;
    leave_race(fetch);
    fetch->gate_waiter.task = fetch->waiter;
    if (timeout_ns <= 0 || !gate_wait(pool_gate(fetch->options.pool), fetch->options.host, &fetch->gate_waiter))
        return queue_failed(fetch, err);
    count_waiting(fetch, 1);
    fetch->queue_end_ns = loop_now_ns(fetch_loop(fetch)) + (uint64_t)timeout_ns;
    fetch->state = FETCH_QUEUE;
    look_again_soon(fetch);
    return IO_WAIT;
}

static enum io pick(struct fetch *fetch, struct error *err)
{
    if (is_turn(fetch) && take_idle(fetch))
        return IO_OK;
    if (!is_turn(fetch) || !ask_others(fetch))
        return dial_or_queue(fetch, err);
    fetch->state = FETCH_ASK;
    timer_set(fetch_loop(fetch), &fetch->queue_timer, loop_now_ns(fetch_loop(fetch)) + HANDOFF_HEAD_START_NS);
    join_race(fetch);
    return IO_WAIT;
}

/* The letter may come too late; what it brings then is for whoever waits. */
static enum io await_answer(struct fetch *fetch, struct error *err)
{
    if (win_race(fetch)) {
        timer_clear(fetch_loop(fetch), &fetch->queue_timer);
        return IO_OK;
    }
    if (fetch->wish.letter && !fetch->queue_timer.fired)
        return IO_WAIT;
    timer_clear(fetch_loop(fetch), &fetch->queue_timer);
    return dial_or_queue(fetch, err);
}

/* Others may have become idle elsewhere since the last look; a letter at each wake would be too many. */
static enum io look_again(struct fetch *fetch, struct error *err)
{
    if (is_turn(fetch)) {
        if (take_idle(fetch))
            return IO_OK;
        if (fetch->queue_timer.fired)
            (void)!ask_others(fetch);
    }
    return dial_own(fetch, err);
}

static enum io wait_in_queue(struct fetch *fetch, struct error *err)
{
    enum io io = look_again(fetch, err);

    if (io != IO_WAIT) {
        leave_queue(fetch);
        return io;
    }
    if (loop_now_ns(fetch_loop(fetch)) >= fetch->queue_end_ns) {
        leave_queue(fetch);
        return queue_failed(fetch, err);
    }
    if (fetch->queue_timer.fired)
        look_again_soon(fetch);
    return IO_WAIT;
}

/* A connection became idle before the dial has ended: the dial goes on for the pool. */
static enum io leave_dial(struct fetch *fetch)
{
    const struct fetch_options *options = &fetch->options;

    pool_keep_dial(options->pool, options->host, options->transport, fetch->dial);
    fetch->dial = NULL;
    return IO_OK;
}

static enum io finish_dial(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;
    struct stream *stream = NULL;
    struct error failure;
    enum io io = dial_result(fetch->dial, &stream, &failure);

    if (io == IO_WAIT)
        return win_race(fetch) ? leave_dial(fetch) : IO_WAIT;
    if (io == IO_OK)
        fetch->pooled = pool_adopt(options->pool, options->host, options->transport, stream, &failure);
    end_dial(fetch, io != IO_OK ? DIAL_FAILED : fetch->pooled ? DIAL_ADOPTED : DIAL_GIVEN_UP);
    leave_race(fetch);
    if (!fetch->pooled)
        return take_idle(fetch) ? IO_OK : fetch_fail(fetch, &failure, err);
    fetch->stats.dial_ns = loop_now_ns(fetch_loop(fetch)) - fetch->started_ns;
    fetch->state = FETCH_GIVE;
    return IO_OK;
}

static enum io advance(struct fetch *fetch, struct error *err)
{
    switch (fetch->state) {
    case FETCH_PICK:
        return pick(fetch, err);
    case FETCH_ASK:
        return await_answer(fetch, err);
    case FETCH_QUEUE:
        return wait_in_queue(fetch, err);
    case FETCH_DIAL:
        return finish_dial(fetch, err);
    case FETCH_GIVE:
        return give_request(fetch, err);
    case FETCH_PROOF:
        return fetch_prove(fetch, err);
    case FETCH_FAILED:
        *err = fetch->failure;
        return IO_FAIL;
    case FETCH_SENT:
    case FETCH_ANSWER:
    case FETCH_OVER:
        break;
    }
    return IO_OK;
}

/* Gives a fresh connection the body bytes that the dead one had got. A failure shows when the answer is read. */
static void send_pending(struct fetch *fetch)
{
    struct error err;
    enum io io;

    if (fetch->request_ended || fetch->send_broken || (fetch->pending.size == 0 && !fetch->body_given))
        return;
    io = http_send_body(fetch->stream, &fetch->pending, fetch->body_given, &err);
    fetch->send_broken = io == IO_FAIL;
    fetch->request_ended = io == IO_OK && fetch->body_given;
    if (fetch->send_broken || fetch->request_ended)
        start_head_clock(fetch);
}

/* Moves on until the head has been given to a connection. */
static enum io connect_step(struct fetch *fetch, struct error *err)
{
    enum io io = IO_OK;

    while (io == IO_OK && (fetch->state < FETCH_SENT || fetch->state == FETCH_FAILED))
        io = advance(fetch, err);
    if (io == IO_OK && fetch->state == FETCH_SENT)
        send_pending(fetch);
    return io;
}

bool fetch_may_send(struct fetch *fetch)
{
    if (fetch->continue_timer.fired)
        fetch->may_send = true;
    return fetch->may_send;
}

void fetch_forget_replay(struct fetch *fetch)
{
    chain_clear(&fetch->replay);
    fetch->kept_ahead = 0;
    fetch->replay_lost = true;
}

/* Keeps a copy of body bytes that are about to go, as long as all of them fit. Those that came before and were not
 * taken are kept already. */
static void keep(struct fetch *fetch, const struct chain *from)
{
    struct block_pool *blocks = loop_blocks(fetch_loop(fetch));
    struct iovec parts[16];
    int count = chain_parts(from, parts, 16);
    size_t skip = fetch->kept_ahead, seen = 0;

    if (fetch->replay_lost || fetch->replay.size + from->size - skip > REPLAY_BYTES) {
        fetch_forget_replay(fetch);
        return;
    }
    for (int i = 0; i < count; i++) {
        struct str bytes = str_of(parts[i].iov_base, parts[i].iov_len);
        size_t skipped = size_min(skip, bytes.len);

        seen += bytes.len;
        skip -= skipped;
        if (!chain_append(&fetch->replay, blocks, str_from_offset(bytes, skipped)))
            seen = SIZE_MAX;
    }
    if (seen != from->size)
        fetch_forget_replay(fetch);
}

/* The caller is rid of it, whether the connection took it or not. */
static enum io swallow(struct fetch *fetch, struct chain *from, bool end)
{
    chain_clear(from);
    fetch->kept_ahead = 0;
    fetch->body_given |= end;
    return IO_OK;
}

/* A host may refuse a body by answering and closing: what it answered counts, not that it stopped reading. Until that
 * is known the body goes on being kept: a fresh connection may get it again. */
static enum io give_body(struct fetch *fetch, struct chain *from, bool end)
{
    struct error err;
    enum io io;

    keep(fetch, from);
    if (fetch->send_broken)
        return swallow(fetch, from, end);
    io = http_send_body(fetch->stream, from, end, &err);
    if (io == IO_WAIT) {
        fetch->kept_ahead = fetch->replay_lost ? 0 : from->size;
        return IO_WAIT;
    }
    fetch->send_broken = io == IO_FAIL;
    fetch->request_ended = end && io == IO_OK;
    if (fetch->send_broken || end)
        start_head_clock(fetch);
    return swallow(fetch, from, end);
}

enum io fetch_send(struct fetch *fetch, struct chain *from, bool end, struct error *err)
{
    enum io io = connect_step(fetch, err);

    if (io == IO_WAIT || io == IO_FAIL)
        return io;
    if (fetch->request_ended || fetch->state == FETCH_OVER)
        return swallow(fetch, from, end);
    return fetch->pending.size > 0 ? IO_WAIT : give_body(fetch, from, end);
}

/* One head from the connection. IO_OK: *head is the final one, or NULL when there is more to come. */
static enum io receive_head(struct fetch *fetch, struct arena *arena, struct http_head **head, struct error *err)
{
    struct error failure = {0};
    enum io io = http_recv_head(fetch->stream, arena, head, &failure);

    if (io == IO_FAIL)
        return fetch_recover(fetch, &failure, err);
    if (io != IO_OK)
        return io;
    if ((*head)->status >= 200)
        return IO_OK;
    fetch->may_send |= (*head)->status == 100;
    *head = NULL;
    return IO_OK;
}

static enum io head_timed_out(struct fetch *fetch, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_UPSTREAM, ERROR_RESPONSE_HEADER_TIMEOUT, "%.*s: no answer within response_header_timeout",
              STR_ARG(fetch->options.host->url));
    http_cancel(fetch->stream, HTTP_CANCEL_DEADLINE);
    fetch_drop(fetch, REASON_ANSWER_FAILED, SIDE_OURS);
    return fetch_fail(fetch, &failure, err);
}

enum io fetch_head(struct fetch *fetch, struct arena *arena, struct http_head **head, struct error *err)
{
    ASSERT(fetch->state < FETCH_ANSWER || fetch->state == FETCH_FAILED);
    *head = NULL;
    while (!*head) {
        enum io io = connect_step(fetch, err);

        if (io != IO_OK)
            return io;
        io = receive_head(fetch, arena, head, err);
        if (io == IO_WAIT && fetch->head_timer.fired)
            return head_timed_out(fetch, err);
        if (io != IO_OK)
            return io;
    }
    pool_survived(fetch->pooled);
    fetch->state = FETCH_ANSWER;
    fetch->stats.first_byte_ns = loop_now_ns(fetch_loop(fetch)) - fetch->started_ns;
    timer_clear(fetch_loop(fetch), &fetch->head_timer);
    timer_clear(fetch_loop(fetch), &fetch->continue_timer);
    fetch_forget_replay(fetch);
    return IO_OK;
}

enum io fetch_body(struct fetch *fetch, struct chain *into, size_t size_max, struct error *err)
{
    struct error failure;
    enum io io;

    if (fetch->state == FETCH_OVER)
        return IO_END;
    ASSERT(fetch->state == FETCH_ANSWER);
    io = http_recv_body(fetch->stream, into, size_max, &failure);
    if (io == IO_END) {
        /* The connection is free from here, long before the client has read its answer. */
        fetch_release(fetch);
        fetch->state = FETCH_OVER;
    } else if (io == IO_FAIL) {
        fetch_drop(fetch, REASON_ANSWER_FAILED, SIDE_PEER);
        return fetch_fail(fetch, &failure, err);
    }
    return io;
}

const struct fetch_stats *fetch_stats(const struct fetch *fetch)
{
    return &fetch->stats;
}

void fetch_end(struct fetch *fetch, enum http_cancel why)
{
    bool late = why == HTTP_CANCEL_DEADLINE && fetch && fetch->state < FETCH_OVER;

    if (!fetch)
        return;
    if (late)
        host_count_add(&fetch_counts(fetch)->failures, 1);
    if (fetch->dial)
        end_dial(fetch, late ? DIAL_FAILED : DIAL_GIVEN_UP);
    leave_queue(fetch);
    leave_race(fetch);
    pool_stop_asking(fetch->options.pool, &fetch->wish);
    if (fetch->stream)
        http_cancel(fetch->stream, why);
    fetch_drop(fetch, late ? REASON_ANSWER_FAILED : REASON_CLIENT_ABORT, SIDE_OURS);
    chain_clear(&fetch->pending);
    fetch_forget_replay(fetch);
    fetch->state = FETCH_OVER;
}
