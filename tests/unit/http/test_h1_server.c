/* test_h1_server.c: the server role on the plain path. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

TEST(a_request_is_served_and_the_connection_goes_on)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    for (int i = 0; i < 3; i++) {
        far_send(&stage, STR("GET /a?b=c HTTP/1.1\r\nHost: example.test\r\nX-A: \t v \r\n\r\n"));
        stage_accept(&stage);
        stage_head(&stage);
        CHECK_TEXT(stage.head->method, "GET");
        CHECK_TEXT(stage.head->path, "/a?b=c");
        CHECK_TEXT(stage.head->authority, "example.test");
        CHECK_EQ(stage.head->headers.count, 1);
        CHECK_TEXT(stage.head->headers.fields[0].value, "v");
        CHECK_INT(stage.head->body_bytes, 0);
        CHECK_TEXT(stage_body(&stage, &io), "");
        CHECK_EQ(io, IO_END);
        stage_answer(&stage, STR("hello"));
        CHECK_TEXT(far_text(&stage), "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                     "Content-Length: 5\r\n\r\nhello");
        CHECK_EQ(stage_accept_io(&stage), IO_WAIT);
    }
    CHECK(!stage.far_ended);
    CHECK_EQ(block_pool_out(loop_blocks(stage.loop)), 0);
    stage_close(&stage);
}

TEST(a_body_with_a_length_is_received)
{
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_SERVER, NULL, 0);
    far_send(&stage, STR("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"));
    stage_accept(&stage);
    stage_head(&stage);
    CHECK_INT(stage.head->body_bytes, 10);
    CHECK_TEXT(stage_body(&stage, &io), "hello");
    CHECK_EQ(io, IO_WAIT);
    far_send(&stage, STR("world"));
    CHECK_EQ(stage.user.runs, 1);
    CHECK_TEXT(stage_body(&stage, &io), "world");
    CHECK_EQ(io, IO_END);
    CHECK_EQ(stage_recv_head(&stage), IO_END);
    stage_answer(&stage, STR(""));
    CHECK_TEXT(without_date(far_text(&stage)), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    stage_close(&stage);
}
