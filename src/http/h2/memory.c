/* memory.c: the memory of one nghttp2 session, counted: its queues grow with what a peer sends, and nothing else here
 * would tell. What a piece takes the heap knows. A session that has too much ends between two frames (drive.c); it is
 * not refused memory, as nghttp2 does not bear that everywhere. SPDX-License-Identifier: Apache-2.0 */
#include "os/memory.h"

#include "http/h2/h2_internal.h"

#include <stdlib.h>

static size_t session_bytes_max(const struct h2_conn *conn)
{
    return h2_is_client(conn) ? (size_t)H2_SESSION_BYTES_MAX * H2_CLIENT_TIMES : H2_SESSION_BYTES_MAX;
}

static void *give(struct h2_conn *conn, void *piece)
{
    conn->session_bytes += memory_piece_bytes(piece);
    conn->fat |= conn->session_bytes > session_bytes_max(conn);
    return piece;
}

static void *take(size_t size, void *user)
{
    return give(user, malloc(size));
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    return give(user, calloc(count, size));
}

static void put(void *piece, void *user)
{
    struct h2_conn *conn = user;

    conn->session_bytes -= memory_piece_bytes(piece);
    free(piece);
}

static void *change(void *piece, size_t size, void *user)
{
    struct h2_conn *conn = user;
    size_t before = memory_piece_bytes(piece);
    void *grown = realloc(piece, size > 0 ? size : 1);

    if (!grown)
        return NULL;
    conn->session_bytes -= before;
    return give(conn, grown);
}

nghttp2_mem h2_memory(struct h2_conn *conn)
{
    return (nghttp2_mem){.mem_user_data = conn, .malloc = take, .free = put, .calloc = take_zeroed, .realloc = change};
}
