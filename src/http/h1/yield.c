/* yield.c: a client that speaks HTTP/2 from its first byte (RFC 9113 3.3) says so in what looks like the head of a
 * request; then the connection goes to who understands it. What is neither version goes there too: it is an invalid
 * preface, which GOAWAY answers (3.4). SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

#include <stdlib.h>

enum {
    LINE_BYTES = 256, /* a longer first line is HTTP/1's to judge */
};

/* Three words, as a request line has them, and the last is no version of HTTP. Two ("GET /") are an old client's. */
static bool is_of_no_version(struct str line)
{
    size_t first = str_find_char(line, ' '), last = str_find_last_char(line, ' ');

    return first != last && !str_starts(str_from_offset(line, last + 1), STR("HTTP/"));
}

static bool is_preface(struct str start)
{
    const struct str preface = STR("PRI * HTTP/2.0\r\n\r\n");
    size_t line = str_find_char(start, '\r');

    return str_starts(start, preface) || (line < start.len && is_of_no_version(str_first(start, line)));
}

static bool has_preface(struct h1_conn *conn)
{
    struct chain *in = &conn->message->in;

    return conn->stream_waits && conn->messages == 0 && conn->head_fault == ERROR_NONE &&
           is_preface(chain_pull(in, h1_blocks(conn), size_min(in->size, LINE_BYTES)));
}

bool h1_yield(struct http_conn *base, struct stream **stream, struct chain *bytes)
{
    struct h1_conn *conn = h1_of_conn(base);

    ASSERT(base->ops == &h1_server_ops);
    if (conn->phase != H1_LIVE || conn->broken || !has_preface(conn))
        return false;
    chain_move(bytes, &conn->message->in, SIZE_MAX);
    *stream = base->stream;
    stream_set_owner(base->stream, NULL, false);
    h1_give_message(conn);
    timer_clear(base->loop, &h1_server_of(conn)->timer);
    task_forget(base->loop, &base->task);
    free(h1_server_of(conn));
    return true;
}
