/* move.c: an idle connection of the client role changes loops. Buffers and queues belong to a loop, so it moves
 * only while it has none of them (timers it never has): the record, the stream and the descriptor are all that goes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

static bool is_movable(const struct h1_conn *conn)
{
    return http_room(&conn->base) > 0 && !h1_has_message(conn) && !conn->base.owner;
}

bool http_detach(struct http_conn *base)
{
    struct h1_conn *conn = h1_of_conn(base);

    if (base->multiplexed)
        return false;
    ASSERT(base->ops == &h1_client_ops);
    if (!is_movable(conn) || !stream_detach(base->stream))
        return false;
    task_forget(base->loop, &base->task);
    base->loop = NULL;
    return true;
}

bool http_attach(struct http_conn *base, struct loop *loop, struct error *err)
{
    ASSERT(!base->loop);
    if (!stream_attach(base->stream, loop, err))
        return false;
    base->loop = loop;
    return true;
}
