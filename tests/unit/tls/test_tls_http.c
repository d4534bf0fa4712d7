/* test_tls_http.c: HTTP/1 over a secured stream: it need not know, but a cut must show where the body had no other end
 * (case 96 of the keep-alive matrix; RFC 9112 9.8). SPDX-License-Identifier: Apache-2.0 */
#include "http/conn.h"
#include "tls_stage.h"

static const struct http_conn_options plain;

struct talk {
    struct tls_stage stage;
    struct http_conn *conn;
    struct http_stream *stream;
    struct arena *arena;
    struct chain body;
};

static void talk_open(struct talk *talk)
{
    struct http_head head = {.method = STR("GET"), .path = STR("/"), .authority = STR("origin.test")};
    struct tls_stage *stage = &talk->stage;
    char out[256];

    *talk = (struct talk){.arena = test_arena()};
    stage_shaken(stage, &(struct tls_stage_options){.room = 0});
    talk->conn = h1_client_new(stage->client, &plain, &stage->owner.task, &stage->err);
    stage->client = NULL;
    CHECK(talk->conn != NULL);
    CHECK_EQ(http_open(talk->conn, &talk->stream, &stage->err), IO_OK);
    talk->stream->owner = &stage->owner.task;
    CHECK_EQ(http_send_head(talk->stream, &head, true, &stage->err), IO_OK);
    stage_turn(stage);
    CHECK(str_starts(str_of(out, stage_serve(stage, out, sizeof(out))), STR("GET / HTTP/1.1\r\n")));
}

/* Reads the answer to its end. */
static enum io talk_read(struct talk *talk)
{
    struct error *err = &talk->stage.err;
    struct http_head *head;
    enum io io;

    CHECK_EQ(http_recv_head(talk->stream, talk->arena, &head, err), IO_OK);
    CHECK_EQ(head->status, 200);
    while ((io = http_recv_body(talk->stream, &talk->body, 100, err)) == IO_OK)
        stage_turn(&talk->stage);
    return io;
}

static void talk_close(struct talk *talk)
{
    chain_clear(&talk->body);
    http_done(talk->stream);
    http_close(talk->conn);
    stage_close(&talk->stage);
}

TEST(g4_96_http_body_with_a_length_is_whole_without_close_notify)
{
    struct talk talk;

    talk_open(&talk);
    stage_answer(&talk.stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"));
    stage_end_far(&talk.stage);
    CHECK_EQ(talk_read(&talk), IO_END);
    CHECK_EQ(talk.body.size, 4);
    CHECK_EQ(http_room(talk.conn), 0);
    talk_close(&talk);
}

TEST(g4_96_http_body_that_ends_by_closing_needs_close_notify)
{
    static const bool cut[] = {false, true};

    for (size_t i = 0; i < COUNT_OF(cut); i++) {
        struct talk talk;

        talk_open(&talk);
        stage_answer(&talk.stage, STR("HTTP/1.1 200 OK\r\n\r\nbody"));
        if (!cut[i])
            SSL_shutdown(talk.stage.server);
        stage_move(&talk.stage);
        stage_end_far(&talk.stage);
        CHECK_EQ(talk_read(&talk), cut[i] ? IO_FAIL : IO_END);
        CHECK_EQ(talk.body.size, 4);
        if (cut[i])
            CHECK_EQ(talk.stage.err.code, ERROR_TLS_TRUNCATED);
        talk_close(&talk);
    }
}

/* Case 95: close_notify ends it for reuse, and ours goes back. */
TEST(g4_95_http_conn_that_is_idle_ends_with_close_notify)
{
    struct talk talk;

    talk_open(&talk);
    stage_answer(&talk.stage, STR("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"));
    CHECK_EQ(talk_read(&talk), IO_END);
    http_done(talk.stream);
    http_set_idle(talk.conn, &talk.stage.owner.task);
    stage_turn(&talk.stage);
    CHECK_EQ(http_check_idle(talk.conn, true), IO_WAIT);
    CHECK(SSL_key_update(talk.stage.server, SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    CHECK_INT(SSL_do_handshake(talk.stage.server), 1);
    stage_move(&talk.stage);
    CHECK_EQ(http_check_idle(talk.conn, false), IO_WAIT);
    talk.stage.owner.runs = 0;
    SSL_shutdown(talk.stage.server);
    stage_move(&talk.stage);
    CHECK(talk.stage.owner.runs > 0);
    CHECK_EQ(http_check_idle(talk.conn, false), IO_END);
    http_close(talk.conn);
    stage_move(&talk.stage);
    CHECK_INT(SSL_shutdown(talk.stage.server), 1);
    chain_clear(&talk.body);
    stage_close(&talk.stage);
}
