/* websocket_pump.c: frames from one side of a tunnel to the other. Payloads change chains without being copied; only a
 * control frame, or a header that was cut in two, is made contiguous. A side is read only when the other has taken all
 * that came before, so that little waits in between. Start with websocket_pump. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/websocket_internal.h"

static void count_passed(struct websocket *websocket, const struct websocket_side *from, size_t bytes)
{
    struct frontend_counts *counts = &websocket->client->frontend->counts;

    websocket->moved_ns = loop_now_ns(websocket_loop(websocket));
    host_count_add(&counts->tunnel_bytes[websocket_is_host(websocket, from)], (int64_t)bytes);
}

void websocket_break(struct websocket_side *side)
{
    side->broken = side->ended = true;
    chain_clear(&side->in);
    chain_clear(&side->out);
}

bool websocket_is_between(struct websocket *websocket, const struct websocket_side *side)
{
    return ws_is_between(&websocket_other(websocket, side)->reader);
}

void websocket_say(struct websocket *websocket, struct websocket_side *side, enum ws_opcode opcode, struct str payload)
{
    char frame[WS_CONTROL_FRAME_MAX], mask[4];
    uint64_t random = rng_next(loop_rng(websocket_loop(websocket)));
    size_t size;

    memcpy(mask, &random, sizeof(mask));
    size = ws_write_control(frame, opcode, payload, websocket_is_host(websocket, side) ? mask : NULL);
    if (!chain_append(&side->out, loop_blocks(websocket_loop(websocket)), str_of(frame, size)))
        websocket_break(side);
}

/* From the front of what came, to the other side, or away when that listens no more. */
static void pass(struct websocket *websocket, struct websocket_side *from, size_t size)
{
    struct websocket_side *to = websocket_other(websocket, from);

    if (to->told || to->finish || to->broken) {
        chain_drop(&from->in, size);
        return;
    }
    count_passed(websocket, from, size);
    if (chain_move(&to->out, &from->in, size) < size)
        websocket_break(to); /* no memory: bytes in the middle are missing */
}

static bool answers_our_ping(const struct websocket_side *from, const struct ws_piece *piece)
{
    char payload[4] = {'h', 'f', (char)(from->pings >> 8), (char)(from->pings & 0xff)};

    return piece->opcode == WS_PONG && from->pings > 0 &&
           str_eq(str_of(piece->payload, piece->len), str_of(payload, sizeof(payload)));
}

static void take_close(struct websocket *websocket, struct websocket_side *from, const struct ws_piece *piece)
{
    struct websocket_side *to = websocket_other(websocket, from);

    websocket_ends(websocket, websocket_is_host(websocket, from) ? TUNNEL_BY_HOST : TUNNEL_BY_CLIENT, piece->code);
    from->heard_out = true;
    if (websocket->owed > 0) { /* the client gets its own */
        chain_drop(&from->in, piece->size);
        return;
    }
    pass(websocket, from, piece->size);
    to->told = true;
}

static void take_control(struct websocket *websocket, struct websocket_side *from, const struct ws_piece *piece)
{
    if (piece->opcode == WS_CLOSE)
        take_close(websocket, from, piece);
    else if (answers_our_ping(from, piece))
        chain_drop(&from->in, piece->size);
    else
        pass(websocket, from, piece->size);
}

/* Makes the front longer. False: the rest is not here. */
static bool pull(struct websocket *websocket, struct websocket_side *from, size_t size)
{
    if (from->in.size < size)
        return false;
    if (!chain_pull(&from->in, loop_blocks(websocket_loop(websocket)), size).data)
        websocket_break(from);
    return !from->broken;
}

/* One look at what came. False: nothing more can be done with it now. */
static bool look(struct websocket *websocket, struct websocket_side *from)
{
    struct ws_piece piece;

    if (from->in.size == 0)
        return false;
    if (from->heard_out) {
        chain_clear(&from->in);
        return false;
    }
    switch (ws_read(&from->reader, chain_front(&from->in), &piece)) {
    case WS_DATA:
        pass(websocket, from, piece.size);
        return true;
    case WS_CONTROL:
        take_control(websocket, from, &piece);
        return true;
    case WS_MORE:
        return pull(websocket, from, piece.size);
    case WS_WRONG:
        websocket_violated(websocket, from, piece.code);
        return true;
    }
    return false;
}

static bool wants_bytes(struct websocket *websocket, const struct websocket_side *from)
{
    return !from->ended && websocket_other(websocket, from)->out.size == 0;
}

/* True: bytes came, or the end. */
static bool receive(struct websocket *websocket, struct websocket_side *from)
{
    struct error err;
    enum io io = IO_WAIT;

    if (wants_bytes(websocket, from))
        io = http_recv_body(from->stream, &from->in, WEBSOCKET_PIECE_BYTES, &err);
    if (io == IO_OK) {
        from->heard_ns = loop_now_ns(websocket_loop(websocket));
        from->asked_ns = 0;
    }
    if (io == IO_FAIL)
        websocket_break(from);
    from->ended |= io == IO_END;
    return io != IO_WAIT;
}

static void count_messages(struct websocket *websocket, struct websocket_side *from)
{
    struct frontend_counts *counts = &websocket->client->frontend->counts;

    host_count_add(&counts->tunnel_messages[websocket_is_host(websocket, from)], (int64_t)from->reader.messages);
    from->reader.messages = 0;
}

bool websocket_pump(struct websocket *websocket, struct websocket_side *from)
{
    bool moved = receive(websocket, from);

    while (look(websocket, from))
        moved = true;
    if (from->reader.messages > 0)
        count_messages(websocket, from);
    chain_compact(&from->in, loop_blocks(websocket_loop(websocket)));
    return websocket_flush(websocket, websocket_other(websocket, from)) || moved;
}

static void note_stuck(struct websocket *websocket, struct websocket_side *side, bool moved)
{
    if (side->out.size == 0)
        side->stuck_ns = 0;
    else if (side->stuck_ns == 0 || moved)
        side->stuck_ns = loop_now_ns(websocket_loop(websocket));
}

bool websocket_flush(struct websocket *websocket, struct websocket_side *side)
{
    size_t before = side->out.size;
    struct error err;
    enum io io;

    if (side->broken || side->finished || (before == 0 && !side->finish))
        return false;
    io = http_send_body(side->stream, &side->out, side->finish, &err);
    if (io == IO_FAIL) {
        websocket_break(side);
        return true;
    }
    side->finished = io == IO_OK && side->finish;
    note_stuck(websocket, side, side->out.size < before);
    return side->out.size < before || side->finished;
}
