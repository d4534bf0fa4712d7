/* h1_stage.h: one HTTP/1 connection over an in-memory stream, the other end in the test's hands, and a clock that
 * stands still until the test moves it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_HTTP_H1_STAGE_H
#define HOLDFAST_TESTS_UNIT_HTTP_H1_STAGE_H

#include "../os/fake_world.h"
#include "harness/test.h"
#include "http/conn.h"
#include "net/pair.h"

enum { STAGE_ROOM = 1 << 20, STAGE_TEXT_MAX = 4 << 20 };
#define SECONDS UINT64_C(1000000000)

struct probe {
    struct task task;
    unsigned runs;
};

struct h1_stage {
    struct fake_world fake;
    struct loop *loop;
    struct http_conn *conn;
    struct stream *far;  /* NULL once the test has closed it */
    struct probe owner;  /* of the conn */
    struct probe user;   /* of the stream in hand */
    struct arena *arena; /* for heads */
    struct http_stream *stream;
    struct http_head *head;
    struct error err;
    bool far_ended, far_reset; /* what far_text has seen */
};

/* `room`: of the stream each way; 0: STAGE_ROOM. */
void stage_open(struct h1_stage *stage, enum http_role role, const struct http_conn_options *options, size_t room);
void stage_close(struct h1_stage *stage); /* closes what is open; checks that no buffer is out */

void stage_turn(struct h1_stage *stage);                       /* until nobody is awake any more */
void stage_pass(struct h1_stage *stage, uint64_t duration_ns); /* moves the clock, timers fire */

void far_send(struct h1_stage *stage, struct str text); /* all of it, and a turn */
struct str far_text(struct h1_stage *stage);            /* all that came, after a turn; in the test's arena */
void far_end(struct h1_stage *stage);                   /* FIN, and a turn */
void far_close(struct h1_stage *stage, bool reset);

/* The calls of http/conn.h on stage->stream, after a turn, and what they should answer. */
void stage_accept(struct h1_stage *stage); /* must give a stream */
void stage_open_stream(struct h1_stage *stage);
void stage_head(struct h1_stage *stage); /* must give a head */
void stage_take(struct h1_stage *stage); /* a stream, and its head */
enum io stage_recv_head(struct h1_stage *stage);
struct str stage_body(struct h1_stage *stage, enum io *last); /* what is here, until it is not IO_OK */
enum io stage_send_body(struct h1_stage *stage, struct str text, bool end);
void stage_done(struct h1_stage *stage);
enum io stage_accept_io(struct h1_stage *stage);

/* Answers the request in hand with 200 and a body. */
void stage_answer(struct h1_stage *stage, struct str body);

/* A head made of text: method and path, or a status. */
struct http_head stage_request(const char *method, const char *path, int64_t body_bytes);
struct http_head stage_response(uint16_t status, int64_t body_bytes);

/* A part of a head lies here whose time is up `left_ns` from now, not earlier: it is answered with 408. */
void stage_head_runs_out(struct h1_stage *stage, uint64_t left_ns);

/* What a response says without its Date line. */
struct str without_date(struct str text);

#endif
