/* fetch.c: one upstream request as a state machine that its waiter pulls. How it comes by a connection:
 * fetch_connect.c; what happens when that dies under the request: fetch_recover.c. Start with connect_step.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/lines.h"
#include "http/h2/h2.h"
#include "upstream/fetch_internal.h"
#include "upstream/watch.h"

/* If the connection dies under it, may it be sent again? Its body has not been seen yet: an announced length tells. */
static bool is_repeatable(const struct fetch_options *options)
{
    const struct http_head *head = options->head;

    return options->transport->resend != RESEND_OFF && head->body_bytes >= 0 &&
           head->body_bytes <= transport_replay_bytes(options->transport) && resend_is_idempotent(head);
}

struct fetch *fetch_start(struct arena *arena, const struct fetch_options *options, struct task *waiter)
{
    struct fetch *fetch = arena_alloc(arena, sizeof(*fetch), CACHE_LINE_BYTES);

    if (!fetch)
        return NULL;
    memset(fetch, 0, offsetof(struct fetch, clocks));
    fetch->options = *options;
    fetch->arena = arena;
    fetch->waiter = waiter;
    fetch->may_send = !(options->head->expect_continue && options->transport->expect_continue_timeout_ns > 0);
    fetch->body_given = fetch->request_ended = options->head->body_bytes == 0;
    fetch->stats.reason = REASONS;
    fetch->repeatable = is_repeatable(&fetch->options);
    return fetch;
}

void fetch_set_clock(struct fetch *fetch, enum fetch_clock clock, uint64_t after_ns)
{
    for (size_t i = 0; !fetch->timed && i < FETCH_CLOCKS; i++)
        fetch->clocks[i] = (struct timer){.at_ns = TIMER_OFF, .task = fetch->waiter};
    fetch->timed = true;
    timer_set(fetch_loop(fetch), &fetch->clocks[clock], loop_now_ns(fetch_loop(fetch)) + after_ns);
}

bool fetch_clock_is_up(const struct fetch *fetch, enum fetch_clock clock)
{
    return fetch->timed && fetch->clocks[clock].fired;
}

void fetch_clear_clocks(struct fetch *fetch)
{
    for (size_t i = 0; fetch->timed && i < FETCH_CLOCKS; i++)
        timer_clear(fetch_loop(fetch), &fetch->clocks[i]);
}

enum io fetch_fail(struct fetch *fetch, const struct error *failure, struct error *err)
{
    fetch_blame_host(fetch, failure);
    fetch_end_resend(fetch, RESEND_FAILED);
    *err = fetch->failure = *failure;
    fetch->state = FETCH_FAILED;
    host_count_add(&fetch_counts(fetch)->failures, 1);
    return IO_FAIL;
}

/* Of a stream that is one of many, frames that are no part of an answer are counted as its bytes too. */
struct fetch_bytes fetch_bytes(const struct fetch *fetch)
{
    struct http_conn_facts facts;

    if (fetch->pooled->conn->multiplexed)
        return (struct fetch_bytes){fetch->heard, fetch->stream->bytes_out};
    http_facts(fetch->pooled->conn, &facts);
    return (struct fetch_bytes){facts.bytes_in - fetch->in_before, facts.bytes_out - fetch->out_before};
}

/* The connection carries nothing of this request any more. */
static void let_go_of_stream(struct fetch *fetch)
{
    fetch_stop_awaiting(fetch);
    fetch_clear_clocks(fetch);
    flight_over(pool_flights(fetch->options.pool), &fetch->flight, false);
    if (fetch->stream)
        http_done(fetch->stream);
    fetch->stream = NULL;
}

/* The connection goes back to the pool, if it is fit. */
static void release(struct fetch *fetch)
{
    let_go_of_stream(fetch);
    if (fetch->pooled && UNLIKELY(fetch->pooled->bound))
        private_keep(fetch->options.privates, fetch->pooled, fetch->options.transport);
    else if (fetch->pooled)
        pool_return(fetch->pooled, fetch->options.transport);
    fetch->pooled = NULL;
}

void fetch_drop(struct fetch *fetch, enum reason reason, enum side side)
{
    let_go_of_stream(fetch);
    if (fetch->pooled)
        pool_let_go(fetch->pooled, fetch->options.transport, reason, side);
    fetch->pooled = NULL;
}

/* The request has left as far as we are concerned: from here the host's answer is awaited. */
static void start_head_clock(struct fetch *fetch)
{
    int64_t timeout_ns = fetch->options.transport->response_header_timeout_ns;

    if (timeout_ns > 0 && fetch->state == FETCH_SENT)
        fetch_set_clock(fetch, FETCH_CLOCK_HEAD, (uint64_t)timeout_ns);
}

static void leave_trail(const struct fetch *fetch)
{
    struct fetch_trail *trail = fetch->options.trail;

    if (trail)
        *trail = (struct fetch_trail){fetch->options.host, fetch->stats.reason, fetch->stats.shared, trail->tries + 1};
}

static void note_requests(const struct fetch *fetch)
{
    struct host *host = fetch->options.host;
    uint64_t now_ns = loop_now_ns(fetch_loop(fetch));

    if (UNLIKELY(resend_budget_is_due(&host->resend_budget, now_ns)))
        resend_budget_note(&host->resend_budget, host_requests(host), now_ns);
}

static void count_request(struct fetch *fetch)
{
    struct host_counts *counts = fetch_counts(fetch);

    note_requests(fetch);
    fetch->stats.reused = pooled_was_idle(fetch->pooled);
    fetch->stats.shared = fetch->pooled->streams > 1;
    if (fetch->stats.shared) {
        host_count_add(&counts->requests_shared, 1);
    } else if (fetch->stats.reused) {
        host_count_add(&counts->requests_reused, 1);
        if (fetch->pooled->uses == 1)
            host_count_add(&counts->requests_warm, 1);
    } else {
        host_count_add(&counts->requests_new, 1);
        fetch->pooled->made_for = (uint8_t)fetch->reason;
        ledger_new(&counts->ledger, fetch->reason);
    }
    fetch->stats.reason = fetch->stats.reused ? REASONS : fetch->reason;
    if (!fetch->stats.shared) /* the model is one of idle connections */
        watch_request(fetch->options.pool, fetch->pooled, fetch->stats.reason);
    leave_trail(fetch);
    fetch->hurries = fetch->stats.reused && !fetch->stats.shared && !fetch->repeatable;
}

/* What must not be sent twice leaves right behind the look at its connection, which the host may close at any moment:
 * a turn of the loop takes milliseconds when many requests come at once. */
static void hurry(struct fetch *fetch)
{
    fetch->hurries = false;
    if (fetch->state == FETCH_SENT)
        http_flush(fetch->pooled->conn);
}

/* Once for each connection, while nothing is known of how long the host keeps it. */
static bool asks_for_hint(const struct fetch *fetch)
{
    return fetch->pooled->uses == 1 && !fetch->options.transport->ignore_hints &&
           idle_limit_is_unknown(fetch->options.host->idle_limit);
}

/* Of streams beside each other none is privileged: such schemes do not work there (RFC 4559, RFC 9113). */
static bool is_bound_by(const struct fetch *fetch, const struct http_head *head)
{
    return !fetch->pooled->conn->multiplexed && private_is_bound_by(head);
}

/* RFC 8441 3: not before the host's SETTINGS have said that it takes extended CONNECT. They wake the stream, and so
 * does the connection's end. */
static bool awaits_settings(const struct fetch *fetch, const struct http_conn_facts *facts)
{
    struct h2_client_facts h2;

    if (LIKELY(fetch->options.head->protocol.len == 0) || !fetch->pooled->conn->multiplexed)
        return false;
    h2_client_facts(fetch->pooled->conn, &h2);
    return !h2.met && facts->unfit == HTTP_FIT;
}

static enum io send_request(struct fetch *fetch, struct error *err)
{
    const struct http_head *head = fetch->options.head;
    struct http_conn_facts facts;

    if (!fetch->stream && http_open(fetch->pooled->conn, &fetch->stream, err) != IO_OK)
        return IO_FAIL;
    fetch->stream->owner = fetch->waiter;
    http_facts(fetch->pooled->conn, &facts);
    if (awaits_settings(fetch, &facts))
        return IO_WAIT;
    fetch->heard = false;
    fetch->in_before = facts.bytes_in;
    fetch->out_before = facts.bytes_out;
    fetch->pooled->bound |= is_bound_by(fetch, head);
    fetch->pooled->conn->ask_keep_alive = asks_for_hint(fetch);
    fetch->pooled->conn->lazy = true;
    fetch->pooled->conn->modest = fetch->options.reader;
    fetch->stream->reader = fetch->options.reader;
    if (http_send_head(fetch->stream, head, head->body_bytes == 0, err) != IO_OK)
        return IO_FAIL;
    pool_sent(fetch->pooled);
    fetch->state = FETCH_SENT;
    fetch->sent_at_ns = loop_now_ns(fetch_loop(fetch));
    fetch_start_awaiting(fetch);
    count_request(fetch);
    flight_begin(pool_flights(fetch->options.pool), &fetch->flight, fetch->pooled, fetch->waiter);
    if (!fetch->may_send)
        fetch_set_clock(fetch, FETCH_CLOCK_CONTINUE, (uint64_t)fetch->options.transport->expect_continue_timeout_ns);
    if (fetch->request_ended)
        start_head_clock(fetch);
    return IO_OK;
}

/* A kept connection that will not even take the head was dead before anything left (E0): a fresh one is made. A host
 * that switches no protocols will not do so on another. */
static enum io give_request(struct fetch *fetch, struct error *err)
{
    bool kept = pooled_was_idle(fetch->pooled);
    struct error failure;
    enum io io = send_request(fetch, &failure);

    if (io != IO_FAIL)
        return io;
    fetch_look_back(fetch);
    fetch_drop(fetch, kept ? REASON_STALE_AT_CHECK : REASON_ANSWER_FAILED, SIDE_PEER);
    if (!kept || fetch->fresh_only || failure.code == ERROR_BAD_UPGRADE)
        return fetch_fail(fetch, &failure, err);
    fetch->fresh_only = true;
    fetch->fresh_since_ns = loop_now_ns(fetch_loop(fetch));
    fetch->state = FETCH_PICK;
    return IO_OK;
}

static enum io advance(struct fetch *fetch, struct error *err)
{
    switch (fetch->state) {
    case FETCH_PICK:
    case FETCH_ASK:
    case FETCH_QUEUE:
    case FETCH_LOOKUP:
    case FETCH_JOIN:
    case FETCH_DIAL:
        return fetch_connect(fetch, err);
    case FETCH_GIVE:
        return give_request(fetch, err);
    case FETCH_PROOF:
        return fetch_prove(fetch, err);
    case FETCH_PAUSE:
        return fetch_pause(fetch);
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

/* The end of a body with trailers is their end. */
static enum io send_body(struct fetch *fetch, struct chain *from, bool end, struct error *err)
{
    bool trailers = end && fetch->trailers_out;
    enum io io = http_send_body(fetch->stream, from, end && !trailers, err);

    return io == IO_OK && trailers ? http_send_head(fetch->stream, fetch->trailers_out, true, err) : io;
}

/* Gives a fresh connection the body bytes that the dead one had got. A failure shows when the answer is read. */
static void send_pending(struct fetch *fetch)
{
    struct error err;
    enum io io;

    if (fetch->request_ended || fetch->send_broken || (fetch->pending.size == 0 && !fetch->body_given))
        return;
    fetch->pending_whole = false;
    io = send_body(fetch, &fetch->pending, fetch->body_given, &err);
    fetch->send_broken = io == IO_FAIL;
    fetch->request_ended = io == IO_OK && fetch->body_given;
    if (fetch->send_broken || fetch->request_ended)
        start_head_clock(fetch);
}

/* Moves on until the head has been given to a connection. An answer may have begun before the body is whole. */
static enum io connect_step(struct fetch *fetch, struct error *err)
{
    enum io io = IO_OK;

    while (io == IO_OK && (fetch->state < FETCH_SENT || fetch->state == FETCH_FAILED))
        io = advance(fetch, err);
    if (io == IO_OK && (fetch->state == FETCH_SENT || fetch->state == FETCH_ANSWER))
        send_pending(fetch);
    if (UNLIKELY(fetch->hurries) && fetch->request_ended)
        hurry(fetch);
    return io;
}

bool fetch_may_send(struct fetch *fetch)
{
    if (fetch_clock_is_up(fetch, FETCH_CLOCK_CONTINUE))
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
    size_t kept = fetch->replay.size + from->size - fetch->kept_ahead;

    if (fetch->replay_lost || kept > (size_t)transport_replay_bytes(fetch->options.transport) ||
        !chain_append_copy(&fetch->replay, blocks, from, fetch->kept_ahead))
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
    io = send_body(fetch, from, end, &err);
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
    bool had_none = fetch->state < FETCH_SENT;
    enum io io = connect_step(fetch, err);

    /* Whoever asked for the head a moment ago had to wait for a connection, and nobody waits for what comes on this one
     * yet: the answer would be here without a word. Another worker may free a place at the cap at any moment. */
    if (had_none && fetch->state == FETCH_SENT)
        task_wake(fetch_loop(fetch), fetch->waiter);
    if (io == IO_WAIT || io == IO_FAIL)
        return io;
    if (fetch->request_ended || fetch->state == FETCH_OVER)
        return swallow(fetch, from, end);
    io = fetch->pending.size > 0 ? IO_WAIT : give_body(fetch, from, end);
    if (UNLIKELY(fetch->hurries))
        hurry(fetch);
    return io;
}

/* One head from the connection. IO_OK: *head is the final one, or NULL when there is more to come. */
static enum io receive_head(struct fetch *fetch, struct arena *arena, struct http_head **head, struct error *err)
{
    struct error failure;
    enum io io = http_recv_head(fetch->stream, arena, head, &failure);

    if (io == IO_FAIL)
        return fetch_recover(fetch, &failure, err);
    if (io != IO_OK)
        return io;
    fetch->heard = true;
    if (UNLIKELY(fetch_answer_is_stray(fetch))) {
        fetch_note_said(fetch, *head);
        *head = NULL;
        return fetch_refuse_answer(fetch, err);
    }
    if (UNLIKELY((*head)->status == 421) && fetch_try_elsewhere(fetch, *head)) {
        *head = NULL;
        return IO_OK;
    }
    if ((*head)->status >= 200 || (*head)->status == 101)
        return IO_OK;
    fetch->may_send |= (*head)->status == 100;
    *head = NULL;
    return IO_OK;
}

/* Nothing at all came since the request went: others should not be given to a connection that carries many. */
static void doubt_connection(struct fetch *fetch)
{
    struct http_conn_facts facts;

    if (!fetch->pooled->conn->multiplexed)
        return;
    http_facts(fetch->pooled->conn, &facts);
    if (facts.bytes_in == fetch->in_before)
        pool_withdraw(fetch->pooled, REASON_ANSWER_FAILED, SIDE_OURS);
}

static enum io head_timed_out(struct fetch *fetch, struct error *err)
{
    struct error failure;

    http_cancel(fetch->stream, HTTP_CANCEL_DEADLINE);
    doubt_connection(fetch);
    fetch_look_back(fetch);
    if (fetch->path_dead && fetch->path_lost)
        error_set(&failure, FAULT_UPSTREAM, ERROR_DEAD_PATH, "%.*s: what was sent is not acknowledged",
                  STR_ARG(fetch->options.host->url));
    else
        error_set(&failure, FAULT_UPSTREAM, ERROR_RESPONSE_HEADER_TIMEOUT,
                  "%.*s: no answer within response_header_timeout", STR_ARG(fetch->options.host->url));
    fetch_drop(fetch, REASON_ANSWER_FAILED, SIDE_OURS);
    return fetch_fail(fetch, &failure, err);
}

/* Over HTTP/2 there is an end of its own, with trailers maybe. */
static uint64_t length_of(const struct fetch *fetch, const struct http_head *head)
{
    return head->body_bytes > 0 && !fetch->pooled->conn->multiplexed ? (uint64_t)head->body_bytes : 0;
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
        if (io == IO_WAIT && fetch_clock_is_up(fetch, FETCH_CLOCK_HEAD))
            return head_timed_out(fetch, err);
        if (io == IO_WAIT && UNLIKELY(fetch->flight.dead))
            io = fetch_lost_path(fetch, err);
        if (io != IO_OK)
            return io;
    }
    pool_heard(fetch->pooled);
    if (fetch->stats.reused && !fetch->stats.shared)
        pool_survived(fetch->pooled);
    fetch->pooled->bound |= is_bound_by(fetch, *head);
    flight_over(pool_flights(fetch->options.pool), &fetch->flight, true);
    watch_time(fetch->options.pool, fetch->options.host, DWELL_FIRST_BYTE,
               loop_now_ns(fetch_loop(fetch)) - fetch->sent_at_ns);
    fetch_answered(fetch);
    if (UNLIKELY(fetch->resends > 0))
        fetch_end_resend(fetch, RESEND_ANSWERED);
    fetch->state = FETCH_ANSWER;
    fetch->body_left = length_of(fetch, *head);
    fetch_clear_clocks(fetch);
    fetch_forget_replay(fetch);
    return IO_OK;
}

void fetch_set_trailers(struct fetch *fetch, const struct http_head *trailers)
{
    fetch->trailers_out = trailers;
}

const struct http_head *fetch_trailers(const struct fetch *fetch)
{
    return fetch->trailers;
}

/* Was this the last byte? Then nobody has to ask for the end. */
static bool is_whole(struct fetch *fetch, size_t bytes)
{
    if (fetch->body_left == 0)
        return false;
    fetch->body_left -= bytes;
    return fetch->body_left == 0;
}

/* The connection is free from here, long before the client has read its answer. */
static enum io complete(struct fetch *fetch)
{
    release(fetch);
    fetch->state = FETCH_OVER;
    return IO_END;
}

enum io fetch_body(struct fetch *fetch, struct chain *into, size_t size_max, struct error *err)
{
    size_t before = into->size;
    struct error failure;
    enum io io;

    if (fetch->state == FETCH_OVER)
        return IO_END;
    ASSERT(fetch->state == FETCH_ANSWER);
    send_pending(fetch);
    io = http_recv_body(fetch->stream, into, size_max, &failure);
    if (io == IO_OK)
        return is_whole(fetch, into->size - before) ? complete(fetch) : IO_OK;
    if (io == IO_END && http_recv_head(fetch->stream, fetch->arena, &fetch->trailers, &failure) == IO_FAIL)
        io = IO_FAIL;
    if (io == IO_END)
        return complete(fetch);
    if (io == IO_FAIL) {
        fetch_drop(fetch, fetch_reason_of_death(fetch), SIDE_PEER);
        return fetch_fail(fetch, &failure, err);
    }
    return io;
}

/* A pipe takes two descriptors, which nobody is to miss. */
bool fetch_can_pipe(const struct fetch *fetch, const struct http_stream *to)
{
    const struct budget *budget = hosts_budget(pool_hosts(fetch->options.pool));

    return fetch->state == FETCH_ANSWER && http_can_pipe(fetch->stream, to) &&
           budget_files(budget, loop_now_ns(fetch_loop(fetch))) == PRESSURE_NONE;
}

enum io fetch_pipe(struct fetch *fetch, struct pipe *pipe)
{
    return fetch->state == FETCH_ANSWER ? http_recv_pipe(fetch->stream, pipe) : IO_END;
}

const struct fetch_stats *fetch_stats(const struct fetch *fetch)
{
    return &fetch->stats;
}

/* Its answer was taken to the end, and nothing else is left of it: so most of them go. */
static bool is_done_with(const struct fetch *fetch)
{
    return fetch->state == FETCH_OVER && !fetch->search && fetch->rung == RESEND_NO && fetch->pending.size == 0 &&
           fetch->replay.size == 0;
}

void fetch_end(struct fetch *fetch, enum http_cancel why)
{
    bool late = why == HTTP_CANCEL_DEADLINE && fetch && fetch->state < FETCH_OVER;

    if (!fetch || is_done_with(fetch))
        return;
    if (late) {
        host_count_add(&fetch_counts(fetch)->failures, 1);
        fetch_blame_deadline(fetch);
        fetch_spend_resend(fetch);
    }
    fetch_end_resend(fetch, RESEND_GONE);
    fetch_stop_connecting(fetch, late ? DIAL_FAILED : DIAL_GIVEN_UP);
    if (fetch->stream)
        http_cancel(fetch->stream, why);
    if (late && fetch->state == FETCH_SENT)
        doubt_connection(fetch);
    fetch_drop(fetch, late ? REASON_ANSWER_FAILED : REASON_CLIENT_ABORT, SIDE_OURS);
    chain_clear(&fetch->pending);
    fetch_forget_replay(fetch);
    fetch->state = FETCH_OVER;
}
