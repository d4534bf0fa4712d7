/* test_h2_windows.c: flow control of HTTP/2's server role: windows open as bodies are taken, answers wait for the
 * client's, and who does not open them is given up. SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"

/* The head of an answer, and a body that waits to be sent. */
static void begin_answer(struct h1_stage *stage, struct chain *body)
{
    struct http_head head = stage_response(200, -1);

    CHECK_EQ(http_send_head(stage->stream, &head, false, &stage->err), IO_OK);
    CHECK(chain_append(body, loop_blocks(stage->loop), str_of(arena_zero(test_arena(), 40000), 40000)));
}

/* A request of a client whose streams have a window of so many bytes, and the answer to it. */
static void ask_with_window(struct h1_stage *stage, uint32_t window, struct chain *body)
{
    struct wire wire = wire_new();

    wire_setting(&wire, 4, window);
    wire_request(&wire, END_STREAM, 1, "GET /");
    h2_send(stage, &wire);
    stage_take(stage);
    begin_answer(stage, body);
    CHECK_EQ(http_send_body(stage->stream, body, true, &stage->err), IO_WAIT);
}

TEST(h2_windows_open_as_the_body_is_taken)
{
    static const struct h2_rules rules = {.streams_max = 10,
                                          .head_bytes_max = 65536,
                                          .stream_window = 20000,
                                          .connection_window = 524288,
                                          .glitches_max = 100};
    const struct http_conn_options options = {.h2 = &rules};
    struct wire wire = wire_new();
    struct chain taken = {NULL, NULL, 0};
    struct h1_stage stage;

    h2_stage_open(&stage, &options);
    wire_request(&wire, 0, 1, "POST /");
    wire_zeros(&wire, 1, 16000);
    h2_send(&stage, &wire);
    stage_take(&stage);
    CHECK_TEXT(h2_frames(&stage), "");
    CHECK_EQ(http_recv_body(stage.stream, &taken, 9999, &stage.err), IO_OK);
    CHECK_TEXT(h2_frames(&stage), "");
    CHECK_EQ(http_recv_body(stage.stream, &taken, SIZE_MAX, &stage.err), IO_OK);
    CHECK_EQ(taken.size, 16000);
    CHECK_TEXT(h2_frames(&stage), "WINDOW_UPDATE 1 16000\n");
    chain_clear(&taken);
    h2_overflow(&stage);
    stage_close(&stage);
}

TEST(h2_a_body_waits_for_the_clients_window)
{
    struct wire wire = wire_new();
    struct chain body = {NULL, NULL, 0};
    struct h1_stage stage;
    struct str frames;

    h2_stage_open(&stage, NULL);
    ask_with_window(&stage, 10, &body);
    CHECK(body.size >= 20000);
    CHECK(str_starts(h2_frames(&stage), STR("SETTINGS ack\nHEADERS 1 :status=200\nDATA 1 ")));
    stage.user.runs = 0;
    wire.len = 0;
    wire_frame(&wire, WINDOW_UPDATE, 0, 1, wire_u32(30000));
    h2_send(&stage, &wire);
    CHECK_EQ(stage.user.runs, 1);
    CHECK_EQ(http_send_body(stage.stream, &body, true, &stage.err), IO_WAIT);
    stage_turn(&stage);
    CHECK_EQ(http_send_body(stage.stream, &body, true, &stage.err), IO_OK);
    wire.len = 0;
    wire_frame(&wire, WINDOW_UPDATE, 0, 1, wire_u32(30000));
    h2_send(&stage, &wire);
    stage_done(&stage);
    frames = h2_frames(&stage);
    CHECK(str_find(frames, STR("DATA 1 end")) < frames.len);
    stage_close(&stage);
}

TEST(h2_a_client_that_takes_nothing_of_an_answer_loses_it)
{
    const struct http_conn_options options = {.send_gap_ns = 10 * SECONDS};
    struct chain body = {NULL, NULL, 0};
    struct h1_stage stage;

    h2_stage_open(&stage, &options);
    ask_with_window(&stage, 0, &body);
    CHECK_TEXT(h2_frames(&stage), "SETTINGS ack\nHEADERS 1 :status=200\n");
    stage_pass(&stage, 10 * SECONDS);
    CHECK_TEXT(h2_frames(&stage), "RST_STREAM 1 CANCEL\n");
    CHECK_EQ(http_send_body(stage.stream, &body, true, &stage.err), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_WRITE_TIMEOUT);
    chain_clear(&body);
    stage_close(&stage);
}

/* Answers of 40,000 bytes on so many streams, each of which has its window opened by so many bytes a second. Gives the
 * seconds until the first is lost, 100 at most. */
static unsigned open_slowly(const struct http_conn_options *options, unsigned streams, uint32_t bytes_a_second)
{
    struct chain bodies[4] = {{NULL, NULL, 0}};
    struct http_stream *made[4];
    struct wire wire = wire_new();
    struct h1_stage stage;
    unsigned seconds = 0;
    bool lost = false;

    h2_stage_open(&stage, options);
    wire_setting(&wire, 4, 0);
    for (unsigned i = 0; i < streams; i++)
        wire_request(&wire, END_STREAM, 2 * i + 1, "GET /");
    h2_send(&stage, &wire);
    for (unsigned i = 0; i < streams; i++) {
        stage_take(&stage);
        made[i] = stage.stream;
        begin_answer(&stage, &bodies[i]);
        stage.stream = NULL;
    }
    while (!lost && seconds < 100) {
        for (unsigned i = 0; i < streams; i++)
            lost = lost || http_send_body(made[i], &bodies[i], true, &stage.err) == IO_FAIL;
        wire.len = 0;
        for (unsigned i = 0; i < streams && bytes_a_second > 0; i++)
            wire_frame(&wire, WINDOW_UPDATE, 0, 2 * i + 1, wire_u32(bytes_a_second));
        h2_send(&stage, &wire);
        stage_pass(&stage, SECONDS);
        seconds += lost ? 0 : 1;
    }
    if (lost)
        CHECK_EQ(stage.err.code, ERROR_WRITE_TIMEOUT);
    for (unsigned i = 0; i < streams; i++) {
        chain_clear(&bodies[i]);
        http_done(made[i]);
    }
    stage_close(&stage);
    return seconds;
}

TEST(h2_a_client_that_takes_little_of_an_answer_loses_it)
{
    const struct http_conn_options gap = {.send_gap_ns = 20 * SECONDS},
                                   rate = {.send_gap_ns = 20 * SECONDS, .send_rate = 240};

    CHECK_EQ(open_slowly(&gap, 1, 10), 100);
    CHECK(open_slowly(&rate, 1, 10) <= 23);
    CHECK_EQ(open_slowly(&rate, 1, 250), 100);
    CHECK_EQ(open_slowly(&rate, 4, 70), 100); /* what they take together counts */
    CHECK(open_slowly(&rate, 4, 10) <= 30);
}

/* Two bodies that nobody reads hold most of the window of all: what is left must do for the third. */
TEST(h2_unread_bodies_do_not_hold_up_the_others)
{
    struct str big = str_of(arena_zero(test_arena(), 16384), 16384);
    struct wire wire = wire_new();
    struct h1_stage stage;
    struct http_stream *slow[2];
    enum io io;

    h2_stage_open(&stage, NULL);
    for (uint32_t id = 1; id < 6; id += 2)
        wire_request(&wire, 0, id, "POST /");
    for (int i = 0; i < 16; i++)
        wire_frame(&wire, DATA, 0, i % 2 == 0 ? 1 : 3, big);
    h2_send(&stage, &wire);
    for (int i = 0; i < 2; i++) {
        stage_accept(&stage);
        slow[i] = stage.stream;
        stage_head(&stage);
        stage.stream = NULL;
    }
    stage_take(&stage);
    for (int i = 0; i < 64; i++) {
        wire.len = 0;
        wire_frame(&wire, DATA, 0, 5, big);
        h2_send(&stage, &wire);
        CHECK_EQ(stage_body(&stage, &io).len, big.len);
    }
    for (int i = 0; i < 2; i++)
        http_done(slow[i]);
    stage_close(&stage);
}

/* Windows without an end, but nothing is taken from the socket: so much is sent on a stream as will go. */
static void fill_socket(struct h1_stage *stage, struct chain *body)
{
    struct http_head head = stage_response(200, -1);
    size_t before;

    CHECK_EQ(http_send_head(stage->stream, &head, false, &stage->err), IO_OK);
    do {
        CHECK(chain_append(body, loop_blocks(stage->loop), str_of(arena_zero(test_arena(), 100000), 100000)));
        before = body->size;
        CHECK(http_send_body(stage->stream, body, false, &stage->err) != IO_FAIL);
        stage_turn(stage);
    } while (body->size < before);
}

/* Two requests, the first of which is answered without end; it comes back, the second is in hand. */
static struct http_stream *ask_twice_and_take_nothing(struct h1_stage *stage, struct chain *body)
{
    struct wire wire = wire_new();
    struct http_stream *first;

    wire_setting(&wire, 4, 1 << 24);
    wire_frame(&wire, WINDOW_UPDATE, 0, 0, wire_u32(1 << 24));
    wire_request(&wire, END_STREAM, 1, "GET /");
    wire_request(&wire, END_STREAM, 3, "GET /");
    h2_send(stage, &wire);
    stage_take(stage);
    first = stage->stream;
    fill_socket(stage, body);
    stage->stream = NULL;
    stage_take(stage);
    return first;
}

/* One of its frames waits for room behind all that waits for the socket, when the stream is given up. */
TEST(h2_a_frame_that_waits_for_room_goes_with_its_stream_alone)
{
    struct chain body = {NULL, NULL, 0};
    struct http_stream *first;
    struct h1_stage stage;
    struct str frames;

    h2_stage_open(&stage, NULL);
    first = ask_twice_and_take_nothing(&stage, &body);
    http_cancel(first, HTTP_CANCEL_ERROR);
    http_done(first);
    stage_answer(&stage, STR("hello"));
    frames = h2_frames(&stage);
    CHECK(str_find(frames, STR("RST_STREAM 1 INTERNAL_ERROR\n")) < frames.len);
    CHECK(str_ends(frames, STR("DATA 3 end hello\n")));
    h2_ask(&stage, END_STREAM, 5, "GET /next");
    stage_take(&stage);
    CHECK_TEXT(stage.head->path, "/next");
    chain_clear(&body);
    stage_close(&stage);
}

/* What ends the stream has no room either: there is nothing to be done until there is. */
TEST(h2_a_stream_that_is_out_of_time_behind_a_full_socket_rests)
{
    const struct http_conn_options options = {.write_timeout_ns = 10 * SECONDS, .send_gap_ns = 100 * SECONDS};
    struct chain body = {NULL, NULL, 0};
    struct http_stream *first;
    struct h1_stage stage;
    struct str frames;
    uint64_t runs;

    h2_stage_open(&stage, &options);
    first = ask_twice_and_take_nothing(&stage, &body);
    stage.fake.now_ns += 10 * SECONDS;
    for (int i = 0; i < 10; i++)
        loop_turn(stage.loop, 0);
    CHECK_EQ(http_send_body(first, &body, false, &stage.err), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_WRITE_TIMEOUT);
    http_done(first);
    for (int i = 0; i < 10; i++)
        loop_turn(stage.loop, 0);
    runs = loop_stats(stage.loop)->tasks_run;
    for (int i = 0; i < 10; i++)
        loop_turn(stage.loop, 0);
    CHECK_EQ(loop_stats(stage.loop)->tasks_run, runs);
    frames = h2_frames(&stage);
    CHECK(str_find(frames, STR("RST_STREAM 1 CANCEL\n")) < frames.len);
    chain_clear(&body);
    stage_close(&stage);
}
