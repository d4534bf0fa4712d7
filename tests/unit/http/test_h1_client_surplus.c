/* test_h1_client_surplus.c: the client role: line ends that nobody asked for are told apart from what may be an answer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

static enum http_unfit unfit_of(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.unfit;
}

static struct str surplus_of(const struct h1_stage *stage)
{
    struct http_conn_facts facts;

    http_facts(stage->conn, &facts);
    return facts.surplus;
}

/* RFC 9112 9.2: what some servers write behind an answer is told apart from what may be an answer. */
TEST(line_ends_on_an_idle_connection_are_told_apart)
{
    static const struct {
        struct str first, then;
        enum http_unfit unfit;
    } rows[] = {
        {STR_INIT("\r\n"), STR_INIT(""), HTTP_UNFIT_BLANK},
        {STR_INIT("\n"), STR_INIT(""), HTTP_UNFIT_BLANK},
        {STR_INIT("\r\n\r\n\r\n"), STR_INIT(""), HTTP_UNFIT_BLANK},
        {STR_INIT("\r"), STR_INIT("\n"), HTTP_UNFIT_BLANK},
        {STR_INIT("\r\n "), STR_INIT(""), HTTP_UNFIT_SURPLUS},
        {STR_INIT("\0"), STR_INIT(""), HTTP_UNFIT_SURPLUS},
        {STR_INIT("\r\n0\r\n"), STR_INIT(""), HTTP_UNFIT_SURPLUS},
        {STR_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n"), STR_INIT(""), HTTP_UNFIT_SURPLUS},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int look = 0; look < 2; look++) {
            struct h1_stage stage;

            test_case_is("%zu, look %d", i, look);
            stage_open(&stage, HTTP_CLIENT, NULL, 0);
            http_set_idle(stage.conn, &stage.owner.task);
            far_send(&stage, rows[i].first);
            if (rows[i].then.len > 0)
                far_send(&stage, rows[i].then);
            CHECK_EQ(http_check_idle(stage.conn, look), IO_OK);
            CHECK_EQ(http_check_idle(stage.conn, !look), IO_OK);
            CHECK_EQ(http_room(stage.conn), 0);
            CHECK_EQ(unfit_of(&stage), rows[i].unfit);
            CHECK(str_starts(surplus_of(&stage), rows[i].first));
            stage_close(&stage);
        }
}

TEST(line_ends_behind_an_answer_are_told_apart)
{
    static const struct {
        const char *behind, *later;
        enum http_unfit unfit;
    } rows[] = {
        {"\r\n", "", HTTP_UNFIT_BLANK},
        {"\r\n", "\r\n", HTTP_UNFIT_BLANK},
        {"\r\n", "HTTP/1.1 200 OK\r\n\r\n", HTTP_UNFIT_SURPLUS},
        {"x", "\r\n", HTTP_UNFIT_SURPLUS},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", HTTP_UNFIT_SURPLUS},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = stage_request("GET", "/", 0), *answer;
        struct chain body = {0};
        struct h1_stage stage;
        enum io io;

        test_case_is("%zu", i);
        stage_open(&stage, HTTP_CLIENT, NULL, 0);
        stage_open_stream(&stage);
        CHECK_EQ(http_send_head(stage.stream, &head, true, &stage.err), IO_OK);
        far_send(&stage, str_from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"));
        far_send(&stage, str_from(rows[i].behind));
        CHECK_EQ(http_recv_head(stage.stream, test_arena(), &answer, &stage.err), IO_OK);
        do
            io = http_recv_body(stage.stream, &body, 100, &stage.err);
        while (io == IO_OK);
        CHECK_EQ(io, IO_END);
        far_send(&stage, str_from(rows[i].later));
        chain_clear(&body);
        stage_done(&stage);
        CHECK_EQ(unfit_of(&stage), rows[i].unfit);
        CHECK_STR(surplus_of(&stage), arena_format(test_arena(), "%s%s", rows[i].behind, rows[i].later));
        stage_close(&stage);
    }
}

/* However much comes: it is for people to look at. */
TEST(of_surplus_the_beginning_is_kept)
{
    char bytes[3000];
    struct h1_stage stage;

    memset(bytes, 'x', sizeof(bytes));
    stage_open(&stage, HTTP_CLIENT, NULL, 0);
    CHECK_EQ(surplus_of(&stage).len, 0);
    http_set_idle(stage.conn, &stage.owner.task);
    far_send(&stage, str_of(bytes, sizeof(bytes)));
    CHECK_EQ(http_check_idle(stage.conn, true), IO_OK);
    CHECK_EQ(surplus_of(&stage).len, HTTP_SURPLUS_BYTES);
    stage_close(&stage);
}
