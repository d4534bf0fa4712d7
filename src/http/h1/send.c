/* send.c: bodies and trailers out, and what both roles write of a head. Bytes are queued here and leave when the conn's
 * task runs. A message that comes to less or more than its head promised is cut, never padded.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

static enum io no_memory(struct h1_conn *conn, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to send");
    h1_break(conn, &failure);
    return h1_fail(conn, err);
}

/* Behind a body that ends by closing, only a reset tells. */
enum io h1_cut(struct h1_conn *conn, const char *text, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_BUG, ERROR_BUG, "%s", text);
    h1_note_failure(conn, &failure);
    http_cancel(&conn->message->stream, HTTP_CANCEL_ERROR);
    return h1_fail(conn, err);
}

/* Names whose fields the conn writes itself, or that end at each hop. */
static bool is_ours(enum header_id id)
{
    return id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || header_is_hop_by_hop(id);
}

void h1_write_fields(struct h1_writer *writer, const struct http_headers *headers)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        ASSERT_SLOW(headers->fields[i].id == header_id_of(headers->fields[i].name));
        if (!is_ours((enum header_id)headers->fields[i].id))
            h1_write_field(writer, &headers->fields[i]);
    }
}

void h1_write_body_framing(struct h1_conn *conn, struct h1_writer *writer, int64_t body_bytes)
{
    if (body_bytes >= 0) {
        conn->send = body_bytes > 0 ? H1_SEND_LENGTH : H1_SEND_END;
        conn->message->send_left = (uint64_t)body_bytes;
        h1_write_number(writer, HEADER_CONTENT_LENGTH, (uint64_t)body_bytes);
    } else {
        conn->send = H1_SEND_CHUNKS;
        h1_write_known(writer, HEADER_TRANSFER_ENCODING, STR("chunked"));
    }
}

enum io h1_finish_head(struct h1_conn *conn, struct h1_writer *writer, struct error *err)
{
    if (!h1_write_end(writer))
        return no_memory(conn, err);
    conn->message->stream.bytes_out += writer->total;
    h1_wake_self(conn);
    return IO_OK;
}

void h1_write_upgrade(struct h1_writer *writer, struct str protocol)
{
    h1_write_known(writer, HEADER_CONNECTION, STR("Upgrade"));
    h1_write_known(writer, HEADER_UPGRADE, protocol);
}

void h1_begin_tunnel(struct h1_conn *conn)
{
    conn->tunnel = true;
    conn->keep = false;
    conn->receive = H1_RECEIVE_TUNNEL;
    conn->send = H1_SEND_TUNNEL;
    h1_set_unfit(conn, HTTP_UNFIT_TUNNEL);
    h1_wake_self(conn);
}

void h1_send_fin(struct h1_conn *conn)
{
    if (!conn->fin_sent)
        stream_shutdown_write(conn->base.stream);
    conn->fin_sent = true;
}

static bool append(struct h1_conn *conn, struct str bytes)
{
    conn->message->stream.bytes_out += bytes.len;
    return chain_append(&conn->message->out, h1_blocks(conn), bytes);
}

/* False: not all were moved, for lack of memory. */
static bool move(struct h1_conn *conn, struct chain *from, size_t size)
{
    conn->message->stream.bytes_out += size;
    return h1_move(conn, &conn->message->out, from, size) == size;
}

static bool move_chunk(struct h1_conn *conn, struct chain *from, size_t size)
{
    char head[H1_CHUNK_HEAD_BYTES];

    return append(conn, h1_chunk_head(size, head)) && move(conn, from, size) && append(conn, STR("\r\n"));
}

static enum io send_length(struct h1_conn *conn, struct chain *from, size_t size, bool end, struct error *err)
{
    if (from->size > conn->message->send_left)
        return h1_cut(conn, "more bytes of a body than its head promised", err);
    if (end && from->size < conn->message->send_left)
        return h1_cut(conn, "fewer bytes of a body than its head promised", err);
    if (!move(conn, from, size))
        return no_memory(conn, err);
    conn->message->send_left -= size;
    return IO_OK;
}

static enum io send_part(struct h1_conn *conn, struct chain *from, size_t size, bool end, struct error *err)
{
    switch ((enum h1_send)conn->send) {
    case H1_SEND_LENGTH:
        return send_length(conn, from, size, end, err);
    case H1_SEND_CHUNKS:
        return size == 0 || move_chunk(conn, from, size) ? IO_OK : no_memory(conn, err);
    case H1_SEND_UNTIL_CLOSE:
    case H1_SEND_TUNNEL:
        return move(conn, from, size) ? IO_OK : no_memory(conn, err);
    case H1_SEND_NO_BODY:
        chain_clear(from);
        return IO_OK;
    case H1_SEND_END:
        return from->size == 0 ? IO_OK : h1_cut(conn, "more bytes of a body than its head promised", err);
    case H1_SEND_FAILED:
    case H1_SEND_HEAD: /* not reached: send_body asserts that the head was sent */
        break;
    }
    return h1_fail(conn, err);
}

static enum io send_end(struct h1_conn *conn, struct error *err)
{
    if (conn->send == H1_SEND_CHUNKS && !append(conn, STR("0\r\n\r\n")))
        return no_memory(conn, err);
    conn->send = H1_SEND_END;
    return IO_OK;
}

enum io h1_send_body(struct http_stream *stream, struct chain *from, bool end, struct error *err)
{
    struct h1_conn *conn = h1_of_stream(stream);
    size_t room = conn->message->out.size < H1_OUT_MAX ? H1_OUT_MAX - conn->message->out.size : 0;
    enum io io;

    ASSERT(conn->stream_open);
    ASSERT(conn->send != H1_SEND_HEAD || conn->broken);
    if (conn->broken)
        return h1_fail(conn, err);
    io = send_part(conn, from, size_min(from->size, room), end, err);
    if (io != IO_OK)
        return io;
    if (from->size > 0) {
        conn->send_waits = true;
        io = IO_WAIT;
    } else if (end) {
        io = send_end(conn, err);
    }
    h1_wake_self(conn);
    return io;
}

enum io h1_send_trailers(struct h1_conn *conn, const struct http_head *head, struct error *err)
{
    struct h1_writer writer;

    if (conn->broken || conn->send == H1_SEND_FAILED)
        return h1_fail(conn, err);
    if (conn->send == H1_SEND_LENGTH && conn->message->send_left > 0)
        return h1_cut(conn, "fewer bytes of a body than its head promised", err);
    if (conn->send != H1_SEND_CHUNKS) {
        conn->send = H1_SEND_END;
        return IO_OK;
    }
    h1_write_start(&writer, &conn->message->out, h1_blocks(conn));
    h1_write_text(&writer, STR("0\r\n"));
    h1_write_fields(&writer, &head->headers);
    conn->send = H1_SEND_END;
    return h1_finish_head(conn, &writer, err);
}
