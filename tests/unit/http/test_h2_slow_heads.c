/* test_h2_slow_heads.c: heads that do not come in time, or too slowly, to an HTTP/2 connection of the server role.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h2_stage.h"

TEST(h2_a_preface_must_come_in_time)
{
    const struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS};
    struct http_conn_facts facts;
    struct h1_stage stage;

    h2_stage_open_silent(&stage, &options);
    far_send(&stage, STR("PRI * HTTP/2.0\r\n"));
    stage_pass(&stage, 10 * SECONDS);
    CHECK(str_ends(h2_frames(&stage), STR("NO_ERROR\nFIN\n")));
    http_facts(stage.conn, &facts);
    CHECK_EQ(facts.end, HTTP_END_HEAD_TIMEOUT);
    stage_close(&stage);
}

/* What a client sends of a head that never is whole. */
static struct wire part_of_a_head(int row)
{
    struct wire wire = wire_new();
    struct str fields = wire_fields("GET /");

    switch (row) {
    case 0: /* CONTINUATION is missing */
        wire_frame(&wire, HEADERS, END_STREAM, 1, fields);
        break;
    case 1: /* the only frame is not whole */
        wire_frame(&wire, HEADERS, END_STREAM | END_HEADERS, 1, fields);
        wire.len -= 3;
        break;
    case 2: /* nothing of its fields came */
        wire_frame(&wire, HEADERS, END_STREAM | END_HEADERS, 1, fields);
        wire.len -= fields.len;
        break;
    case 3: /* the last frame is not whole */
        wire_frame(&wire, HEADERS, END_STREAM, 1, str_first(fields, 4));
        wire_frame(&wire, CONTINUATION, END_HEADERS, 1, str_from_offset(fields, 4));
        wire.len -= 1;
        break;
    }
    return wire;
}

/* The stream hears why; other streams go on; then the connection ends in order, whatever still comes of the head. */
TEST(h2_a_head_that_does_not_come_in_time_is_answered)
{
    const struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS};

    for (int row = 0; row < 4; row++) {
        struct http_conn_facts facts;
        struct h1_stage stage;
        struct wire wire = part_of_a_head(row);

        test_case_is("row %d", row);
        h2_stage_open(&stage, &options);
        h2_send(&stage, &wire);
        stage_head_runs_out(&stage, 10 * SECONDS);
        CHECK_TEXT(h2_frames(&stage),
                   "GOAWAY 1 NO_ERROR\nHEADERS 1 end :status=408 content-length=0\nRST_STREAM 1 NO_ERROR\nFIN\n");
        http_facts(stage.conn, &facts);
        CHECK_EQ(facts.end, HTTP_END_HEAD_TIMEOUT);
        stage_close(&stage);
    }
}

/* The rest that comes before the answer has left changes nothing. */
TEST(h2_a_head_that_comes_too_late_is_not_read)
{
    const struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS};
    struct http_head head = stage_response(408, 0);
    struct wire wire = part_of_a_head(0), rest = wire_new();
    struct h1_stage stage;

    h2_stage_open(&stage, &options);
    h2_send(&stage, &wire);
    stage_pass(&stage, 10 * SECONDS);
    wire_frame(&rest, CONTINUATION, END_HEADERS, 1, wire_fields("x-late: 1"));
    h2_send(&stage, &rest);
    stage_accept(&stage);
    CHECK_EQ(stage_recv_head(&stage), IO_FAIL);
    CHECK_EQ(stage.err.code, ERROR_HEAD_TIMEOUT);
    CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
    stage_done(&stage);
    far_end(&stage);
    CHECK_EQ(stage_accept_io(&stage), IO_END);
    stage_close(&stage);
}

TEST(h2_a_head_that_trickles_is_answered_before_its_time_is_up)
{
    const struct http_conn_options options = {.head_timeout_ns = 60 * SECONDS, .head_rate = 100};
    struct wire wire = wire_new();
    struct h1_stage stage;
    unsigned second = 0;

    h2_stage_open(&stage, &options);
    wire_frame(&wire, HEADERS, END_STREAM | END_HEADERS, 1,
               wire_fields("GET /\nx-long: 0123456789012345678901234567890"));
    far_send(&stage, str_of(wire.bytes, 12));
    for (; stage_accept_io(&stage) == IO_WAIT && second < 20; second++) {
        stage_pass(&stage, SECONDS);
        far_send(&stage, str_of(wire.bytes + 12 + second, 1));
    }
    CHECK(second == 5 || second == 6);
    stage_close(&stage);
}

TEST(h2_a_head_that_is_here_has_no_clock)
{
    const struct http_conn_options options = {.head_timeout_ns = 10 * SECONDS, .head_rate = 100};
    struct wire wire = wire_new();
    struct h1_stage stage;

    h2_stage_open(&stage, &options);
    wire_request(&wire, 0, 1, "POST /");
    wire_frame(&wire, DATA, 0, 1, STR("0123456789"));
    far_send(&stage, str_of(wire.bytes, wire.len - 5)); /* a body that stops in the middle of a frame */
    stage_accept(&stage);
    stage_head(&stage);
    stage_pass(&stage, 60 * SECONDS);
    CHECK_TEXT(h2_frames(&stage), "");
    stage_close(&stage);
}
