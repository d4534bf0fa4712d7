/* fetch.c: one upstream request as a state machine that its waiter pulls. Which connection: pool.c; may it be sent
 * again: resend.c. Start with connect_step. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/fetch.h"

#include "base/assert.h"
#include "upstream/resend.h"

enum fetch_state {
    FETCH_PICK,   /* needs a connection */
    FETCH_DIAL,   /* one is being made */
    FETCH_SENT,   /* the head was given to a connection; the answer's head is awaited */
    FETCH_ANSWER, /* the final head is here; its body comes */
    FETCH_OVER,   /* complete: the connection is back in the pool */
    FETCH_FAILED, /* failure tells why */
};

struct fetch {
    struct fetch_options options;
    struct task *waiter;
    enum fetch_state state;
    struct pooled *pooled; /* while SENT and ANSWER */
    struct http_stream *stream;
    struct dial *dial; /* while DIAL */
    struct timer head_timer;
    struct timer continue_timer;
    bool request_ended; /* the last body byte was given to the connection */
    bool send_broken;   /* the connection takes no more of the body; the answer, or its lack, tells the rest */
    bool may_send;      /* the body need not wait for 100 Continue; a final answer instead leaves it false */
    bool fresh_only;    /* a re-send: only a new connection will do */
    uint8_t resends;
    uint64_t started_ns;
    struct fetch_stats stats;
    struct error failure;
};

static struct loop *loop_of(const struct fetch *fetch)
{
    return pool_loop(fetch->options.pool);
}

static struct host_counts *counts_of(const struct fetch *fetch)
{
    return pool_counts(fetch->options.pool, fetch->options.host);
}

struct fetch *fetch_start(struct arena *arena, const struct fetch_options *options, struct task *waiter)
{
    struct fetch *fetch = arena_make(arena, struct fetch);

    if (!fetch)
        return NULL;
    fetch->options = *options;
    fetch->waiter = waiter;
    fetch->head_timer = (struct timer){.at_ns = TIMER_OFF, .task = waiter};
    fetch->continue_timer = (struct timer){.at_ns = TIMER_OFF, .task = waiter};
    fetch->may_send = !(options->head->expect_continue && options->transport->expect_continue_timeout_ns > 0);
    fetch->request_ended = options->head->body_bytes == 0;
    fetch->started_ns = loop_now_ns(pool_loop(options->pool));
    return fetch;
}

static enum io fail(struct fetch *fetch, const struct error *err)
{
    fetch->failure = *err;
    fetch->state = FETCH_FAILED;
    host_count_add(&counts_of(fetch)->failures, 1);
    return IO_FAIL;
}

/* Lets go of the connection; `keep`: it may go back to the pool if it is fit. */
static void release(struct fetch *fetch, bool keep)
{
    timer_clear(loop_of(fetch), &fetch->head_timer);
    timer_clear(loop_of(fetch), &fetch->continue_timer);
    if (fetch->stream)
        http_done(fetch->stream);
    fetch->stream = NULL;
    if (fetch->pooled && keep)
        pool_return(fetch->pooled, fetch->options.transport);
    else if (fetch->pooled)
        pool_discard(fetch->pooled);
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
        timer_set(loop_of(fetch), &fetch->head_timer, loop_now_ns(loop_of(fetch)) + (uint64_t)timeout_ns);
}

static enum io send_request(struct fetch *fetch, struct error *err)
{
    const struct http_head *head = fetch->options.head;

    if (http_open(fetch->pooled->conn, &fetch->stream, err) != IO_OK)
        return IO_FAIL;
    fetch->stream->owner = fetch->waiter;
    if (http_send_head(fetch->stream, head, fetch->request_ended, err) != IO_OK)
        return IO_FAIL;
    fetch->state = FETCH_SENT;
    fetch->stats.attempts++;
    fetch->stats.reused = fetch->pooled->uses > 1;
    host_count_add(fetch->stats.reused ? &counts_of(fetch)->requests_reused : &counts_of(fetch)->requests_new, 1);
    if (!fetch->may_send)
        timer_set(loop_of(fetch), &fetch->continue_timer,
                  loop_now_ns(loop_of(fetch)) + (uint64_t)fetch->options.transport->expect_continue_timeout_ns);
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
    fetch->stats.dial_ns = loop_now_ns(loop_of(fetch)) - fetch->started_ns;
    fetch->pooled = pool_adopt(fetch->options.pool, fetch->options.host, fetch->options.transport, stream, err);
    return fetch->pooled ? IO_OK : IO_FAIL;
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
    if (fetch->state == FETCH_PICK)
        io = pick(fetch, &local);
    if (io == IO_OK && fetch->state == FETCH_DIAL)
        io = finish_dial(fetch, &local);
    if (io == IO_OK && fetch->pooled && !fetch->stream)
        io = send_request(fetch, &local);
    if (io == IO_FAIL) {
        *err = local;
        return fail(fetch, &local);
    }
    return io;
}

bool fetch_may_send(struct fetch *fetch)
{
    if (fetch->continue_timer.fired)
        fetch->may_send = true;
    return fetch->may_send;
}

enum io fetch_send(struct fetch *fetch, struct chain *from, bool end, struct error *err)
{
    enum io io = connect_step(fetch, err);
    struct error ignored;

    if (io == IO_WAIT || io == IO_FAIL)
        return io;
    if (fetch->request_ended || fetch->send_broken || fetch->state == FETCH_OVER) {
        chain_clear(from);
        return IO_OK;
    }
    io = http_send_body(fetch->stream, from, end, &ignored);
    if (io == IO_WAIT)
        return IO_WAIT;
    /* A host may refuse a body by answering and closing: what it answered counts, not that it stopped reading. */
    if (io == IO_FAIL) {
        fetch->send_broken = true;
        chain_clear(from);
        return IO_OK;
    }
    if (end) {
        fetch->request_ended = true;
        start_head_clock(fetch);
    }
    return IO_OK;
}

/* The connection failed before the answer's head: the ladder decides. IO_OK: go on with a fresh connection. */
static enum io recover(struct fetch *fetch, const struct error *failure, struct error *err)
{
    struct resend_evidence evidence = {
        .reused = fetch->stats.reused,
        .answer_seen = fetch->stream->bytes_in > 0,
        .bytes_sent = fetch->stream->bytes_out,
        .resends = fetch->resends,
    };
    bool safe = resend_is_safe(fetch->options.head, &evidence, failure);

    release(fetch, false);
    if (!safe) {
        *err = *failure;
        return fail(fetch, err);
    }
    host_count_add(&counts_of(fetch)->resends, 1);
    fetch->resends++;
    fetch->fresh_only = true;
    fetch->state = FETCH_PICK;
    return IO_OK;
}

/* One head from the connection. IO_OK: *head is the final one, or NULL when there is more to come. */
static enum io receive_head(struct fetch *fetch, struct arena *arena, struct http_head **head, struct error *err)
{
    struct error failure;
    enum io io = http_recv_head(fetch->stream, arena, head, &failure);

    if (io == IO_FAIL)
        return recover(fetch, &failure, err);
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
    error_set(err, FAULT_UPSTREAM, ERROR_RESPONSE_HEADER_TIMEOUT, "%.*s: no answer within response_header_timeout",
              STR_ARG(fetch->options.host->url));
    http_cancel(fetch->stream, HTTP_CANCEL_DEADLINE);
    release(fetch, false);
    return fail(fetch, err);
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
    fetch->state = FETCH_ANSWER;
    fetch->stats.first_byte_ns = loop_now_ns(loop_of(fetch)) - fetch->started_ns;
    timer_clear(loop_of(fetch), &fetch->head_timer);
    timer_clear(loop_of(fetch), &fetch->continue_timer);
    return IO_OK;
}

enum io fetch_body(struct fetch *fetch, struct chain *into, size_t size_max, struct error *err)
{
    enum io io;

    if (fetch->state == FETCH_OVER)
        return IO_END;
    ASSERT(fetch->state == FETCH_ANSWER);
    io = http_recv_body(fetch->stream, into, size_max, err);
    if (io == IO_END) {
        /* The connection is free from here, long before the client has read its answer. */
        release(fetch, true);
        fetch->state = FETCH_OVER;
    } else if (io == IO_FAIL) {
        release(fetch, false);
        return fail(fetch, err);
    }
    return io;
}

const struct fetch_stats *fetch_stats(const struct fetch *fetch)
{
    return &fetch->stats;
}

void fetch_end(struct fetch *fetch)
{
    if (!fetch)
        return;
    if (fetch->dial)
        end_dial(fetch, false);
    if (fetch->stream && fetch->state < FETCH_OVER)
        http_cancel(fetch->stream, HTTP_CANCEL_GONE);
    release(fetch, false);
    fetch->state = FETCH_OVER;
}
