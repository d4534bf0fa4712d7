/* test_h2_client_hostile.c: hosts that break the rules of HTTP/2, flood, or do not speak it; and no memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h2_host.h"
#include "http/h2/h2_internal.h"

/* What ends the connection, and the GOAWAY that says so. */
struct broken {
    const char *name;
    int type, flags;
    uint32_t stream;
    struct str payload;
    const char *code;
};

static const struct broken broken[] = {
    {"PUSH_PROMISE", PUSH_PROMISE, 4, 1, STR_INIT("\0\0\0\2\x82"), "PROTOCOL_ERROR"},
    {"SETTINGS_MAX_FRAME_SIZE 0", SETTINGS, 0, 0, STR_INIT("\0\5\0\0\0\0"), "PROTOCOL_ERROR"},
    {"SETTINGS_ENABLE_PUSH 1", SETTINGS, 0, 0, STR_INIT("\0\2\0\0\0\1"), "PROTOCOL_ERROR"},
    {"a window that is too large", SETTINGS, 0, 0, STR_INIT("\0\4\xff\xff\xff\xff"), "FLOW_CONTROL_ERROR"},
    {"HEADERS that nobody asked for", HEADERS, 5, 7, STR_INIT("\x88"), "PROTOCOL_ERROR"},
    {"HEADERS on an even stream", HEADERS, 5, 2, STR_INIT("\x88"), "PROTOCOL_ERROR"},
    {"HPACK index 0", HEADERS, 5, 1, STR_INIT("\x80"), "COMPRESSION_ERROR"},
    {"PING of 7 bytes", PING, 0, 0, STR_INIT("1234567"), "FRAME_SIZE_ERROR"},
    {"GOAWAY on a stream", GOAWAY, 0, 1, STR_INIT("\0\0\0\0\0\0\0\0"), "PROTOCOL_ERROR"},
    {"WINDOW_UPDATE of 0", WINDOW_UPDATE, 0, 0, STR_INIT("\0\0\0\0"), "PROTOCOL_ERROR"},
};

TEST(h2_client_connection_errors_end_it)
{
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        struct h1_stage stage;
        struct http_stream *stream;
        struct str frames;

        test_case_is("%s", broken[i].name);
        h2_stage_open_client(&stage, NULL);
        stream = host_ask(&stage);
        (void)h2_frames(&stage);
        host_send_frame(&stage, broken[i].type, broken[i].flags, broken[i].stream, broken[i].payload);
        frames = h2_frames(&stage);
        CHECK(str_starts(frames, STR("GOAWAY 0 ")));
        CHECK(str_find(frames, str_from(broken[i].code)) < frames.len);
        host_check_failed(&stage, stream, ERROR_BAD_FRAMING, false);
        http_done(stream);
        CHECK_EQ(host_unfit_of(&stage), HTTP_UNFIT_FRAMING);
        CHECK_EQ(http_room(stage.conn), 0);
        stage_close(&stage);
    }
}

/* G.6 129: what was offered cannot be taken back (RFC 8441 3). */
TEST(h2_client_extended_connect_is_not_taken_back)
{
    struct h1_stage stage;
    struct str frames;

    h2_stage_open_client(&stage, NULL);
    host_send_setting(&stage, 8, 1);
    host_send_setting(&stage, 8, 0);
    frames = h2_frames(&stage);
    CHECK(str_find(frames, STR("GOAWAY 0 PROTOCOL_ERROR\n")) < frames.len);
    CHECK_EQ(host_unfit_of(&stage), HTTP_UNFIT_FRAMING);
    stage_close(&stage);
}

/* H2-170. */
TEST(h2_client_data_before_a_head_is_no_answer)
{
    struct h1_stage stage;
    struct http_stream *stream;

    h2_stage_open_client(&stage, NULL);
    stream = host_ask(&stage);
    (void)h2_frames(&stage);
    host_send_frame(&stage, DATA, END_STREAM, 1, STR("x"));
    host_check_failed(&stage, stream, ERROR_BAD_FRAMING, false);
    http_done(stream);
    stage_close(&stage);
}

TEST(h2_client_tells_who_does_not_speak_http2)
{
    struct h1_stage stage;
    struct http_stream *stream;

    h2_stage_open_client_silent(&stage, NULL);
    stream = host_ask(&stage);
    far_send(&stage, STR("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
    host_check_failed(&stage, stream, ERROR_BAD_FRAMING, false);
    CHECK(str_find(str_from(stage.err.text), STR("not HTTP/2")) < strlen(stage.err.text));
    http_done(stream);
    stage_close(&stage);
}

struct flood {
    const char *name;
    int type, flags;
    uint32_t stream;
    struct str payload;
};

static const struct flood floods[] = {
    {"PING", PING, 0, 0, STR_INIT("12345678")},
    {"PING ack", PING, ACK, 0, STR_INIT("12345678")},
    {"SETTINGS", SETTINGS, 0, 0, STR_INIT("")},
    {"WINDOW_UPDATE", WINDOW_UPDATE, 0, 0, STR_INIT("\0\0\0\1")},
    {"unknown", 0x77, 0, 0, STR_INIT("x")},
    {"empty DATA", DATA, 0, 1, STR_INIT("")},
    {"stray RST_STREAM", RST_STREAM, 0, 3, STR_INIT("\0\0\0\0")},
};

TEST(h2_client_hosts_that_flood_lose_the_connection)
{
    for (size_t i = 0; i < COUNT_OF(floods); i++) {
        struct wire wire = wire_new();
        struct host_many many;
        struct str frames;

        test_case_is("%s", floods[i].name);
        h2_stage_open_client(&many.stage, NULL);
        host_ask_many(&many, 2);
        wire_response(&wire, 0, 1, ":status: 200");
        wire_response(&wire, END_STREAM, 3, ":status: 204");
        for (int j = 0; j < 2000; j++)
            wire_frame(&wire, floods[i].type, floods[i].flags, floods[i].stream, floods[i].payload);
        h2_send(&many.stage, &wire);
        frames = h2_frames(&many.stage);
        CHECK(str_find(frames, STR("ENHANCE_YOUR_CALM\n")) < frames.len);
        CHECK(h2_of_conn(many.stage.conn)->session_bytes < H2_SESSION_BYTES_MAX / 2);
        for (int j = 0; j < 2; j++)
            http_done(many.streams[j]);
        stage_close(&many.stage);
    }
}

struct failing {
    struct h1_stage stage;
    struct wire wire;
    struct arena *arena;
};

static void use(struct h1_stage *stage)
{
    struct http_head head = stage_request("GET", "/x", 0);
    struct chain body = {NULL, NULL, 0};

    if (http_send_head(stage->stream, &head, true, &stage->err) == IO_OK)
        stage_turn(stage);
    while (http_recv_head(stage->stream, stage->arena, &stage->head, &stage->err) == IO_OK && stage->head->status < 200)
        continue;
    if (h2_of_stream(stage->stream)->head_taken)
        while (http_recv_body(stage->stream, &body, SIZE_MAX, &stage->err) == IO_OK)
            continue;
    chain_clear(&body);
    http_done(stage->stream);
}

static void scenario(void *arg)
{
    static const struct http_conn_options options;
    struct failing *failing = arg;
    struct h1_stage *stage = &failing->stage;
    struct stream *near;

    *stage = (struct h1_stage){.arena = failing->arena};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    if (!stage->loop)
        return;
    if (pair_new(stage->loop, STAGE_ROOM, &near, &stage->far)) {
        stage->conn = h2_client_new(near, &options, NULL, &stage->err);
        if (stage->conn && http_open(stage->conn, &stage->stream, &stage->err) == IO_OK) {
            struct iovec part = {failing->wire.bytes, failing->wire.len};
            size_t sent;

            stage_turn(stage);
            (void)stream_writev(stage->far, &part, 1, &sent, &stage->err);
            use(stage);
        }
    }
    http_close(stage->conn);
    stream_close(stage->far, false);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
}

TEST(h2_client_bears_every_failing_allocation)
{
    struct failing failing = {.wire = wire_new(), .arena = test_arena()};

    wire_setting(&failing.wire, 3, 10);
    wire_frame(&failing.wire, SETTINGS, ACK, 0, STR(""));
    test_every_allocation_fails(scenario, &failing);
}
