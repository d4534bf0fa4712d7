/* fuzz_h2_server.c: bytes of a client to an HTTP/2 server, behind the preface or with it. However they are cut, heads
 * that are taken are fit for HTTP/1, memory stays in bounds, and the connection ends with a reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_h1.h"
#include "http/h2/h2_internal.h"
#include "net/pair.h"

#include <stdlib.h>

enum { INPUT_BYTES_MAX = 6000, ROOM = 1 << 16 };

struct serving {
    struct fuzz_stage stage;
    struct fuzz_conn conn;
    struct http_conn_options options;
    struct h2_rules rules;
    bool over;
};

static void mark(struct task *task)
{
    container_of(task, struct fuzz_task, task)->woken = true;
}

static void open_conn(struct serving *serving)
{
    struct fuzz_conn *conn = &serving->conn;
    struct stream *near;
    struct error err;

    *conn = (struct fuzz_conn){.owner = {.task.run = mark}, .user = {.task.run = mark}};
    if (!pair_new(serving->stage.loop, ROOM, &near, &conn->far))
        abort();
    serving->rules = h2_rules_default;
    serving->rules.tunnels = true;
    serving->options.h2 = &serving->rules;
    conn->conn = h2_server_new(near, NULL, &serving->options, &conn->owner.task, &err);
    ASSERT(conn->conn);
}

static void check_head(const struct http_head *head)
{
    ASSERT(head->method.len == 0 || header_name_is_valid(head->method)); /* trailers have none */
    ASSERT(str_find_char(head->path, '\r') == head->path.len);
    ASSERT(str_find_char(head->path, '\n') == head->path.len);
    ASSERT(str_find_char(head->path, ' ') == head->path.len);
    for (uint32_t i = 0; i < head->headers.count; i++) {
        ASSERT(header_name_is_valid(head->headers.fields[i].name));
        ASSERT(header_value_is_valid(head->headers.fields[i].value));
    }
}

/* 101 for who asks to switch. */
static void answer(struct serving *serving, uint16_t status, struct str protocol)
{
    struct http_head head = {.status = protocol.len > 0 ? 101 : status,
                             .protocol = protocol,
                             .body_bytes = protocol.len > 0 ? 0 : 2,
                             .announced_bytes = -1};
    struct chain body = {NULL, NULL, 0};
    struct error err;

    if (!chain_append(&body, loop_blocks(serving->stage.loop), STR("ok")))
        abort();
    if (http_send_head(serving->conn.stream, &head, false, &err) == IO_OK)
        (void)http_send_body(serving->conn.stream, &body, true, &err);
    chain_clear(&body);
}

/* One request as far as it is here; the rest of it is not waited for. */
static void serve_stream(struct serving *serving)
{
    struct http_stream *stream = serving->conn.stream;
    struct chain body = {NULL, NULL, 0};
    struct http_head *head;
    struct error err;
    enum io io = http_recv_head(stream, serving->stage.arena, &head, &err);

    if (io == IO_OK) {
        struct str protocol = head->protocol;

        check_head(head);
        while ((io = http_recv_body(stream, &body, SIZE_MAX, &err)) == IO_OK)
            continue;
        if (io == IO_END && http_recv_head(stream, serving->stage.arena, &head, &err) == IO_OK)
            check_head(head);
        answer(serving, 200, protocol);
    } else {
        ASSERT(io == IO_FAIL);
        answer(serving, 400, STR_EMPTY);
    }
    chain_clear(&body);
    http_done(stream);
    serving->conn.stream = NULL;
}

static void serve(struct serving *serving)
{
    struct error err;
    enum io io = IO_OK;

    fuzz_turn(&serving->stage, &serving->conn, NULL);
    while ((io = http_accept(serving->conn.conn, &serving->conn.stream, &err)) == IO_OK) {
        serving->conn.stream->owner = &serving->conn.user.task;
        serve_stream(serving);
        fuzz_turn(&serving->stage, &serving->conn, NULL);
    }
    serving->over |= io == IO_END;
}

static struct str run(struct str input, const struct fuzz_way *way)
{
    struct serving serving = {.over = false};
    struct http_conn_facts facts;
    struct str hello = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

    fuzz_open(&serving.stage, way);
    open_conn(&serving);
    if (!str_starts(input, STR("PRI")))
        fuzz_send(&serving.stage, &serving.conn, hello);
    while (input.len > 0) {
        fuzz_send(&serving.stage, &serving.conn, fuzz_piece(way, &input));
        serve(&serving);
        ASSERT(h2_of_conn(serving.conn.conn)->session_bytes < 2 * H2_SESSION_BYTES_MAX);
    }
    stream_shutdown_write(serving.conn.far);
    serve(&serving);
    serve(&serving);
    ASSERT(serving.over);
    http_facts(serving.conn.conn, &facts);
    ASSERT(facts.end != HTTP_END_NONE);
    fuzz_conn_close(&serving.conn);
    return fuzz_close(&serving.stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= INPUT_BYTES_MAX)
        fuzz_compare(run, str_of((const char *)data, size));
    return 0;
}
