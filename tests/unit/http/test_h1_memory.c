/* test_h1_memory.c: every allocation of an exchange fails once, in both roles. Whatever fails, nothing is lost track
 * of, no call hangs, and no message that was cut looks whole. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

#include <stdlib.h>

static void count_run(struct task *task)
{
    container_of(task, struct probe, task)->runs++;
}

/* As stage_open, for a world without memory. False: there was none. */
static bool try_open(struct h1_stage *stage, enum http_role role)
{
    static const struct http_conn_options options;
    struct stream *near;

    *stage = (struct h1_stage){.owner = {.task = {.run = count_run}}, .user = {.task = {.run = count_run}}};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    if (!stage->loop)
        return false;
    stage->arena = arena_new(NULL, 1 << 20);
    if (stage->arena && pair_new(stage->loop, 1 << 16, &near, &stage->far)) {
        stage->conn = role == HTTP_SERVER ? h1_server_new(near, &options, &stage->owner.task, &stage->err)
                                          : h1_client_new(near, &options, &stage->owner.task, &stage->err);
        if (stage->conn)
            return true;
        CHECK_EQ(stage->err.code, ERROR_OUT_OF_MEMORY);
        stream_close(stage->far, false);
    }
    arena_free(stage->arena);
    loop_free(stage->loop);
    return false;
}

static void shut(struct h1_stage *stage)
{
    if (stage->stream)
        http_done(stage->stream);
    http_close(stage->conn);
    stream_close(stage->far, false);
    task_forget(stage->loop, &stage->owner.task);
    task_forget(stage->loop, &stage->user.task);
    arena_free(stage->arena);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
}

static void send_far(struct h1_stage *stage, struct str text)
{
    struct iovec part = {(void *)(uintptr_t)text.data, text.len};
    size_t sent;

    stream_writev(stage->far, &part, 1, &sent, &stage->err);
    stage_turn(stage);
}

/* Reads into a static buffer, so that only the code under test allocates. */
static struct str read_far(struct h1_stage *stage)
{
    static char text[1 << 16];
    size_t len = 0, got = 0;
    enum io io = IO_OK;

    while (io == IO_OK) {
        struct iovec part = {text + len, sizeof(text) - len};

        stage_turn(stage);
        io = stream_readv(stage->far, &part, 1, &got, &stage->err);
        len += io == IO_OK ? got : 0;
    }
    stage->far_ended = io == IO_END;
    return str_of(text, len);
}

static enum io drain_body(struct h1_stage *stage, size_t *size)
{
    struct chain body = {NULL, NULL, 0};
    enum io io;

    do {
        stage_turn(stage);
        io = http_recv_body(stage->stream, &body, SIZE_MAX, &stage->err);
    } while (io == IO_OK);
    *size = body.size;
    chain_clear(&body);
    return io;
}

static bool send_piece(struct h1_stage *stage, bool end)
{
    struct chain body = {NULL, NULL, 0};
    bool ok = chain_append(&body, loop_blocks(stage->loop), STR("hello")) &&
              http_send_body(stage->stream, &body, end, &stage->err) == IO_OK;

    chain_clear(&body);
    stage_turn(stage);
    return ok;
}

static bool send_answer(struct h1_stage *stage)
{
    struct http_head head = stage_response(200, -1);

    if (!headers_add(&head.headers, stage->arena, STR("X-A"), STR("b")))
        return false;
    return http_send_head(stage->stream, &head, false, &stage->err) == IO_OK && send_piece(stage, false) &&
           send_piece(stage, true);
}

static void serve(void *arg)
{
    struct h1_stage stage;
    bool answered = false;
    struct str text;
    size_t size = 0;
    enum io io;

    (void)arg;
    if (!try_open(&stage, HTTP_SERVER))
        return;
    send_far(&stage, STR("\r"));
    send_far(&stage, STR("\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"));
    send_far(&stage, STR("\r\n5\r\nhel"));
    send_far(&stage, STR("lo\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    io = http_accept(stage.conn, &stage.stream, &stage.err);
    CHECK(io == IO_OK || io == IO_END);
    if (io == IO_OK) {
        stage.stream->owner = &stage.user.task;
        if (http_recv_head(stage.stream, stage.arena, &stage.head, &stage.err) == IO_OK) {
            io = drain_body(&stage, &size);
            CHECK(io == IO_END || io == IO_FAIL);
            if (io == IO_END)
                io = http_recv_head(stage.stream, stage.arena, &stage.head, &stage.err);
        }
        answered = send_answer(&stage);
        http_done(stage.stream);
        stage.stream = NULL;
    }
    text = read_far(&stage);
    if (answered)
        CHECK(str_ends(text, STR("\r\n0\r\n\r\n")));
    else
        CHECK(str_find(text, STR("\r\n0\r\n\r\n")) == text.len);
    shut(&stage);
}

TEST(a_server_bears_that_any_allocation_fails)
{
    test_every_allocation_fails(serve, NULL);
}

static bool send_request(struct h1_stage *stage)
{
    struct http_head head = stage_request("POST", "/x", -1);

    return http_send_head(stage->stream, &head, false, &stage->err) == IO_OK && send_piece(stage, false) &&
           send_piece(stage, true);
}

static void call(void *arg)
{
    struct h1_stage stage;
    size_t size = 0;
    enum io io;

    (void)arg;
    if (!try_open(&stage, HTTP_CLIENT))
        return;
    stage_turn(&stage);
    if (http_open(stage.conn, &stage.stream, &stage.err) == IO_OK) {
        stage.stream->owner = &stage.user.task;
        if (send_request(&stage)) {
            CHECK(str_ends(read_far(&stage), STR("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n")));
            send_far(&stage, STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chun"));
            send_far(&stage, STR("ked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"));
            do {
                stage_turn(&stage);
                io = http_recv_head(stage.stream, stage.arena, &stage.head, &stage.err);
                CHECK(io != IO_WAIT);
            } while (io == IO_OK && stage.head->status < 200);
            if (io == IO_OK) {
                io = drain_body(&stage, &size);
                CHECK(io == IO_END || io == IO_FAIL);
                CHECK(io == IO_FAIL || size == 5);
            }
        }
        http_done(stage.stream);
        stage.stream = NULL;
    }
    stage_turn(&stage);
    shut(&stage);
}

TEST(a_client_bears_that_any_allocation_fails)
{
    test_every_allocation_fails(call, NULL);
}
