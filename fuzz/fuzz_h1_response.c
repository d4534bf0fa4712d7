/* fuzz_h1_response.c: bytes of a server to an HTTP/1 client. The first byte chooses the request. Each scanner and each
 * way of feeding must understand the same answer and judge the connection the same; an answer that is taken is relayed
 * to a second client, which must understand the same again. SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_h1.h"

enum { INPUT_BYTES_MAX = 6000 };

enum part { HEAD, BODY, TRAILERS, OVER };

struct asking {
    struct fuzz_stage stage;
    struct fuzz_conn conn;
    const struct fuzz_way *way;
    struct str method;
    enum part part;
    struct http_head *head;
    struct chain body;
};

static void note_fitness(struct asking *asking)
{
    struct http_conn_facts facts;

    http_facts(asking->conn.conn, &facts);
    fuzz_note(&asking->stage, "unfit %d, hints %lld %lld\n", facts.unfit, (long long)facts.hint_timeout_s,
              (long long)facts.hint_max);
    ASSERT(facts.unfit == HTTP_FIT || http_room(asking->conn.conn) == 0);
}

static void let_go(struct asking *asking)
{
    chain_clear(&asking->body);
    http_done(asking->conn.stream);
    asking->conn.stream = NULL;
    asking->part = OVER;
}

static void send_request(struct asking *asking)
{
    struct http_head head = {
        .method = asking->method, .authority = STR("a"), .path = STR("/"), .version_minor = 1, .announced_bytes = -1};
    struct error err;

    ASSERT(http_open(asking->conn.conn, &asking->conn.stream, &err) == IO_OK);
    asking->conn.stream->owner = &asking->conn.user.task;
    ASSERT(http_send_head(asking->conn.stream, &head, true, &err) == IO_OK);
    fuzz_turn(&asking->stage, &asking->conn, NULL);
}

/* Answers a client with the head and body in hand; what goes over the wire. */
static struct str relay_out(struct asking *asking, struct str request)
{
    struct chain wire = {NULL, NULL, 0}, body = {NULL, NULL, 0};
    struct fuzz_conn server;
    struct http_head *head;
    struct error err;
    struct str text;

    fuzz_conn_open(&asking->stage, &server, HTTP_SERVER, asking->way->scanner);
    fuzz_send(&asking->stage, &server, request);
    ASSERT(http_accept(server.conn, &server.stream, &err) == IO_OK);
    ASSERT(http_recv_head(server.stream, asking->stage.arena, &head, &err) == IO_OK);
    ASSERT(http_send_head(server.stream, asking->head, asking->head->body_bytes == 0, &err) == IO_OK);
    chain_move(&body, &asking->body, SIZE_MAX);
    if (asking->head->body_bytes != 0)
        ASSERT(http_send_body(server.stream, &body, true, &err) == IO_OK);
    http_done(server.stream);
    server.stream = NULL;
    fuzz_turn(&asking->stage, &server, &wire);
    ASSERT(!server.far_ended);
    text = chain_copy(&wire, asking->stage.arena);
    chain_clear(&wire);
    fuzz_conn_close(&server);
    return text;
}

/* What a second client makes of it. */
static void relay_in(struct asking *asking, struct str wire, struct str body)
{
    struct asking second = {.stage = asking->stage, .method = asking->method};
    struct chain received = {NULL, NULL, 0};
    struct http_head *head;
    struct error err;

    fuzz_conn_open(&second.stage, &second.conn, HTTP_CLIENT, asking->way->scanner);
    send_request(&second);
    fuzz_send(&second.stage, &second.conn, wire);
    ASSERT(http_recv_head(second.conn.stream, second.stage.arena, &head, &err) == IO_OK);
    ASSERT(head->status == asking->head->status);
    while (http_recv_body(second.conn.stream, &received, SIZE_MAX, &err) == IO_OK)
        continue;
    ASSERT(http_recv_body(second.conn.stream, &received, SIZE_MAX, &err) == IO_END);
    ASSERT(str_eq(chain_copy(&received, second.stage.arena), body));
    chain_clear(&received);
    let_go(&second);
    fuzz_turn(&second.stage, &second.conn, NULL);
    ASSERT(http_room(second.conn.conn) == 1);
    fuzz_conn_close(&second.conn);
}

static void relay(struct asking *asking)
{
    struct str body = chain_copy(&asking->body, asking->stage.arena);
    struct str request = str_eq(asking->method, STR("HEAD")) ? STR("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
                                                             : STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n");

    relay_in(asking, relay_out(asking, request), body);
}

static bool fail(struct asking *asking, const char *what, const struct error *err)
{
    ASSERT(err->fault == FAULT_UPSTREAM);
    fuzz_note(&asking->stage, "%s %s\n", what, error_code_name(err->code));
    let_go(asking);
    return false;
}

/* Each returns true when there may be more to do. */
static bool take_head(struct asking *asking)
{
    struct error err;
    enum io io = http_recv_head(asking->conn.stream, asking->stage.arena, &asking->head, &err);

    if (io == IO_FAIL)
        return fail(asking, "refused", &err);
    if (io == IO_OK)
        fuzz_note_head(&asking->stage, asking->head);
    if (io == IO_OK && asking->head->status >= 200)
        asking->part = BODY;
    return io != IO_WAIT;
}

static bool take_body(struct asking *asking)
{
    struct error err;
    enum io io = http_recv_body(asking->conn.stream, &asking->body, SIZE_MAX, &err);

    if (io == IO_FAIL)
        return fail(asking, "cut", &err);
    if (io == IO_END)
        asking->part = TRAILERS;
    return io != IO_WAIT;
}

static bool take_trailers(struct asking *asking)
{
    struct http_head *trailers;
    struct error err;
    enum io io = http_recv_head(asking->conn.stream, asking->stage.arena, &trailers, &err);

    ASSERT(io == IO_OK || io == IO_END);
    if (io == IO_OK)
        fuzz_note_head(&asking->stage, trailers);
    fuzz_note_body(&asking->stage, &asking->body);
    relay(asking);
    let_go(asking);
    return false;
}

static bool step(struct asking *asking)
{
    switch (asking->part) {
    case HEAD:
        return take_head(asking);
    case BODY:
        return take_body(asking);
    case TRAILERS:
        return take_trailers(asking);
    case OVER:
        return false;
    }
    return false;
}

static void ask(struct asking *asking)
{
    fuzz_turn(&asking->stage, &asking->conn, NULL);
    while (fuzz_was_woken(&asking->conn)) {
        while (step(asking))
            continue;
        fuzz_turn(&asking->stage, &asking->conn, NULL);
    }
}

static struct str run(struct str input, const struct fuzz_way *way)
{
    struct asking asking = {.way = way};

    asking.method = input.data[0] & 1 ? STR("HEAD") : STR("GET");
    input = str_from_offset(input, 1);
    fuzz_open(&asking.stage, way);
    fuzz_conn_open(&asking.stage, &asking.conn, HTTP_CLIENT, way->scanner);
    send_request(&asking);
    step(&asking);
    while (input.len > 0) {
        fuzz_send(&asking.stage, &asking.conn, fuzz_piece(way, &input));
        ask(&asking);
    }
    stream_shutdown_write(asking.conn.far);
    ask(&asking);
    ASSERT(asking.part == OVER);
    note_fitness(&asking);
    fuzz_conn_close(&asking.conn);
    return fuzz_close(&asking.stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && size <= INPUT_BYTES_MAX)
        fuzz_compare(run, str_of((const char *)data, size));
    return 0;
}
