/* test_shared.c: connections that carry many requests (HTTP/2) in a worker's pool: one place, offered while they have
 * room, left when something speaks against them. Dials that others join are in test_shared_dials.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "shared_stage.h"
#include "upstream/fetch.h"
#include "upstream/pulse.h"

static const struct shared_pick any;

TEST(a_connection_in_use_is_offered_while_it_has_room)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    CHECK(stage_join(&stage, &any) == NULL);
    pooled = stage_dialed(&stage);
    first = stage_begin(pooled);
    far_allow(&stage, 0, 2);
    CHECK_EQ(atomic_load(&stage.host->streams_max), 2);
    second = stage_begin_on(&stage, pooled);
    CHECK(stage_join(&stage, &any) == NULL);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == NULL);
    CHECK_EQ(stage_totals(&stage).active, 1);
    CHECK_EQ(stage_totals(&stage).streams, 2);
    CHECK_EQ(pool_explain(stage.pool, stage.host, &stage.transport), REASON_NO_STREAM);
    stage_give_back(&stage, pooled, first);
    CHECK_EQ(stage_totals(&stage).active, 1);
    first = stage_begin_on(&stage, pooled);
    stage_give_back(&stage, pooled, second);
    stage_give_back(&stage, pooled, first);
    CHECK_EQ(stage_totals(&stage).idle, 1);
    CHECK(stage_join(&stage, &any) == NULL);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == pooled);
    CHECK_EQ(pooled->streams, 1);
    stage_give_back(&stage, pooled, stage_begin(pooled));
    stage_close(&stage);
}

TEST(a_limit_that_shrinks_lets_streams_finish)
{
    struct http_stream *streams[3];
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    far_allow(&stage, 0, 10);
    streams[0] = stage_begin(pooled);
    for (int i = 1; i < 3; i++) {
        streams[i] = stage_begin_on(&stage, pooled);
    }
    far_allow(&stage, 0, 1);
    CHECK(stage_join(&stage, &any) == NULL);
    CHECK_EQ(stage_totals(&stage).streams, 3);
    for (int i = 2; i > 0; i--) {
        stage_give_back(&stage, pooled, streams[i]);
        CHECK(stage_join(&stage, &any) == NULL);
    }
    stage_give_back(&stage, pooled, streams[0]);
    CHECK_EQ(stage_totals(&stage).idle, 1);
    stage_close(&stage);
}

TEST(goaway_takes_it_out_of_the_offer_and_its_streams_finish)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    far_allow(&stage, 0, 10);
    first = stage_begin(pooled);
    second = stage_begin_on(&stage, pooled);
    far_go_away(&stage, 0);
    CHECK(stage_join(&stage, &any) == NULL);
    stage_give_back(&stage, pooled, first);
    CHECK_EQ(stage_totals(&stage).active, 1);
    stage_give_back(&stage, pooled, second);
    CHECK_EQ(stage_totals(&stage).closes_by[REASON_GOAWAY][SIDE_PEER], 1);
    stage_close(&stage);
}

TEST(an_idle_one_hears_goaway_and_its_end)
{
    struct pooled *pooled;
    struct shared_stage stage;

    for (int end = 0; end < 2; end++) {
        stage_open(&stage);
        pooled = stage_dialed(&stage);
        far_allow(&stage, 0, 10);
        stage_give_back(&stage, pooled, stage_begin(pooled));
        CHECK_EQ(stage_totals(&stage).idle, 1);
        far_allow(&stage, 0, 5);
        far_say(&stage, 0, FRAME_PING, (const uint8_t[8]){0}, 8);
        CHECK_EQ(stage_totals(&stage).idle, 1); /* G.6 119: housekeeping is life */
        if (end) {
            stream_close(stage.far[0], false);
            stage.count = 0;
            stage_turns(&stage);
        } else {
            far_go_away(&stage, 0);
        }
        CHECK_EQ(stage_totals(&stage).idle, 0);
        CHECK_EQ(stage_totals(&stage).closed_idle, 1);
        stage_close(&stage);
    }
}

TEST(what_is_used_up_or_old_takes_no_more_requests)
{
    static const enum reason reasons[] = {REASON_COUNT, REASON_AGE};
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct shared_stage stage;

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        test_case_is("%s", reason_name(reasons[i]));
        stage_open(&stage);
        stage.transport.max_requests_per_connection = reasons[i] == REASON_COUNT ? 2 : 0;
        pooled = stage_dialed(&stage);
        first = stage_begin(pooled);
        second = stage_begin_on(&stage, pooled);
        if (reasons[i] == REASON_AGE)
            pooled->old_at_ms = 0;
        CHECK(stage_join(&stage, &any) == NULL);
        stage_give_back(&stage, pooled, first);
        CHECK(stage_join(&stage, &any) == NULL);
        stage_give_back(&stage, pooled, second);
        CHECK_EQ(stage_totals(&stage).closes_by[reasons[i]][SIDE_OURS], 1);
        stage_close(&stage);
    }
}

TEST(one_request_that_fails_does_not_end_the_others)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    first = stage_begin(pooled);
    second = stage_begin_on(&stage, pooled);
    http_cancel(first, HTTP_CANCEL_GONE);
    http_done(first);
    pool_let_go(pooled, &stage.transport, REASON_CLIENT_ABORT, SIDE_OURS);
    stage_give_back(&stage, pooled, stage_begin_on(&stage, pooled));
    http_done(second);
    pool_let_go(pooled, &stage.transport, REASON_CLIENT_ABORT, SIDE_OURS);
    CHECK_EQ(stage_totals(&stage).idle, 1);
    CHECK_EQ(stage_totals(&stage).connections_closed, 0);
    stage_close(&stage);
}

TEST(a_dead_path_ends_it_for_all)
{
    struct http_stream *first, *second;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    first = stage_begin(pooled);
    second = stage_begin_on(&stage, pooled);
    http_done(first);
    pool_let_go(pooled, &stage.transport, REASON_MIDDLEBOX, SIDE_OURS);
    CHECK(stage_join(&stage, &any) == NULL);
    stage_give_back(&stage, pooled, second);
    CHECK_EQ(stage_totals(&stage).closes_by[REASON_MIDDLEBOX][SIDE_OURS], 1);
    stage_close(&stage);
}

TEST(a_request_that_was_refused_finds_another_one)
{
    struct http_stream *on_old, *on_new;
    struct pooled *old, *new;
    struct shared_stage stage;

    stage_open(&stage);
    old = stage_dialed(&stage);
    on_old = stage_begin(old);
    CHECK(stage_join(&stage, &(struct shared_pick){.unlike = old->id}) == NULL);
    CHECK(stage_join(&stage, &(struct shared_pick){.since_ns = old->conn->opened_ns + 1}) == NULL);
    new = stage_dialed(&stage);
    on_new = stage_begin(new);
    CHECK(stage_join(&stage, &(struct shared_pick){.unlike = old->id}) == new);
    stage_give_back(&stage, new, stage_begin(new));
    CHECK(stage_join(&stage, &(struct shared_pick){.unlike = new->id}) == old);
    stage_give_back(&stage, old, stage_begin(old));
    stage_give_back(&stage, old, on_old);
    stage_give_back(&stage, new, on_new);
    stage_close(&stage);
}

/* All that waits there. */
static void read_far(struct shared_stage *stage, unsigned conn)
{
    char bytes[16384];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    struct error err;
    size_t got;

    do
        stage_turns(stage);
    while (stream_readv(stage->far[conn], &part, 1, &got, &err) == IO_OK);
}

static void upload(struct shared_stage *stage, struct http_stream *stream, size_t size)
{
    struct http_head head = {.method = STR("POST"),
                             .scheme = STR("http"),
                             .authority = STR("a"),
                             .path = STR("/"),
                             .body_bytes = -1,
                             .announced_bytes = -1};
    struct chain body = {0};
    struct error err;
    char zeros[1000] = {0};

    for (size_t i = 0; i < size / sizeof(zeros); i++)
        CHECK(chain_append(&body, loop_blocks(stage->loop), str_of(zeros, sizeof(zeros))));
    CHECK_EQ(http_send_head(stream, &head, false, &err), IO_OK);
    for (int i = 0; i < 40 && body.size > 0; i++) {
        CHECK(http_send_body(stream, &body, false, &err) != IO_FAIL);
        read_far(stage, 0);
    }
    chain_clear(&body);
    read_far(stage, 0);
}

TEST(what_holds_one_body_up_is_not_given_another)
{
    struct http_stream *stream;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    far_allow(&stage, 0, 10);
    stream = stage_begin(pooled);
    upload(&stage, stream, 100000); /* the window is 65535 */
    CHECK(stage_join(&stage, &any) == NULL);
    CHECK_EQ(stage_totals(&stage).active, 1);
    far_say(&stage, 0, FRAME_WINDOW_UPDATE, (const uint8_t[]){0, 1, 0, 0}, 4);
    read_far(&stage, 0);
    stage_give_back(&stage, pooled, stage_begin_on(&stage, pooled));
    pooled->lossy = true;
    CHECK(stage_join(&stage, &any) == NULL);
    pooled->lossy = false;
    stage_give_back(&stage, pooled, stage_begin_on(&stage, pooled));
    http_cancel(stream, HTTP_CANCEL_GONE);
    stage_give_back(&stage, pooled, stream);
    stage_close(&stage);
}

TEST(a_flush_lets_streams_finish)
{
    struct http_stream *stream;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    stream = stage_begin(pooled);
    pool_flush(stage.pool);
    CHECK(stage_join(&stage, &any) == NULL);
    stage_give_back(&stage, pooled, stream);
    CHECK_EQ(stage_totals(&stage).closes_by[REASON_DRAIN][SIDE_OURS], 1);
    stage_close(&stage);
}

static unsigned pings_after(struct shared_stage *stage, unsigned conn, struct pooled *pooled, uint64_t silence_s)
{
    struct http_stream *stream;
    unsigned pings;

    stage_pass(stage, silence_s);
    CHECK(pool_take(stage->pool, stage->host, &stage->transport, true) == pooled);
    stream = stage_begin(pooled);
    stage_turns(stage);
    pings = far_frames(stage, conn, FRAME_PING);
    if (pings > 0)
        far_say_with(stage, conn, FRAME_PING, FLAG_ACK, (const uint8_t[8]){0}, 8);
    stage_give_back(stage, pooled, stream);
    return pings;
}

static struct pooled *dialed_idle(struct shared_stage *stage)
{
    struct pooled *pooled = stage_dialed(stage);
    unsigned conn = stage->count - 1;

    far_allow(stage, conn, 10);
    stage_give_back(stage, pooled, stage_begin(pooled));
    (void)far_frames(stage, conn, FRAME_PING);
    return pooled;
}

/* Never without a request, and at most once in five minutes. */
TEST(a_ping_goes_along_only_behind_a_long_silence)
{
    static const struct {
        uint64_t silence_s;
        unsigned pings;
    } rows[] = {{1, 0}, {20, 1}, {40, 0}, {240, 0}, {30, 1}};
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = dialed_idle(&stage);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        CHECK_EQ(far_frames(&stage, 0, FRAME_PING), 0);
        CHECK_EQ(pings_after(&stage, 0, pooled, rows[i].silence_s), rows[i].pings);
    }
    stage_close(&stage);
}

/* G.6 121: ENHANCE_YOUR_CALM with too_many_pings doubles the interval, once for each connection, and the next
 * connection begins with it. */
TEST(case_121_a_host_that_finds_pings_too_many_has_half_as_many)
{
    static const uint8_t calm[] = "\0\0\0\0\0\0\0\x0btoo_many_pings";
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    CHECK_EQ(pings_after(&stage, 0, dialed_idle(&stage), 20), 1);
    for (unsigned conn = 0; conn < 2; conn++) {
        uint64_t every_s = UINT64_C(600) << conn;

        far_say(&stage, conn, FRAME_GOAWAY, calm, sizeof(calm) - 1);
        stage_turns(&stage);
        CHECK_EQ(atomic_load(&stage.host->ping_doublings), conn + 1);
        pooled = dialed_idle(&stage);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, every_s - 10), 0);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, 20), 1);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, every_s - 10), 0);
        CHECK_EQ(pings_after(&stage, conn + 1, pooled, 20), 1);
    }
    stage_close(&stage);
}

/* An idle one is used again behind a silence that asks for a PING. */
static struct pooled *taken_after_a_rest(struct shared_stage *stage)
{
    struct pooled *pooled = dialed_idle(stage);

    stage_pass(stage, 30);
    CHECK(pool_take(stage->pool, stage->host, &stage->transport, true) == pooled);
    return pooled;
}

/* G.6 120: the wait begins when the PING is queued, whether or not it could be written. */
TEST(case_120_a_ping_without_an_answer_takes_it_out_of_the_offer)
{
    for (int written = 0; written < 2; written++) {
        struct http_stream *first, *second;
        struct pooled *pooled;
        struct shared_stage stage;

        stage_open(&stage);
        pooled = taken_after_a_rest(&stage);
        first = stage_begin(pooled);
        if (written)
            stage_turns(&stage);
        CHECK(pooled->pulse->pinged_ns > 0);
        CHECK(stage_join(&stage, &any) == pooled);
        second = stage_begin(pooled);
        stage_pass(&stage, 4);
        CHECK(stage_join(&stage, &any) == pooled);
        stage_give_back(&stage, pooled, stage_begin(pooled));
        stage_pass(&stage, 2);
        CHECK(stage_join(&stage, &any) == NULL);
        stage_give_back(&stage, pooled, second);
        CHECK_EQ(stage_totals(&stage).active, 1); /* what is under way may still be answered */
        stage_give_back(&stage, pooled, first);
        CHECK_EQ(stage_totals(&stage).closes_by[REASON_PING_TIMEOUT][SIDE_OURS], 1);
        stage_close(&stage);
    }
}

TEST(case_120_a_sign_of_life_keeps_it)
{
    struct http_stream *stream;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    pooled = taken_after_a_rest(&stage);
    stream = stage_begin(pooled);
    stage_turns(&stage);
    CHECK_EQ(far_frames(&stage, 0, FRAME_PING), 1);
    stage_pass(&stage, 6);
    far_say_with(&stage, 0, FRAME_PING, FLAG_ACK, (const uint8_t[8]){0}, 8);
    CHECK(stage_join(&stage, &any) == pooled);
    stage_give_back(&stage, pooled, stage_begin(pooled));
    stage_give_back(&stage, pooled, stream);
    CHECK_EQ(stage_totals(&stage).idle, 1);
    stage_close(&stage);
}

/* Bytes of bodies on a stream that the host's end has got since the last look. */
static size_t far_got(struct shared_stage *stage, uint8_t id)
{
    static uint8_t all[65536];
    size_t got = 0, len = 0, at = 0, size;
    struct error err;

    for (enum io io = IO_OK; io == IO_OK;) {
        struct iovec part = {.iov_base = all + len, .iov_len = sizeof(all) - len};
        size_t more = 0;

        stage_turns(stage);
        io = stream_readv(stage->far[0], &part, 1, &more, &err);
        len += more;
    }
    if (len > 3 && memcmp(all, "PRI", 3) == 0)
        at = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").len;
    for (; at + 9 <= len; at += 9 + size) {
        size = (size_t)all[at] << 16 | (size_t)all[at + 1] << 8 | all[at + 2];
        got += all[at + 3] == 0 && all[at + 8] == id ? size : 0;
    }
    return got;
}

static void far_say_on(struct shared_stage *stage, uint8_t id, uint8_t type, uint8_t flags, const uint8_t *payload,
                       uint8_t len)
{
    uint8_t bytes[32] = {0, 0, len, type, flags, 0, 0, 0, id};
    struct iovec part = {.iov_base = bytes, .iov_len = (size_t)9 + len};
    struct error err;
    size_t sent;

    memcpy(bytes + 9, payload, len);
    CHECK_EQ(stream_writev(stage->far[0], &part, 1, &sent, &err), IO_OK);
    stage_turns(stage);
}

static void wait(struct task *task)
{
    (void)task;
}

/* It was refused, and goes to a place with less room; then the answer begins before all of it is there. */
TEST(a_body_that_goes_again_goes_on_when_the_answer_has_begun)
{
    enum { RST_STREAM = 3, HEADERS = 1, END_HEADERS = 4, SIZE = 20000 };
    struct http_head head = {.method = STR("PUT"),
                             .scheme = STR("http"),
                             .authority = STR("a"),
                             .path = STR("/"),
                             .body_bytes = SIZE,
                             .announced_bytes = -1};
    struct http_head *answer;
    struct task waiter = {.run = wait};
    struct chain body = {0};
    struct shared_stage stage;
    struct pooled *pooled;
    struct fetch *fetch;
    struct error err;
    size_t got;

    stage_open(&stage);
    pooled = stage_dialed(&stage);
    stage_give_back(&stage, pooled, stage_begin(pooled));
    fetch = fetch_start(
        test_arena(),
        &(struct fetch_options){.pool = stage.pool, .host = stage.host, .transport = &stage.transport, .head = &head},
        &waiter);
    CHECK(fetch != NULL);
    CHECK(chain_append(&body, loop_blocks(stage.loop), str_of(arena_zero(test_arena(), SIZE), SIZE)));
    CHECK_EQ(fetch_head(fetch, test_arena(), &answer, &err), IO_WAIT);
    CHECK_EQ(fetch_send(fetch, &body, true, &err), IO_WAIT);
    got = far_got(&stage, 1);
    CHECK_EQ(fetch_send(fetch, &body, true, &err), IO_OK);
    got += far_got(&stage, 1);
    CHECK_EQ(got, SIZE);

    far_say(&stage, 0, FRAME_SETTINGS, (const uint8_t[]){0, 4, 0, 0, 0, 0}, 6); /* windows of no size */
    far_say_on(&stage, 1, RST_STREAM, 0, (const uint8_t[]){0, 0, 0, 7}, 4);     /* REFUSED_STREAM */
    CHECK_EQ(fetch_head(fetch, test_arena(), &answer, &err), IO_WAIT);
    CHECK_EQ(far_got(&stage, 3), 0);
    far_say_on(&stage, 3, HEADERS, END_HEADERS, (const uint8_t[]){0x88}, 1); /* :status 200 */
    CHECK_EQ(fetch_head(fetch, test_arena(), &answer, &err), IO_OK);
    CHECK_EQ(fetch_body(fetch, &body, SIZE, &err), IO_WAIT);
    far_say_on(&stage, 3, FRAME_WINDOW_UPDATE, 0, (const uint8_t[]){0, 1, 0, 0}, 4);
    got = far_got(&stage, 3);
    CHECK_EQ(fetch_body(fetch, &body, SIZE, &err), IO_WAIT);
    got += far_got(&stage, 3);
    CHECK_EQ(got, SIZE);
    fetch_end(fetch, HTTP_CANCEL_GONE);
    task_forget(stage.loop, &waiter);
    stage_close(&stage);
}
