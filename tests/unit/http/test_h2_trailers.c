/* test_h2_trailers.c: messages that say Content-Length: 0 and go on: whatever is behind their head are trailers, in
 * both roles. SPDX-License-Identifier: Apache-2.0 */
#include "h2_host.h"

/* What lies there when the head is taken. */
static const struct {
    const char *name, *lines;
    bool data_end, trailers; /* behind the head, at once */
    int64_t body_bytes;
} rows[] = {
    {"nothing yet", "content-length: 0", false, false, -1},
    {"its end", "content-length: 0", true, false, 0},
    {"trailers", "content-length: 0", false, true, -1},
    {"a length other than 0", "content-length: 5", false, false, 5},
};

static void add_end(struct wire *wire, bool data_end, bool trailers)
{
    if (data_end)
        wire_frame(wire, DATA, END_STREAM, 1, STR(""));
    if (trailers)
        wire_frame(wire, HEADERS, END_STREAM | END_HEADERS, 1, wire_fields("grpc-status: 7"));
}

static void check_rest(struct h1_stage *stage, size_t i)
{
    struct wire wire = wire_new();
    enum io io;

    CHECK_INT(stage->head->body_bytes, rows[i].body_bytes);
    if (rows[i].body_bytes == 5)
        wire_frame(&wire, DATA, 0, 1, STR("hello"));
    add_end(&wire, false, !rows[i].data_end && !rows[i].trailers);
    if (wire.len > 0)
        h2_send(stage, &wire);
    CHECK_STR(stage_body(stage, &io), str_from(rows[i].body_bytes == 5 ? "hello" : ""));
    CHECK_EQ(io, IO_END);
    if (rows[i].data_end) {
        CHECK_EQ(stage_recv_head(stage), IO_END);
        return;
    }
    CHECK_EQ(stage_recv_head(stage), IO_OK);
    CHECK_TEXT(headers_get(&stage->head->headers, STR("grpc-status")), "7");
}

TEST(h2_an_answer_of_length_0_may_have_trailers)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct wire wire = wire_new();
        struct h1_stage stage;

        test_case_is("%s", rows[i].name);
        h2_stage_open_client(&stage, NULL);
        stage.stream = host_ask(&stage);
        wire_response(&wire, 0, 1, arena_format(test_arena(), ":status: 200\n%s", rows[i].lines).data);
        add_end(&wire, rows[i].data_end, rows[i].trailers);
        h2_send(&stage, &wire);
        stage_head(&stage);
        check_rest(&stage, i);
        stage_close(&stage);
    }
}

/* To HEAD, and where no body can be, the length tells of something else. */
TEST(h2_an_answer_without_a_body_expects_none)
{
    struct http_head head = stage_request("HEAD", "/x", 0);
    struct h1_stage stage;

    h2_stage_open_client(&stage, NULL);
    stage.stream = host_open_stream(&stage);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    stage_turn(&stage);
    host_send_answer(&stage, 0, 1, ":status: 200\ncontent-length: 0");
    stage_head(&stage);
    CHECK_INT(stage.head->body_bytes, 0);
    stage_close(&stage);
}

TEST(h2_a_request_of_length_0_may_have_trailers)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct wire wire = wire_new();
        struct h1_stage stage;

        test_case_is("%s", rows[i].name);
        h2_stage_open(&stage, NULL);
        wire_request(&wire, 0, 1, arena_format(test_arena(), "POST /\n%s", rows[i].lines).data);
        add_end(&wire, rows[i].data_end, rows[i].trailers);
        h2_send(&stage, &wire);
        stage_accept(&stage);
        stage_head(&stage);
        check_rest(&stage, i);
        stage_close(&stage);
    }
}
