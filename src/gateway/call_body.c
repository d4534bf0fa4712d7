/* call_body.c: the body of a backend's answer, unpacked when we asked for it to be packed, or have to decode it:
 * whoever takes it (relay.c, collect.c) does not know. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange_internal.h"
#include "gateway/gunzip_stream.h"

/* A client's own Accept-Encoding does not change what is decoded. Errors keep their bodies as they came. */
static bool decodes(const struct exchange *x)
{
    uint16_t status = x->call.answer->status;

    return x->call.backend->decoded && (status == 200 || status == 201);
}

bool call_begin_body(struct exchange *x)
{
    struct unpacking *unpacking;

    if ((!x->call.asks_for_gzip && !decodes(x)) || !forward_unpack_head(x->call.answer))
        return true;
    unpacking = arena_make(x->arena, struct unpacking);
    if (!unpacking)
        return error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to unpack an answer");
    unpacking->gunzip = gunzip_stream_new(x->arena, &x->error);
    x->call.unpacking = unpacking;
    return unpacking->gunzip;
}

static enum io fetch_piece(struct exchange *x, struct chain *into)
{
    return fetch_body(x->call.fetch, into, PIECE_BYTES, &x->error);
}

/* Packed bytes that are wrong are the host's failure like a cut body, which the fetch cannot see. */
static enum io unpack(struct exchange *x, bool ended)
{
    enum io io = gunzip_stream_move(x->call.unpacking->gunzip, &x->call.unpacking->packed, ended, &x->response_body,
                                    loop_blocks(exchange_loop(x)), PIECE_BYTES, &x->error);

    if (io == IO_FAIL && x->error.fault == FAULT_UPSTREAM)
        host_count_add(&pool_counts(x->client->frontend->pool, x->call.host)->failures, 1);
    return io;
}

void call_end_body(struct exchange *x)
{
    if (x->call.unpacking)
        chain_clear(&x->call.unpacking->packed);
}

enum io call_body(struct exchange *x)
{
    enum io fetched = IO_OK, io = IO_WAIT;

    if (!x->call.unpacking)
        return fetch_piece(x, &x->response_body);
    /* More is fetched only when all that is here has been unpacked, so that little waits on either side. */
    while (io == IO_WAIT && fetched == IO_OK) {
        io = unpack(x, false);
        if (io == IO_WAIT)
            fetched = fetch_piece(x, &x->call.unpacking->packed);
    }
    if (io != IO_WAIT || fetched != IO_END)
        return io == IO_WAIT ? fetched : io;
    return unpack(x, true);
}
