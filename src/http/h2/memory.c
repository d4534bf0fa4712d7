/* memory.c: the memory of one nghttp2 session, counted: its queues grow with what a peer sends, and nothing else here
 * would tell. Its pieces are the worker's. A session that has too much ends between two frames (drive.c); it is not
 * refused memory, as nghttp2 does not bear that everywhere. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

static size_t session_bytes_max(const struct h2_conn *conn)
{
    return h2_is_client(conn) ? (size_t)H2_SESSION_BYTES_MAX * H2_CLIENT_TIMES : H2_SESSION_BYTES_MAX;
}

static void *take(size_t size, void *user)
{
    struct h2_conn *conn = user;
    void *piece = pieces_take(loop_pieces(conn->base.loop), size);

    conn->session_bytes += pieces_bytes(piece);
    conn->fat |= conn->session_bytes > session_bytes_max(conn);
    return piece;
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    size_t bytes;
    void *piece = mul_ok(&bytes, count, size) ? take(bytes, user) : NULL;

    if (piece)
        memset(piece, 0, bytes);
    return piece;
}

static void put(void *piece, void *user)
{
    struct h2_conn *conn = user;

    conn->session_bytes -= pieces_bytes(piece);
    pieces_give(loop_pieces(conn->base.loop), piece);
}

static void *change(void *piece, size_t size, void *user)
{
    size_t room = pieces_room(piece);
    void *larger;

    if (piece && size <= room)
        return piece;
    larger = take(size, user);
    if (!larger)
        return NULL;
    if (piece)
        memcpy(larger, piece, room);
    put(piece, user);
    return larger;
}

nghttp2_mem h2_memory(struct h2_conn *conn)
{
    return (nghttp2_mem){.mem_user_data = conn, .malloc = take, .free = put, .calloc = take_zeroed, .realloc = change};
}
