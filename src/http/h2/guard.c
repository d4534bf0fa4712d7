/* guard.c: what a peer may cost. Whatever is odd takes points from a budget that fills again with time, and with each
 * request that is answered to its end; one that is empty ends the connection with ENHANCE_YOUR_CALM. Frames that data
 * accounts for (window updates, pings that measure) are free: each frame with data earns some.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

enum {
    CREDIT_MAX = 1000,
    CREDIT_PER_FRAME = 4,
    CREDIT_FIRST = 32,
    STRAYS_MAX = 4000,
    STRAYS_FEW = 4, /* frames of an answer beside its data */
    FRAME_BYTES = 16 << 10,
    WARY_PARTS = 4,         /* of the budget; one of them is gone */
    PRIORITY_UPDATE = 0x10, /* RFC 9218 7 */
};
#define SECOND_NS UINT64_C(1000000000)

static const struct {
    uint32_t points;
    const char *name, *text;
} glitches[H2_GLITCHES] = {
#define GLITCH(code, points, name, text) [H2_GLITCH_##code] = {points, name, text},
#include "http/h2/glitch.def"
#undef GLITCH
};

static const char *const errors[H2_ERRORS] = {
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
    "unknown",
};

const struct h2_rules h2_rules_default = {
    .streams_max = 100,
    .head_bytes_max = 64 << 10,
    .stream_window = 128 << 10,
    .connection_window = 512 << 10,
    .glitches_max = 1000,
    .glitches_back = 50,
};

/* Answers are larger than requests, and a reader who is slow must not hold up the others: 32 of them may stand still
 * before the connection does. */
const struct h2_rules h2_client_rules_default = {
    .streams_max = 256,
    .stream_window = 128 << 10,
    .connection_window = 4 << 20,
    .glitches_max = 1000,
    .glitches_back = 50,
};

const char *h2_glitch_name(enum h2_glitch glitch)
{
    return glitches[glitch].name;
}

const char *h2_error_name(unsigned code)
{
    return errors[code < H2_ERRORS ? code : H2_ERRORS - 1];
}

void h2_guard_init(struct h2_conn *conn)
{
    conn->guard = (struct h2_guard){.points = conn->rules->glitches_max, .credit = CREDIT_FIRST, .at_ns = h2_now(conn)};
}

static void fill_up(struct h2_conn *conn)
{
    struct h2_guard *guard = &conn->guard;
    uint64_t seconds = (h2_now(conn) - guard->at_ns) / SECOND_NS, back = seconds * conn->rules->glitches_back;
    uint32_t missing = conn->rules->glitches_max - guard->points;

    guard->at_ns += seconds * SECOND_NS;
    guard->points += back < missing ? (uint32_t)back : missing;
}

void h2_glitch(struct h2_conn *conn, enum h2_glitch glitch)
{
    uint32_t points = glitches[glitch].points;

    if (conn->condemned || conn->broken)
        return;
    if (conn->counts)
        h2_count(&conn->counts->glitches[glitch]);
    if (conn->rules->glitches_max == 0)
        return;
    fill_up(conn);
    if (conn->guard.points > points) {
        conn->guard.points -= points;
        return;
    }
    conn->guard.points = 0;
    if (conn->counts)
        h2_count(&conn->counts->exhausted);
    h2_condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM, HTTP_END_ABUSE, glitches[glitch].text);
}

/* A proxy in front of us carries many clients over one connection: some of them leave early, most do not. */
void h2_answered(struct h2_conn *conn)
{
    if (conn->guard.points < conn->rules->glitches_max)
        conn->guard.points++;
}

bool h2_is_wary(struct h2_conn *conn)
{
    uint32_t limit = conn->rules->glitches_max / WARY_PARTS * (WARY_PARTS - 1);

    if (LIKELY(conn->guard.points >= limit))
        return false;
    fill_up(conn);
    return conn->guard.points < limit;
}

void h2_earn(struct h2_conn *conn)
{
    uint32_t credit = conn->guard.credit + CREDIT_PER_FRAME;

    conn->guard.credit = credit < CREDIT_MAX ? credit : CREDIT_MAX;
}

/* What a server sends behind our RST_STREAM is no fault of its own: a window full of DATA, and heads. */
void h2_expect_strays(struct h2_conn *conn)
{
    uint32_t frames = (conn->rules->stream_window + h2_wide_window(conn->rules)) / FRAME_BYTES + STRAYS_FEW;

    if (h2_is_client(conn) && conn->guard.credit < STRAYS_MAX)
        conn->guard.credit += frames;
}

static void pay(struct h2_conn *conn, enum h2_glitch glitch)
{
    if (conn->guard.credit > 0)
        conn->guard.credit--;
    else
        h2_glitch(conn, glitch);
}

void h2_condemn(struct h2_conn *conn, uint32_t error, enum http_end end, const char *text)
{
    struct error err;

    if (conn->condemned || conn->broken)
        return;
    conn->condemned = true;
    error_set(&err, h2_peer_fault(conn), ERROR_BAD_FRAMING, "HTTP/2 connection error %s: %s", h2_error_name(error),
              text);
    h2_note_failure(conn, &err);
    h2_note_end(conn, end);
    /* Without memory for the GOAWAY the connection ends without one. */
    (void)nghttp2_session_terminate_session(conn->session, error);
    h2_wake_self(conn);
}

static void remember(struct h2_ids *ids, int32_t id)
{
    ids->id[ids->at] = (uint32_t)id;
    ids->at = (uint8_t)((ids->at + 1) % H2_IDS_KEPT);
}

static bool is_remembered(const struct h2_ids *ids, uint32_t id)
{
    for (size_t i = 0; i < H2_IDS_KEPT; i++)
        if (ids->id[i] == id)
            return true;
    return false;
}

/* Frames for streams that we have reset may be under way still. */
void h2_remember_closed(struct h2_conn *conn, const struct h2_stream *stream)
{
    bool by_peer = stream->reset_by_peer || (stream->ended && stream->error == NGHTTP2_NO_ERROR);

    remember(by_peer ? &conn->ended_ids : &conn->reset_ids, stream->id);
}

void h2_stray(struct h2_conn *conn)
{
    if (h2_is_client(conn))
        pay(conn, H2_GLITCH_STRAY);
    else
        h2_glitch(conn, H2_GLITCH_STRAY);
}

/* RFC 9113 5.1: nghttp2 passes over frames for closed streams, whoever has closed them. */
static void check_stream(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (frame->stream == 0 || frame->stream > conn->last_id ||
        nghttp2_session_get_stream_user_data(conn->session, (int32_t)frame->stream))
        return;
    if (is_remembered(&conn->ended_ids, frame->stream))
        h2_condemn(conn, NGHTTP2_STREAM_CLOSED, HTTP_END_PROTOCOL, "a frame for a stream that its sender had ended");
    else if (!h2_is_client(conn) && frame->type == NGHTTP2_HEADERS && !is_remembered(&conn->reset_ids, frame->stream))
        h2_condemn(conn, NGHTTP2_PROTOCOL_ERROR, HTTP_END_PROTOCOL, "a stream number that is not the next");
    else
        h2_stray(conn);
}

/* Of RFC 7540's priorities, which have no effect here, only this is left. */
static void check_priority(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (frame->stream == 0 || frame->depends == frame->stream)
        h2_condemn(conn, NGHTTP2_PROTOCOL_ERROR, HTTP_END_PROTOCOL, "a PRIORITY that cannot be");
    else
        pay(conn, H2_GLITCH_PRIORITY);
}

static void check_continuation(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (++conn->block_frames > H2_CONTINUATIONS_MAX) {
        if (conn->counts)
            h2_count(&conn->counts->glitches[H2_GLITCH_CONTINUATION]);
        h2_condemn(conn, NGHTTP2_ENHANCE_YOUR_CALM, HTTP_END_ABUSE, "a header block in too many frames");
    } else if (frame->length < H2_SMALL_DATA_BYTES && !(frame->flags & NGHTTP2_FLAG_END_HEADERS)) {
        h2_glitch(conn, H2_GLITCH_CONTINUATION);
    }
}

static void check_settings(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (frame->flags & NGHTTP2_FLAG_ACK)
        return;
    if (conn->guard.settings_seen)
        h2_glitch(conn, H2_GLITCH_SETTINGS);
    conn->guard.settings_seen = true;
}

/* A header block begins, or goes on: from here on its end is waited for. */
static void begin_block(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (frame->type == NGHTTP2_HEADERS) {
        conn->block_bytes = conn->block_frames = 0;
        conn->block_ns = h2_now(conn);
        conn->block_from = conn->bytes_in - frame->rest;
    }
    conn->block_ends = frame->flags & NGHTTP2_FLAG_END_HEADERS;
}

/* What speaks otherwise is told from what breaks a rule. */
static bool is_greeted(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (conn->guard.settings_seen || (frame->type == NGHTTP2_SETTINGS && !(frame->flags & NGHTTP2_FLAG_ACK)))
        return true;
    h2_condemn(conn, NGHTTP2_PROTOCOL_ERROR, HTTP_END_PROTOCOL, "what the host says first is not HTTP/2");
    return false;
}

/* Nobody but h2_client_ping asks for one. */
static bool is_awaited(struct h2_conn *conn)
{
    return h2_is_client(conn) && h2_client_of(conn)->ping_out;
}

void h2_guard_frame(struct h2_conn *conn, const struct h2_frame *frame)
{
    if (h2_is_client(conn) && !is_greeted(conn, frame))
        return;
    if (frame->type != NGHTTP2_HEADERS && frame->type != NGHTTP2_CONTINUATION)
        conn->block_ns = 0; /* nothing may come inside of one */
    switch (frame->type) {
    case NGHTTP2_DATA:
        check_stream(conn, frame);
        return;
    case NGHTTP2_HEADERS:
        check_stream(conn, frame);
        begin_block(conn, frame);
        return;
    case NGHTTP2_CONTINUATION:
        check_continuation(conn, frame);
        begin_block(conn, frame);
        return;
    case NGHTTP2_SETTINGS:
        check_settings(conn, frame);
        return;
    case NGHTTP2_PING:
        if (!(frame->flags & NGHTTP2_FLAG_ACK) || !is_awaited(conn))
            pay(conn, H2_GLITCH_PING);
        return;
    case NGHTTP2_WINDOW_UPDATE:
        pay(conn, H2_GLITCH_WINDOW);
        return;
    case NGHTTP2_PRIORITY:
        check_priority(conn, frame);
        return;
    case PRIORITY_UPDATE:
        pay(conn, H2_GLITCH_PRIORITY);
        return;
    case NGHTTP2_RST_STREAM: /* judged when the stream is known (session.c) */
    case NGHTTP2_GOAWAY:
        return;
    case NGHTTP2_PUSH_PROMISE: /* a client may not send it, and we have told servers that we take none */
        h2_condemn(conn, NGHTTP2_PROTOCOL_ERROR, HTTP_END_PROTOCOL, "a PUSH_PROMISE");
        return;
    default: /* a number from outside */
        h2_glitch(conn, H2_GLITCH_UNKNOWN);
        return;
    }
}
