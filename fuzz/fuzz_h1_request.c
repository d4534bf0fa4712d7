/* fuzz_h1_request.c: bytes of a client to an HTTP/1 server. Each scanner and each way of feeding must understand the
 * same requests; each request that is taken is relayed to a second server, which must understand the same again: that
 * is what keeps requests from being smuggled. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_h1.h"

#include <stdlib.h>

enum { INPUT_BYTES_MAX = 6000 };

enum part { HEAD, BODY, TRAILERS };

struct serving {
    struct fuzz_stage stage;
    struct fuzz_conn conn;
    const struct fuzz_way *way;
    enum part part;
    struct http_head *head;
    struct chain body;
    bool over;
};

static void answer(struct serving *serving, uint16_t status)
{
    struct http_head head = {.status = status, .body_bytes = 2, .announced_bytes = -1};
    struct chain body = {NULL, NULL, 0};
    struct error err;

    if (!chain_append(&body, loop_blocks(serving->stage.loop), STR("ok")))
        abort();
    if (http_send_head(serving->conn.stream, &head, false, &err) == IO_OK)
        http_send_body(serving->conn.stream, &body, true, &err);
    chain_clear(&body);
    chain_clear(&serving->body);
    http_done(serving->conn.stream);
    serving->conn.stream = NULL;
    serving->part = HEAD;
}

/* Sends the request on, as a gateway does. */
static void relay_out(struct serving *serving, struct fuzz_conn *client, struct chain *wire)
{
    struct http_head *head = serving->head;
    struct chain body = {NULL, NULL, 0};
    struct error err;

    chain_move(&body, &serving->body, SIZE_MAX);
    if (http_open(client->conn, &client->stream, &err) != IO_OK)
        abort();
    ASSERT(http_send_head(client->stream, head, head->body_bytes == 0, &err) == IO_OK);
    if (head->body_bytes != 0)
        ASSERT(http_send_body(client->stream, &body, true, &err) == IO_OK);
    fuzz_turn(&serving->stage, client, wire);
    chain_clear(&body);
}

static bool fields_are_equal(const struct http_headers *a, const struct http_headers *b)
{
    /* Content-Length is written anew, at another place, and only when there is a body or it was there. */
    uint32_t i = 0, k = 0;

    for (;; i++, k++) {
        while (i < a->count && a->fields[i].id == HEADER_CONTENT_LENGTH)
            i++;
        while (k < b->count && b->fields[k].id == HEADER_CONTENT_LENGTH)
            k++;
        if (i == a->count || k == b->count)
            return i == a->count && k == b->count;
        if (!str_eq(a->fields[i].name, b->fields[k].name) || !str_eq(a->fields[i].value, b->fields[k].value))
            return false;
    }
}

/* What the second server makes of the bytes. */
static void relay_in(struct serving *serving, struct fuzz_conn *server, struct str wire, struct str body)
{
    const struct http_head *first = serving->head;
    struct chain received = {NULL, NULL, 0};
    struct http_stream *another;
    struct http_head *second;
    struct error err;

    fuzz_send(&serving->stage, server, wire);
    ASSERT(http_accept(server->conn, &server->stream, &err) == IO_OK);
    ASSERT(http_recv_head(server->stream, serving->stage.arena, &second, &err) == IO_OK);
    ASSERT(str_eq(first->method, second->method));
    ASSERT(str_eq(first->path, second->path));
    ASSERT(str_eq(first->authority, second->authority));
    ASSERT(first->body_bytes == second->body_bytes);
    ASSERT(fields_are_equal(&first->headers, &second->headers));
    while (http_recv_body(server->stream, &received, SIZE_MAX, &err) == IO_OK)
        continue;
    ASSERT(http_recv_body(server->stream, &received, SIZE_MAX, &err) == IO_END);
    ASSERT(str_eq(chain_copy(&received, serving->stage.arena), body));
    chain_clear(&received);
    answer(&(struct serving){.stage = serving->stage, .conn = *server}, 200);
    server->stream = NULL;
    fuzz_turn(&serving->stage, server, NULL);
    ASSERT(http_accept(server->conn, &another, &err) == IO_WAIT);
}

static void relay(struct serving *serving)
{
    struct str body = chain_copy(&serving->body, serving->stage.arena);
    struct chain wire = {NULL, NULL, 0};
    struct fuzz_conn client, server;

    if (serving->head->path.len == 0) /* CONNECT is not relayed */
        return;
    fuzz_conn_open(&serving->stage, &client, HTTP_CLIENT, serving->way->scanner);
    fuzz_conn_open(&serving->stage, &server, HTTP_SERVER, serving->way->scanner);
    relay_out(serving, &client, &wire);
    relay_in(serving, &server, chain_copy(&wire, serving->stage.arena), body);
    chain_clear(&wire);
    fuzz_conn_close(&client);
    fuzz_conn_close(&server);
}

static void fail(struct serving *serving, const char *what, const struct error *err)
{
    ASSERT(err->fault == FAULT_CLIENT);
    fuzz_note(&serving->stage, "%s %s\n", what, error_code_name(err->code));
    answer(serving, 400);
}

/* Both return true when there may be more to do. */
static bool take_head(struct serving *serving)
{
    struct error err;
    enum io io = http_recv_head(serving->conn.stream, serving->stage.arena, &serving->head, &err);

    if (io == IO_OK) {
        fuzz_note_head(&serving->stage, serving->head);
        serving->part = BODY;
    } else {
        ASSERT(io == IO_FAIL);
        fail(serving, "refused", &err);
    }
    return true;
}

static bool take_body(struct serving *serving)
{
    struct error err;
    enum io io = http_recv_body(serving->conn.stream, &serving->body, SIZE_MAX, &err);

    if (io == IO_FAIL)
        fail(serving, "cut", &err);
    else if (io == IO_END)
        serving->part = TRAILERS;
    return io != IO_WAIT;
}

static bool take_trailers(struct serving *serving)
{
    struct http_head *trailers;
    struct error err;
    enum io io = http_recv_head(serving->conn.stream, serving->stage.arena, &trailers, &err);

    ASSERT(io == IO_OK || io == IO_END);
    if (io == IO_OK)
        fuzz_note_head(&serving->stage, trailers);
    fuzz_note_body(&serving->stage, &serving->body);
    relay(serving);
    answer(serving, 200);
    return true;
}

static bool take_stream(struct serving *serving)
{
    struct error err;
    enum io io = http_accept(serving->conn.conn, &serving->conn.stream, &err);

    if (io == IO_OK)
        serving->conn.stream->owner = &serving->conn.user.task;
    else if (io == IO_END && !serving->over)
        fuzz_note(&serving->stage, "over\n");
    serving->over |= io == IO_END;
    return io == IO_OK;
}

static bool step(struct serving *serving)
{
    if (!serving->conn.stream)
        return take_stream(serving);
    switch (serving->part) {
    case HEAD:
        return take_head(serving);
    case BODY:
        return take_body(serving);
    case TRAILERS:
        return take_trailers(serving);
    }
    return false;
}

/* Goes on only when it was woken: a wake that is lost shows as a record that is shorter. */
static void serve(struct serving *serving)
{
    fuzz_turn(&serving->stage, &serving->conn, NULL);
    while (fuzz_was_woken(&serving->conn)) {
        while (step(serving))
            continue;
        fuzz_turn(&serving->stage, &serving->conn, NULL);
    }
}

static struct str run(struct str input, const struct fuzz_way *way)
{
    struct serving serving = {.way = way};

    fuzz_open(&serving.stage, way);
    fuzz_conn_open(&serving.stage, &serving.conn, HTTP_SERVER, way->scanner);
    while (input.len > 0) {
        fuzz_send(&serving.stage, &serving.conn, fuzz_piece(way, &input));
        serve(&serving);
    }
    stream_shutdown_write(serving.conn.far);
    serve(&serving);
    ASSERT(serving.over);
    chain_clear(&serving.body);
    fuzz_conn_close(&serving.conn);
    return fuzz_close(&serving.stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= INPUT_BYTES_MAX)
        fuzz_compare(run, str_of((const char *)data, size));
    return 0;
}
