/* yield.c: a client that speaks HTTP/2 from its first byte (RFC 9113 3.3) says so in what looks like the head of a
 * request; then the connection goes to who understands it. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

#include <stdlib.h>

static bool is_preface(struct h1_conn *conn)
{
    const struct str preface = STR("PRI * HTTP/2.0\r\n\r\n");

    return conn->stream_waits && conn->messages == 0 && conn->head_fault == ERROR_NONE &&
           conn->message->in.size >= preface.len &&
           str_eq(chain_pull(&conn->message->in, h1_blocks(conn), preface.len), preface);
}

bool h1_yield(struct http_conn *base, struct stream **stream, struct chain *bytes)
{
    struct h1_conn *conn = h1_of_conn(base);

    ASSERT(base->ops == &h1_server_ops);
    if (conn->phase != H1_LIVE || conn->broken || !is_preface(conn))
        return false;
    chain_move(bytes, &conn->message->in, SIZE_MAX);
    *stream = base->stream;
    stream_set_owner(base->stream, NULL, false);
    h1_give_message(conn);
    timer_clear(base->loop, &conn->timer);
    task_forget(base->loop, &base->task);
    free(conn);
    return true;
}
