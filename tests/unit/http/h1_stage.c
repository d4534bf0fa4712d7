/* h1_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "h1_stage.h"

#include <stdlib.h>

static void count_run(struct task *task)
{
    container_of(task, struct probe, task)->runs++;
}

void stage_open(struct h1_stage *stage, enum http_role role, const struct http_conn_options *options, size_t room)
{
    static const struct http_conn_options none;
    struct stream *near;

    *stage = (struct h1_stage){.owner = {.task = {.run = count_run}}, .user = {.task = {.run = count_run}}};
    fake_world_init(&stage->fake);
    stage->fake.now_ns = 1000 * SECONDS;
    stage->fake.wall_ns = 784111777 * SECONDS;
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    stage->arena = test_arena();
    if (!pair_new(stage->loop, room ? room : STAGE_ROOM, &near, &stage->far))
        test_fail(__FILE__, __LINE__, "no pair");
    if (!options)
        options = &none;
    stage->conn = role == HTTP_SERVER ? h1_server_new(near, options, &stage->owner.task, &stage->err)
                                      : h1_client_new(near, options, &stage->owner.task, &stage->err);
    CHECK(stage->conn != NULL);
    stage_turn(stage);
}

void stage_close(struct h1_stage *stage)
{
    if (stage->stream)
        http_done(stage->stream);
    http_close(stage->conn);
    stream_close(stage->far, false);
    task_forget(stage->loop, &stage->owner.task);
    task_forget(stage->loop, &stage->user.task);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
}

void stage_turn(struct h1_stage *stage)
{
    uint64_t runs;

    do {
        runs = loop_stats(stage->loop)->tasks_run;
        loop_turn(stage->loop, 0);
    } while (loop_stats(stage->loop)->tasks_run != runs);
}

void stage_pass(struct h1_stage *stage, uint64_t duration_ns)
{
    stage_turn(stage);
    stage->fake.now_ns += duration_ns;
    stage_turn(stage);
}

void far_send(struct h1_stage *stage, struct str text)
{
    struct error err;

    while (text.len > 0) {
        struct iovec part = {(void *)(uintptr_t)text.data, text.len};
        size_t sent = 0;

        CHECK_EQ(stream_writev(stage->far, &part, 1, &sent, &err), IO_OK);
        text = str_from_offset(text, sent);
        stage_turn(stage);
    }
}

struct str far_text(struct h1_stage *stage)
{
    char *text = arena_alloc(stage->arena, STAGE_TEXT_MAX, 1);
    size_t len = 0;
    enum io io = IO_OK;

    CHECK(text != NULL);
    stage_turn(stage);
    while (io == IO_OK) {
        struct iovec part = {text + len, STAGE_TEXT_MAX - len};
        size_t got = 0;

        io = stream_readv(stage->far, &part, 1, &got, &stage->err);
        len += io == IO_OK ? got : 0;
        stage_turn(stage);
    }
    stage->far_ended |= io == IO_END;
    stage->far_reset |= io == IO_FAIL;
    return str_of(text, len);
}

void far_end(struct h1_stage *stage)
{
    stream_shutdown_write(stage->far);
    stage_turn(stage);
}

void far_close(struct h1_stage *stage, bool reset)
{
    stream_close(stage->far, reset);
    stage->far = NULL;
    stage_turn(stage);
}

enum io stage_accept_io(struct h1_stage *stage)
{
    struct http_stream *stream = NULL;
    enum io io;

    stage_turn(stage);
    io = http_accept(stage->conn, &stream, &stage->err);
    if (io == IO_OK) {
        CHECK(!stage->stream);
        stage->stream = stream;
        stream->owner = &stage->user.task;
    }
    return io;
}

void stage_accept(struct h1_stage *stage)
{
    CHECK_EQ(stage_accept_io(stage), IO_OK);
}

void stage_open_stream(struct h1_stage *stage)
{
    stage_turn(stage);
    CHECK_EQ(http_room(stage->conn), 1);
    CHECK_EQ(http_open(stage->conn, &stage->stream, &stage->err), IO_OK);
    stage->stream->owner = &stage->user.task;
}

enum io stage_recv_head(struct h1_stage *stage)
{
    stage_turn(stage);
    stage->head = NULL;
    return http_recv_head(stage->stream, stage->arena, &stage->head, &stage->err);
}

void stage_head(struct h1_stage *stage)
{
    enum io io = stage_recv_head(stage);

    if (io == IO_FAIL)
        test_fail(__FILE__, __LINE__, "head refused: %s", stage->err.text);
    CHECK_EQ(io, IO_OK);
}

void stage_take(struct h1_stage *stage)
{
    stage_accept(stage);
    stage_head(stage);
}

struct str stage_body(struct h1_stage *stage, enum io *last)
{
    struct chain body = {NULL, NULL, 0};
    struct str text;

    do {
        stage_turn(stage);
        *last = http_recv_body(stage->stream, &body, SIZE_MAX, &stage->err);
    } while (*last == IO_OK);
    text = chain_copy(&body, stage->arena);
    CHECK_EQ(text.len, body.size);
    chain_clear(&body);
    return text;
}

enum io stage_send_body(struct h1_stage *stage, struct str text, bool end)
{
    struct chain body = {NULL, NULL, 0};
    enum io io;

    CHECK(chain_append(&body, loop_blocks(stage->loop), text));
    io = http_send_body(stage->stream, &body, end, &stage->err);
    if (io == IO_OK)
        CHECK_EQ(body.size, 0);
    chain_clear(&body);
    return io;
}

void stage_done(struct h1_stage *stage)
{
    http_done(stage->stream);
    stage->stream = NULL;
    stage_turn(stage);
}

void stage_answer(struct h1_stage *stage, struct str body)
{
    struct http_head head = stage_response(200, (int64_t)body.len);

    CHECK_EQ(http_send_head(stage->stream, &head, body.len == 0, &stage->err), IO_OK);
    if (body.len > 0)
        CHECK_EQ(stage_send_body(stage, body, true), IO_OK);
    stage_done(stage);
}

struct http_head stage_request(const char *method, const char *path, int64_t body_bytes)
{
    return (struct http_head){.method = str_from(method),
                              .authority = STR("example.test"),
                              .path = str_from(path),
                              .version_minor = 1,
                              .body_bytes = body_bytes,
                              .announced_bytes = -1};
}

struct http_head stage_response(uint16_t status, int64_t body_bytes)
{
    return (struct http_head){.status = status, .version_minor = 1, .body_bytes = body_bytes, .announced_bytes = -1};
}

struct str without_date(struct str text)
{
    size_t at = str_find(text, STR("Date: ")), end = at + STR("Date: \r\n").len + HTTP_DATE_BYTES - 1;
    char *copy;

    if (at == text.len)
        return text;
    CHECK(end <= text.len);
    copy = arena_alloc(test_arena(), text.len, 1);
    memcpy(copy, text.data, at);
    memcpy(copy + at, text.data + end, text.len - end);
    return str_of(copy, text.len - (end - at));
}

void stage_head_runs_out(struct h1_stage *stage, uint64_t left_ns)
{
    struct http_head head = stage_response(408, 0);

    stage_pass(stage, left_ns - 1);
    CHECK_EQ(stage_accept_io(stage), IO_WAIT);
    stage_pass(stage, 1);
    stage_accept(stage);
    CHECK_EQ(stage_recv_head(stage), IO_FAIL);
    CHECK_EQ(stage->err.code, ERROR_HEAD_TIMEOUT);
    CHECK_EQ(http_send_head(stage->stream, &head, true, &stage->err), IO_OK);
    stage_done(stage);
}
