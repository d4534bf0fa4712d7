/* relay.c: no-op endpoints: both bodies stream, each at the pace of its slower side; nothing is pulled that cannot be
 * pushed. Blocks change owner, bytes are not copied; large bodies go by a pipe, where the kernel does not copy either.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lasting.h"
#include "os/pipe.h"

enum {
    SNIFFED_BYTES = 512,
    PIPE_BYTES_MIN = 65536, /* bodies that are shorter are copied: a pipe would not pay */
};

/* Go's server names the type of a body when nobody did, so clients of KrakenD have always seen one. A proxy of a whole
 * subtree, which KrakenD does not have, passes answers as they are. */
static bool wants_type(const struct exchange *x)
{
    const struct http_head *answer = x->call.answer;

    return !x->call.backend->subtree && !x->lasting && answer->body_bytes != 0 &&
           !headers_get_id(&answer->headers, HEADER_CONTENT_TYPE).data &&
           !headers_get_id(&answer->headers, HEADER_CONTENT_ENCODING).data;
}

/* IO_OK: as much of the body is here as the head needs to know. */
static enum io await_first_piece(struct exchange *x)
{
    enum io io;

    if (!wants_type(x) || x->response_body.size > 0)
        return IO_OK;
    io = call_body(x);
    x->answer_ended = io == IO_END;
    return io == IO_END ? IO_OK : io;
}

/* RFC 9110 6.5.1: trailers go to clients that keep them: all of HTTP/2, and those of HTTP/1.1 that say so, in chunks.
 */
static bool client_keeps_trailers(const struct exchange *x)
{
    return x->client->conn->multiplexed || (x->request->trailers && x->call.answer->body_bytes < 0);
}

/* NULL: none come, or nobody wants them. */
static const struct http_head *trailers_of(const struct exchange *x)
{
    return x->answer_ended && x->call.fetch && client_keeps_trailers(x) ? fetch_trailers(x->call.fetch) : NULL;
}

static enum io send_head(struct exchange *x)
{
    struct http_head head = {0};
    struct str first = str_first(chain_front(&x->response_body), SNIFFED_BYTES);

    if (!forward_response(x->arena, exchange_service(x), x->call.answer, &head, &x->error))
        return IO_FAIL;
    if (!client_keeps_trailers(x))
        headers_remove_id(&head.headers, HEADER_TRAILER);
    if (first.len > 0 && !headers_add_id(&head.headers, x->arena, HEADER_CONTENT_TYPE, answer_sniff(first))) {
        error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for an answer's head");
        return IO_FAIL;
    }
    if (http_send_head(x->stream, &head, head.body_bytes == 0, &x->error) != IO_OK)
        return IO_FAIL;
    x->head_sent = true;
    x->status = head.status;
    stream_begin(x);
    return IO_OK;
}

/* May the rest of the body go by without being looked at? */
static bool may_pipe(const struct exchange *x)
{
    return x->call.answer->body_bytes > PIPE_BYTES_MIN && !x->call.unpacking && !x->watch &&
           fetch_can_pipe(x->call.fetch, x->stream);
}

static enum io fill_pipe(struct exchange *x)
{
    struct loop *loop = exchange_loop(x);
    bool may = may_pipe(x);
    enum io io;

    if (may && !x->pipe && (x->pipe = pipe_lend(loop)))
        http_pace_pipe(x->stream, x->pipe);
    io = may && x->pipe ? fetch_pipe(x->call.fetch, x->pipe) : IO_END;
    if (io == IO_OK)
        return IO_OK;
    /* Between two pieces others may have it. */
    pipe_return(loop, x->pipe);
    x->pipe = NULL;
    return io;
}

/* One piece, and then others have their turn: by the next one its time has come. */
static enum io take_turns(struct exchange *x)
{
    task_wake(exchange_loop(x), &x->task);
    return IO_WAIT;
}

/* As pump_answer, as long as the kernel can do it alone. IO_END: what there is now goes by way of response_body. */
static enum io pump_pipe(struct exchange *x)
{
    bool holds = x->pipe && x->pipe->held > 0;
    enum io io = holds ? http_send_pipe(x->stream, x->pipe, &x->error) : IO_OK;

    while (io == IO_OK) {
        io = fill_pipe(x);
        if (io == IO_OK)
            io = http_send_pipe(x->stream, x->pipe, &x->error);
        if (io == IO_OK && pipe_is_paced(x->pipe))
            return take_turns(x);
    }
    return io;
}

/* From the backend to the client. IO_END: the answer is complete on both sides. */
static enum io pump_answer(struct exchange *x)
{
    const struct http_head *trailers;

    for (;;) {
        bool fresh = x->response_body.size == 0 && !x->answer_ended;
        enum io io = fresh ? pump_pipe(x) : IO_OK;

        if (io == IO_END)
            io = call_body(x);
        if (io == IO_WAIT || io == IO_FAIL)
            return io;
        x->answer_ended |= io == IO_END;
        if (fresh)
            stream_heard(x);
        if (x->answer_ended && x->call.answer->body_bytes == 0)
            return IO_END; /* the head said so already */
        trailers = trailers_of(x);
        io = http_send_body(x->stream, &x->response_body, x->answer_ended && !trailers, &x->error);
        if (io == IO_OK && trailers)
            io = http_send_head(x->stream, trailers, true, &x->error);
        if (io != IO_OK)
            return io;
        if (x->answer_ended)
            return IO_END;
    }
}

enum progress relay_run(struct exchange *x)
{
    enum io io = x->head_sent ? IO_OK : await_first_piece(x);

    if (io == IO_OK && !x->head_sent)
        io = send_head(x);
    if (io == IO_OK)
        io = pump_answer(x);
    if (io == IO_WAIT && UNLIKELY(x->leaving) && stream_leave(x))
        io = pump_answer(x);
    if (io == IO_END)
        return go_to(x, EXCHANGE_FINISH);
    if (io == IO_FAIL || call_pump_request(x) == IO_FAIL)
        return exchange_fail(x);
    return PAUSE;
}
