/* test_h2_guard.c: what peers may cost, and which errors end a connection. SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"
#include "http/h2/h2_internal.h"

struct flood {
    const char *name;
    void (*one)(struct wire *wire, uint32_t number);
    unsigned times, harmless; /* so many end the connection, so many do not */
};

static void one_ping(struct wire *wire, uint32_t number)
{
    (void)number;
    wire_frame(wire, PING, 0, 0, STR("12345678"));
}

static void one_settings(struct wire *wire, uint32_t number)
{
    (void)number;
    wire_frame(wire, SETTINGS, 0, 0, STR(""));
}

static void one_priority(struct wire *wire, uint32_t number)
{
    (void)number;
    wire_frame(wire, PRIORITY, 0, 7, STR("\0\0\0\3\20"));
}

static void one_window(struct wire *wire, uint32_t number)
{
    (void)number;
    wire_frame(wire, WINDOW_UPDATE, 0, 0, wire_u32(1));
}

static void one_unknown(struct wire *wire, uint32_t number)
{
    (void)number;
    wire_frame(wire, 0x77, 0, 0, STR("x"));
}

static void one_empty_data(struct wire *wire, uint32_t number)
{
    if (number == 0)
        wire_request(wire, 0, 1, "POST /");
    wire_frame(wire, DATA, 0, 1, STR(""));
}

static void one_padding(struct wire *wire, uint32_t number)
{
    if (number == 0)
        wire_request(wire, 0, 1, "POST /");
    wire_frame(wire, DATA, PADDED, 1, STR("\2\0\0"));
}

static void one_reset(struct wire *wire, uint32_t number)
{
    wire_request(wire, END_STREAM, 2 * number + 1, "GET /");
    wire_frame(wire, RST_STREAM, 0, 2 * number + 1, wire_u32(8));
}

static void one_bad_stream(struct wire *wire, uint32_t number)
{
    wire_request(wire, END_STREAM, 2 * number + 1, "GET /\n:foo: x");
}

static void one_continuation(struct wire *wire, uint32_t number)
{
    if (number == 0)
        wire_frame(wire, HEADERS, END_STREAM, 1, wire_fields("GET /"));
    wire_frame(wire, CONTINUATION, 0, 1, wire_fields("x-a: b"));
}

static const struct flood floods[] = {
    {"PING", one_ping, 1100, 900},           {"SETTINGS", one_settings, 600, 450},
    {"PRIORITY", one_priority, 1100, 900},   {"WINDOW_UPDATE", one_window, 1100, 900},
    {"unknown", one_unknown, 1100, 900},     {"empty DATA", one_empty_data, 600, 450},
    {"padding", one_padding, 600, 450},      {"rapid reset", one_reset, 210, 150},
    {"bad stream", one_bad_stream, 110, 80}, {"CONTINUATION", one_continuation, 17, 16},
};

struct played {
    struct http_conn_options options;
    struct h2_counts counts;
};

static struct str play(struct h1_stage *stage, const struct flood *flood, unsigned times, struct played *played)
{
    struct wire wire = wire_new();

    *played = (struct played){.options = {.h2_counts = &played->counts}};
    h2_stage_open(stage, &played->options);
    for (unsigned i = 0; i < times; i++)
        flood->one(&wire, i);
    h2_send(stage, &wire);
    return h2_frames(stage);
}

TEST(h2_floods_end_their_connection_and_little_does_not)
{
    for (size_t i = 0; i < COUNT_OF(floods); i++) {
        struct played played;
        struct http_conn_facts facts;
        struct h1_stage stage;
        struct str frames;

        test_case_is("%s", floods[i].name);
        frames = play(&stage, &floods[i], floods[i].times, &played);
        CHECK(str_find(frames, STR("ENHANCE_YOUR_CALM\n")) < frames.len);
        http_facts(stage.conn, &facts);
        CHECK_EQ(facts.end, HTTP_END_ABUSE);
        CHECK_EQ(played.counts.connection_errors[NGHTTP2_ENHANCE_YOUR_CALM], 1);
        CHECK(h2_of_conn(stage.conn)->session_bytes < H2_SESSION_BYTES_MAX / 2);
        stage_close(&stage);
        frames = play(&stage, &floods[i], floods[i].harmless, &played);
        CHECK_EQ(str_find(frames, STR("GOAWAY")), frames.len);
        stage_close(&stage);
    }
}

TEST(h2_the_budget_fills_again)
{
    struct played played;
    struct h1_stage stage;

    play(&stage, &floods[0], 900, &played);
    for (int i = 0; i < 5; i++) {
        struct wire wire = wire_new();
        struct str frames;

        stage_pass(&stage, 20 * SECONDS);
        for (uint32_t j = 0; j < 900; j++)
            one_ping(&wire, j);
        h2_send(&stage, &wire);
        frames = h2_frames(&stage);
        CHECK_EQ(str_find(frames, STR("GOAWAY")), frames.len);
    }
    CHECK_EQ(played.counts.exhausted, 0);
    stage_close(&stage);
}

TEST(h2_requests_that_were_reset_at_once_reach_nobody)
{
    struct played played;
    struct h1_stage stage;

    play(&stage, &floods[7], 100, &played);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    CHECK_EQ(played.counts.peer_resets, 100);
    CHECK_EQ(played.counts.streams, 100);
    stage_close(&stage);
}

static void ask(struct h1_stage *stage, uint32_t id)
{
    struct wire wire = wire_new();

    wire_request(&wire, END_STREAM, id, "GET /");
    h2_send(stage, &wire);
}

static void cancel(struct h1_stage *stage, uint32_t id)
{
    struct wire wire = wire_new();

    wire_frame(&wire, RST_STREAM, 0, id, wire_u32(8));
    h2_send(stage, &wire);
}

/* A quarter of the budget, by requests that were under way. Returns the next stream's number. */
static uint32_t spend_a_quarter(struct h1_stage *stage, const struct http_conn_options *options)
{
    uint32_t id = 1;

    h2_stage_open(stage, options);
    for (; id < 2 * 26; id += 2) {
        ask(stage, id);
        stage_accept(stage);
        cancel(stage, id);
        stage_done(stage);
    }
    return id;
}

TEST(h2_who_has_cancelled_many_requests_waits_at_the_door)
{
    struct h2_counts counts = {0};
    const struct http_conn_options options = {.h2_counts = &counts};
    struct h1_stage stage;
    uint32_t id = spend_a_quarter(&stage, &options);

    CHECK_EQ(counts.glitches[H2_GLITCH_RESET], 26);
    ask(&stage, id);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage.owner.runs = 0;
    stage_pass(&stage, SECONDS / 100);
    CHECK_EQ(stage.owner.runs, 0);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    stage_pass(&stage, SECONDS / 50);
    CHECK_EQ(stage.owner.runs, 1);
    stage_accept(&stage);
    stage_answer(&stage, STR("late"));
    stage_close(&stage);
}

TEST(h2_what_is_cancelled_at_the_door_reaches_nobody)
{
    struct h2_counts counts = {0};
    const struct http_conn_options options = {.h2_counts = &counts};
    struct h1_stage stage;
    uint32_t id = spend_a_quarter(&stage, &options), early = 0;
    struct str frames;

    for (; counts.exhausted == 0 && early < 1000; early++, id += 2) {
        ask(&stage, id);
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
        cancel(&stage, id);
    }
    CHECK_EQ(counts.glitches[H2_GLITCH_RESET], 26);
    CHECK_EQ(counts.glitches[H2_GLITCH_RESET_EARLY], early);
    CHECK_EQ(early, (1000 - 26 * 10) / 5);
    frames = h2_frames(&stage);
    CHECK(str_find(frames, STR("ENHANCE_YOUR_CALM\n")) < frames.len);
    stage_close(&stage);
}

TEST(h2_the_door_opens_at_once_when_the_budget_is_full_again)
{
    struct h1_stage stage;
    uint32_t id = spend_a_quarter(&stage, NULL);

    stage_pass(&stage, SECONDS);
    ask(&stage, id);
    stage_accept(&stage);
    stage_answer(&stage, STR("soon"));
    stage_close(&stage);
}

/* A proxy whose clients leave early now and then: each tenth request here, as fast as they come. */
TEST(h2_answers_make_up_for_requests_that_are_cancelled)
{
    struct h2_counts counts = {0};
    const struct http_conn_options options = {.h2_counts = &counts};
    struct h1_stage stage;
    uint32_t id = 1;

    h2_stage_open(&stage, &options);
    for (int i = 0; i < 3000; i++, id += 2) {
        ask(&stage, id);
        stage_accept(&stage);
        if (i % 11 == 0)
            cancel(&stage, id);
        if (i % 11 == 0)
            stage_done(&stage);
        else
            stage_answer(&stage, STR(""));
    }
    CHECK(counts.glitches[H2_GLITCH_RESET] > 250);
    CHECK_EQ(counts.exhausted, 0);
    stage_close(&stage);
}

TEST(h2_a_head_that_is_too_large_is_told_so_and_is_not_kept)
{
    static const struct http_conn_options options = {.fields_max = 20};
    struct wire wire = wire_new();
    struct h1_stage stage;
    char lines[4096] = "GET /";

    h2_stage_open(&stage, &options);
    for (int i = 0; i < 21; i++)
        strcat(lines, "\nx-a: b");
    wire_request(&wire, END_STREAM, 1, lines);
    h2_send(&stage, &wire);
    CHECK_EQ(h2_of_conn(stage.conn)->head_bytes, 0);
    stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_HEAD_TOO_LARGE);
    stage_answer(&stage, STR(""));
    stage_close(&stage);
}

/* As many streams as there may be, and heads that nobody takes: beyond their limit a stream is reset, and it counts. */
TEST(h2_heads_of_a_connection_that_nobody_takes_have_a_limit)
{
    struct h2_counts counts = {0};
    const struct http_conn_options options = {.h2_counts = &counts};
    char lines[12000] = "GET /\nx-large: ";
    struct h1_stage stage;
    struct str frames;

    memset(lines + strlen(lines), 'x', 10000);
    h2_stage_open(&stage, &options);
    for (uint32_t i = 0; i < 60; i++) {
        struct wire wire = wire_new();

        wire_request(&wire, END_STREAM, 2 * i + 1, lines);
        h2_send(&stage, &wire);
    }
    frames = h2_frames(&stage);
    CHECK_EQ(counts.glitches[H2_GLITCH_REFUSED], counts.stream_errors[NGHTTP2_INTERNAL_ERROR]);
    CHECK(counts.glitches[H2_GLITCH_REFUSED] >= 5);
    CHECK(str_find(frames, STR("RST_STREAM 119 INTERNAL_ERROR\n")) < frames.len);
    CHECK(h2_of_conn(stage.conn)->head_bytes <= H2_HEADS_BYTES_MAX + sizeof(lines));
    stage_close(&stage);
}

struct broken {
    const char *name;
    int type, flags;
    uint32_t stream;
    struct str payload;
    const char *frames;
};

static const struct broken broken[] = {
    {"DATA on stream 0", DATA, 0, 0, STR_INIT("x"), "GOAWAY 1 PROTOCOL_ERROR\nFIN\n"},
    {"DATA on an ended stream", DATA, 0, 1, STR_INIT("x"), "GOAWAY 1 STREAM_CLOSED\nFIN\n"},
    {"HEADERS on an ended stream", HEADERS, 5, 1, STR_INIT("\x82"), "GOAWAY 1 STREAM_CLOSED\nFIN\n"},
    {"DATA on an idle stream", DATA, 0, 9, STR_INIT("x"), "GOAWAY 1 PROTOCOL_ERROR\nFIN\n"},
    {"PRIORITY on stream 0", PRIORITY, 0, 0, STR_INIT("\0\0\0\3\20"), "GOAWAY 1 PROTOCOL_ERROR\nFIN\n"},
    {"PRIORITY on itself", PRIORITY, 0, 3, STR_INIT("\0\0\0\3\20"), "GOAWAY 1 PROTOCOL_ERROR\nFIN\n"},
    {"PING of 7 bytes", PING, 0, 0, STR_INIT("1234567"), "GOAWAY 1 FRAME_SIZE_ERROR\nFIN\n"},
    {"PUSH_PROMISE", PUSH_PROMISE, 4, 1, STR_INIT("\0\0\0\2\x82"), "GOAWAY 1 PROTOCOL_ERROR\nFIN\n"},
    {"HPACK index 0", HEADERS, 5, 3, STR_INIT("\x80"), "GOAWAY 3 COMPRESSION_ERROR\nFIN\n"},
};

TEST(h2_connection_errors_have_the_code_that_the_rfc_names)
{
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct http_conn_facts facts;
        struct wire wire = wire_new();
        struct h1_stage stage;

        test_case_is("%s", broken[i].name);
        h2_stage_open(&stage, NULL);
        wire_request(&wire, END_STREAM, 1, "GET /");
        h2_send(&stage, &wire);
        stage_take(&stage);
        stage_answer(&stage, STR(""));
        (void)h2_frames(&stage);
        wire.len = 0;
        wire_frame(&wire, broken[i].type, broken[i].flags, broken[i].stream, broken[i].payload);
        h2_send(&stage, &wire);
        CHECK_STR(h2_frames(&stage), str_from(broken[i].frames));
        http_facts(stage.conn, &facts);
        CHECK_EQ(facts.end, HTTP_END_PROTOCOL);
        stage_close(&stage);
    }
}

TEST(h2_an_idle_connection_is_small)
{
    struct h1_stage stage;

    h2_stage_open(&stage, NULL);
    CHECK(h2_of_conn(stage.conn)->session_bytes <= 28 << 10);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    stage_close(&stage);
}
