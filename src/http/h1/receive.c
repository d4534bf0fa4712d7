/* receive.c: heads in. While bytes come only the end of the head is searched, and what is wrong beyond repair is told
 * early; recv_head copies the whole head into the user's arena, once, and parses it there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

enum {
    PARTS_SEARCHED = 64, /* more blocks than the largest head can lie in */
};

void h1_begin_head(struct h1_conn *conn)
{
    conn->receive = H1_RECEIVE_HEAD;
    conn->head_fault = ERROR_NONE;
    conn->tail = H1_TAIL_TEXT;
    if (h1_has_message(conn))
        conn->message->seen = 0;
}

void h1_take_in(struct h1_conn *conn, size_t size)
{
    chain_drop(&conn->message->in, size);
    conn->message->stream.bytes_in += size;
}

enum h1_found h1_search(struct h1_conn *conn, size_t *end)
{
    struct iovec parts[PARTS_SEARCHED];
    int count = chain_parts(&conn->message->in, parts, PARTS_SEARCHED);
    enum h1_tail tail = (enum h1_tail)conn->tail;
    size_t from = 0, at;

    for (int i = 0; i < count; i++) {
        struct str part = str_of(parts[i].iov_base, parts[i].iov_len);
        size_t seen = conn->message->seen - from;
        enum h1_found found;

        from += part.len;
        if (from <= conn->message->seen)
            continue;
        found = conn->scanner->find_end(str_from_offset(part, seen), &tail, &at);
        if (found != H1_NOT_YET) {
            *end = conn->message->seen + at;
            return found;
        }
        conn->message->seen = (uint32_t)from;
    }
    conn->tail = (uint8_t)tail;
    return H1_NOT_YET;
}

static void head_is_wrong(struct h1_conn *conn, enum error_code code)
{
    conn->receive = H1_RECEIVE_HEAD_READY;
    conn->head_fault = (uint8_t)code;
}

/* The first bytes of `in`, at most 5, contiguous. */
static struct str first_bytes(struct h1_conn *conn, size_t size)
{
    struct str front = chain_front(&conn->message->in);

    if (LIKELY(front.len >= size))
        return str_first(front, size);
    return chain_pull(&conn->message->in, h1_blocks(conn), size_min(size, conn->message->in.size));
}

/* Passes over empty lines in front of a request (RFC 9112 2.2). False: wait, or the head is wrong. */
static bool skip_empty_lines(struct h1_conn *conn)
{
    for (;;) {
        struct str line = first_bytes(conn, 2);

        if (line.len == 0 && conn->message->in.size > 0)
            head_is_wrong(conn, ERROR_OUT_OF_MEMORY);
        if (line.len == 0 || line.data[0] != '\r')
            return line.len > 0;
        if (line.len < 2)
            return false;
        if (line.data[1] != '\n' || conn->empty_lines == H1_EMPTY_LINES_MAX) {
            head_is_wrong(conn, ERROR_BAD_REQUEST_LINE);
            return false;
        }
        conn->empty_lines++;
        h1_take_in(conn, 2);
    }
}

/* What cannot be the beginning of a message need not be waited for: a TLS handshake, a banner of another protocol. */
static bool begins_well(struct h1_conn *conn)
{
    struct str first;

    if (h1_is_server(conn)) {
        if (!skip_empty_lines(conn))
            return false;
        if (header_name_is_valid(first_bytes(conn, 1)))
            return true;
        head_is_wrong(conn, ERROR_BAD_REQUEST_LINE);
        return false;
    }
    first = first_bytes(conn, 5);
    if (str_starts(STR("HTTP/"), first))
        return true;
    head_is_wrong(conn, ERROR_BAD_STATUS_LINE);
    return false;
}

/* A line that is too long already, though its end is not here. */
static bool first_line_is_endless(struct h1_conn *conn)
{
    struct str line;

    if (conn->message->seen <= H1_LINE_BYTES_MAX + 1)
        return false;
    line = first_bytes(conn, H1_LINE_BYTES_MAX + 2);
    return line.len > 0 && str_find_char(line, '\n') == line.len;
}

static void check_size(struct h1_conn *conn, size_t size)
{
    if (size > conn->head_bytes_max)
        head_is_wrong(conn, ERROR_HEAD_TOO_LARGE);
    else if (conn->receive == H1_RECEIVE_HEAD && conn->message->seen < conn->message->in.size)
        head_is_wrong(conn, ERROR_HEAD_TOO_LARGE); /* in more pieces than are searched */
    else if (conn->receive == H1_RECEIVE_HEAD && first_line_is_endless(conn))
        head_is_wrong(conn, h1_is_server(conn) ? ERROR_TARGET_TOO_LONG : ERROR_HEAD_TOO_LARGE);
}

void h1_find_head(struct h1_conn *conn)
{
    size_t end = 0;

    if (conn->message->seen < 5 && !begins_well(conn))
        return;
    switch (h1_search(conn, &end)) {
    case H1_NOT_YET:
        check_size(conn, conn->message->seen);
        return;
    case H1_BARE_LF:
        head_is_wrong(conn, ERROR_BAD_FIELD);
        return;
    case H1_END:
        conn->message->head_bytes = (uint32_t)end;
        conn->receive = H1_RECEIVE_HEAD_READY;
        check_size(conn, end);
        return;
    }
}

void h1_fail_receive(struct h1_conn *conn, const struct error *err)
{
    h1_note_failure(conn, err);
    conn->receive = H1_RECEIVE_FAILED;
    conn->keep = false;
}

static const char *fault_text(enum error_code code)
{
    if (code == ERROR_HEAD_TOO_LARGE)
        return "the head is too large";
    if (code == ERROR_TARGET_TOO_LONG)
        return "the request line is too long";
    if (code == ERROR_HEAD_TIMEOUT)
        return "the head did not come in time";
    if (code == ERROR_OUT_OF_MEMORY)
        return "no memory for a head";
    if (code == ERROR_BAD_FIELD)
        return "a line of the head does not end in CR LF";
    return "this is not HTTP/1";
}

static enum io head_failed(struct h1_conn *conn, struct error *err)
{
    h1_set_unfit(conn, HTTP_UNFIT_FRAMING);
    h1_fail_receive(conn, err);
    return IO_FAIL;
}

/* Moves the first `size` bytes of `in` into the arena. */
static struct str copy_in(struct h1_conn *conn, struct arena *arena, size_t size)
{
    char *copy = arena_alloc(arena, size, 1);
    size_t at = 0;

    if (!copy)
        return STR_EMPTY;
    while (at < size) {
        struct str front = str_first(chain_front(&conn->message->in), size - at);

        memcpy(copy + at, front.data, front.len);
        at += front.len;
        h1_take_in(conn, front.len);
    }
    return str_of(copy, size);
}

static bool understand(struct h1_conn *conn, struct arena *arena, struct str text, struct http_head *head,
                       struct error *err)
{
    struct h1_parse parse = {.scanner = conn->scanner, .arena = arena, .fields_max = conn->fields_max};

    if (h1_is_server(conn))
        return h1_parse_request(&parse, text, head, err) && h1_server_takes(conn, head, err);
    return h1_parse_response(&parse, text, head, err) && h1_client_takes(conn, head, err);
}

static bool fail_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
}

static enum io take_head(struct h1_conn *conn, struct arena *arena, struct http_head **out, struct error *err)
{
    enum error_code code = (enum error_code)conn->head_fault;
    struct http_head *head = arena_alloc(arena, sizeof(*head), _Alignof(struct http_head)); /* the parser writes all */
    struct str text;

    if (code != ERROR_NONE) {
        error_set(err, code == ERROR_OUT_OF_MEMORY ? FAULT_SYSTEM : h1_peer_fault(conn), code, "%s", fault_text(code));
        return head_failed(conn, err);
    }
    text = head ? copy_in(conn, arena, conn->message->head_bytes) : STR_EMPTY;
    if (!text.data) {
        fail_memory(err);
        return head_failed(conn, err);
    }
    if (!understand(conn, arena, text, head, err))
        return head_failed(conn, err);
    if (conn->stalled)
        h1_wake_self(conn);
    *out = head;
    return IO_OK;
}

/* The trailers were checked when their end was found, but not kept. */
static enum io take_trailers(struct h1_conn *conn, struct arena *arena, struct http_head **out, struct error *err)
{
    struct h1_parse parse = {.scanner = conn->scanner, .arena = arena, .fields_max = H1_TRAILERS_MAX};
    struct http_head *head = arena_make(arena, struct http_head);
    struct str text = head ? copy_in(conn, arena, conn->message->head_bytes) : STR_EMPTY;

    if (!text.data) {
        fail_memory(err);
        h1_fail_receive(conn, err);
        return IO_FAIL;
    }
    conn->receive = H1_RECEIVE_END;
    if (conn->stalled)
        h1_wake_self(conn); /* what stands behind them may be here already */
    if (!h1_parse_trailers(&parse, text, h1_peer_fault(conn), head, err)) {
        h1_fail_receive(conn, err);
        return IO_FAIL;
    }
    semantics_trailers(head);
    *out = head;
    return IO_OK;
}

/* No whole head is here. A part of one that will never be whole counts as received: it was not silence. */
static enum io await_head(struct h1_conn *conn, struct error *err)
{
    bool silent = conn->message->in.size == 0 && conn->interims == 0;

    if (!conn->broken && !conn->ended) {
        conn->receive_waits = true;
        return IO_WAIT;
    }
    h1_take_in(conn, conn->message->in.size);
    if (conn->broken)
        return h1_fail(conn, err);
    h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
    if (silent)
        error_set(err, h1_peer_fault(conn), ERROR_NO_ANSWER, "closed before the first byte of an answer");
    else
        error_set(err, h1_peer_fault(conn), ERROR_CLOSED, "closed inside a head");
    h1_fail_receive(conn, err);
    return IO_FAIL;
}

enum io h1_recv_head(struct http_stream *stream, struct arena *arena, struct http_head **head, struct error *err)
{
    struct h1_conn *conn = h1_of_stream(stream);

    ASSERT(conn->stream_open);
    ASSERT(!h1_is_in_body(conn));
    if (conn->broken && h1_is_server(conn))
        return h1_fail(conn, err);
    if (conn->receive == H1_RECEIVE_HEAD)
        h1_look_for_head(conn);
    if (conn->receive == H1_RECEIVE_HEAD)
        return await_head(conn, err);
    if (conn->receive == H1_RECEIVE_HEAD_READY)
        return take_head(conn, arena, head, err);
    if (conn->receive == H1_RECEIVE_TRAILERS_READY)
        return take_trailers(conn, arena, head, err);
    return conn->receive == H1_RECEIVE_END ? IO_END : h1_fail(conn, err);
}
