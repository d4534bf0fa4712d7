/* test_h1_client.c: the client role on the plain path. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

TEST(a_request_is_sent_and_the_connection_is_fit_again)
{
    struct http_head head = stage_request("GET", "/x", 0);
    struct h1_stage stage;
    enum io io;

    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    for (int i = 0; i < 3; i++) {
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
        CHECK_TEXT(far_text(&stage), "GET /x HTTP/1.1\r\nHost: example.test\r\n\r\n");
        CHECK_EQ(stage_recv_head(&stage), IO_WAIT);
        far_send(&stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
        stage_head(&stage);
        CHECK_EQ(stage.head->status, 200);
        CHECK_INT(stage.head->body_bytes, 5);
        CHECK_TEXT(stage_body(&stage, &io), "hello");
        CHECK_EQ(io, IO_END);
        stage_done(&stage);
        CHECK_EQ(http_room(stage.conn), 1);
        CHECK_EQ(http_check_idle(stage.conn, true), IO_WAIT);
    }
    stage_close(&stage);
}
