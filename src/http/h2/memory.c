/* memory.c: the memory of one nghttp2 session, counted: its queues grow with what a peer sends, and nothing else here
 * would tell. Each piece has its size in front. A session that has too much ends between two frames (drive.c); it is
 * not refused memory, as nghttp2 does not bear that everywhere. SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

#include <stdlib.h>

struct piece {
    _Alignas(max_align_t) size_t size;
};

static size_t session_bytes_max(const struct h2_conn *conn)
{
    return h2_is_client(conn) ? (size_t)H2_SESSION_BYTES_MAX * H2_CLIENT_TIMES : H2_SESSION_BYTES_MAX;
}

static void *give(struct h2_conn *conn, struct piece *piece, size_t size)
{
    if (!piece)
        return NULL;
    piece->size = size;
    conn->session_bytes += size;
    conn->fat |= conn->session_bytes > session_bytes_max(conn);
    return piece + 1;
}

static void *take(size_t size, void *user)
{
    return give(user, malloc(sizeof(struct piece) + size), size);
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return give(user, calloc(1, sizeof(struct piece) + total), total);
}

static void put(void *memory, void *user)
{
    struct h2_conn *conn = user;
    struct piece *piece = memory;

    if (!piece)
        return;
    piece--;
    conn->session_bytes -= piece->size;
    free(piece);
}

static void *change(void *memory, size_t size, void *user)
{
    struct h2_conn *conn = user;
    struct piece *piece = memory, *grown;
    size_t before;

    if (!piece)
        return take(size, user);
    piece--;
    before = piece->size;
    grown = realloc(piece, sizeof(*piece) + size);
    if (!grown)
        return NULL;
    conn->session_bytes -= before;
    return give(conn, grown, size);
}

nghttp2_mem h2_memory(struct h2_conn *conn)
{
    return (nghttp2_mem){.mem_user_data = conn, .malloc = take, .free = put, .calloc = take_zeroed, .realloc = change};
}
