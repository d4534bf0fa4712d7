/* response.c: the client role's heads in. Header blocks wait in a chain, each with its length in front, until the user
 * takes them: any number of interim ones, then the final one; what comes behind that are trailers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"
#include "http/semantics.h"

void h2_begin_response(struct h2_stream *stream)
{
    stream->answered = true;
    stream->status = 0;
    stream->fields = 0;
}

/* Nobody will take what comes of it. */
static void refuse(struct h2_stream *stream, enum error_code code)
{
    if (code != ERROR_NONE)
        stream->head_fault = (uint8_t)code;
    h2_head_clear(stream);
    h2_stream_reset(stream, NGHTTP2_CANCEL);
    h2_wake_user(stream);
}

/* From where fields gather to where heads wait. */
static bool queue_block(struct h2_stream *stream)
{
    struct h2_conn *conn = h2_conn_of(stream);
    uint32_t len = (uint32_t)stream->tail.size;

    if (!chain_append(&stream->head, h2_blocks(conn), str_of((const char *)&len, sizeof(len))))
        return false;
    conn->head_bytes += sizeof(len);
    return chain_move(&stream->head, &stream->tail, len) == len;
}

void h2_got_response(struct h2_stream *stream, bool end)
{
    if (stream->head_fault != ERROR_NONE) {
        refuse(stream, ERROR_NONE);
        return;
    }
    if (stream->offered) {
        stream->trailers = true;
    } else if (stream->status < 200 && ++stream->interims > H2_INTERIMS_MAX) {
        h2_glitch(h2_conn_of(stream), H2_GLITCH_HEAD_TOO_LARGE);
        refuse(stream, ERROR_INTERIM_FLOOD);
        return;
    } else if (!queue_block(stream)) {
        refuse(stream, ERROR_OUT_OF_MEMORY);
        return;
    } else if (stream->status >= 200) {
        stream->offered = true;
        stream->no_body = end;
    }
    if (stream->receive_waits)
        h2_wake_user(stream);
    if (end)
        h2_got_end(stream);
}

/* The first that waits, alone. False: no memory. */
static bool take_block(struct h2_stream *stream, struct chain *block)
{
    struct h2_conn *conn = h2_conn_of(stream);
    struct str front = chain_pull(&stream->head, h2_blocks(conn), sizeof(uint32_t));
    uint32_t len;

    if (!front.data)
        return false;
    memcpy(&len, front.data, sizeof(len));
    chain_drop(&stream->head, sizeof(len));
    conn->head_bytes -= sizeof(len);
    if (chain_move(block, &stream->head, len) == len)
        return true;
    conn->head_bytes -= block->size;
    chain_clear(block);
    return false;
}

/* RFC 8441 5: any 2xx grants, and users know it as 101. The field is what the host would have to answer in HTTP/1. */
static bool settle_switch(struct h2_stream *stream, const struct h2_reading *reading)
{
    struct http_head *head = reading->head;
    const struct h2_switch *switching = stream->switching;
    struct str accept;

    if (!switching || head->status < 200 || head->status > 299)
        return true;
    stream->switched = true;
    head->status = 101;
    head->body_bytes = 0;
    head->announced_bytes = -1;
    headers_remove(&head->headers, STR("Sec-WebSocket-Accept"));
    head->protocol = arena_copy(reading->arena, switching->protocol);
    if (!head->protocol.data)
        return h2_head_no_memory(reading);
    if (switching->accept_len == 0)
        return true;
    accept = arena_copy(reading->arena, str_of(switching->accept, switching->accept_len));
    return (accept.data && headers_add(&head->headers, reading->arena, STR("Sec-WebSocket-Accept"), accept)) ||
           h2_head_no_memory(reading);
}

/* RFC 9113 8.1.1; 101 is of HTTP/1 (8.6). */
static bool settle_body(const struct h2_stream *stream, const struct h2_reading *reading)
{
    struct http_head *head = reading->head;

    if (head->status < 100 || head->status == 101)
        return h2_head_refuse(reading, ERROR_BAD_STATUS_LINE, "a status that cannot be");
    if (head->status < 200)
        return true;
    if (!stream->no_body) {
        h2_head_expect_trailers(stream, head);
        return true;
    }
    if (head->body_bytes > 0 && !stream->switching)
        return h2_head_refuse(reading, ERROR_BAD_FRAMING, "the body that Content-Length announces is not there");
    head->body_bytes = 0;
    return true;
}

static bool read_response(struct h2_stream *stream, struct chain *block, struct h2_reading *reading)
{
    struct http_framing framing;

    return h2_head_read(stream, block, reading) &&
           semantics_response(reading->head, stream->head_only, &framing, reading->err) &&
           settle_body(stream, reading) && settle_switch(stream, reading);
}

static enum io take_response(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h2_reading reading = {.arena = arena, .err = err};
    struct chain block = {NULL, NULL, 0};

    if (!take_block(stream, &block)) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
    } else if (read_response(stream, &block, &reading)) {
        stream->head_taken = reading.head->status >= 200 || reading.head->status == 101;
        *head = reading.head;
        return IO_OK;
    }
    h2_conn_of(stream)->head_bytes -= block.size; /* nothing is left of it unless there was no memory */
    chain_clear(&block);
    h2_stream_reset(stream, NGHTTP2_PROTOCOL_ERROR);
    return h2_head_failed(stream, err);
}

static enum io take_trailers(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    if (!stream->trailers)
        return IO_END;
    stream->trailers = false;
    return h2_head_trailers(stream, arena, head, err) == IO_OK ? IO_OK : h2_head_failed(stream, err);
}

enum io h2_recv_response(struct http_stream *base, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h2_stream *stream = h2_of_stream(base);

    ASSERT(stream->open);
    if (stream->receive_failed)
        return h2_stream_fail(stream, err);
    if (stream->head_fault != ERROR_NONE)
        return h2_head_failed(stream, err);
    if (!stream->head_taken && stream->head.size > 0)
        return take_response(stream, arena, head, err);
    if (stream->head_taken && (stream->ended || stream->switched))
        return take_trailers(stream, arena, head, err);
    if (!stream->live || stream->reset_by_us || h2_conn_of(stream)->broken)
        return h2_stream_fail(stream, err);
    stream->receive_waits = true;
    return IO_WAIT;
}
