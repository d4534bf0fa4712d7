/* fuzz_h2_client.c: bytes of a host to an HTTP/2 connection with requests under way: GET, HEAD, an upload, and (once
 * the host offers it) a WebSocket. However they are cut, heads that are taken are fit for HTTP/1 and the same, as are
 * whole bodies; memory stays in bounds, and behind the host's end no stream waits any more.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz.h"
#include "fuzz/fuzz_h1.h"
#include "http/h2/h2_internal.h"
#include "net/pair.h"

#include <stdlib.h>

enum { INPUT_BYTES_MAX = 6000, ROOM = 1 << 16, STREAMS = 4, GET = 0, HEAD, UPLOAD, SOCKET };

struct asking {
    struct fuzz_stage stage;
    struct fuzz_conn conn;
    struct http_stream *streams[STREAMS];
    struct chain bodies[STREAMS];
    bool taken[STREAMS], whole[STREAMS], over[STREAMS];
    struct chain out;
};

static void mark(struct task *task)
{
    container_of(task, struct fuzz_task, task)->woken = true;
}

static void turn(struct asking *asking)
{
    fuzz_turn(&asking->stage, &asking->conn, &asking->out);
    chain_clear(&asking->out);
}

static void ask(struct asking *asking, int which)
{
    struct http_field key = {STR("Sec-WebSocket-Key"), STR("dGhlIHNhbXBsZSBub25jZQ=="), HEADER_OTHER};
    const struct http_head head = {
        .method = which == HEAD     ? STR("HEAD")
                  : which == UPLOAD ? STR("POST")
                                    : STR("GET"),
        .authority = STR("example.test"),
        .path = STR("/"),
        .protocol = which == SOCKET ? STR("websocket") : STR_EMPTY,
        .headers = {&key, which == SOCKET ? 1 : 0, 1},
        .body_bytes = which == UPLOAD ? -1 : 0,
        .announced_bytes = -1,
    };
    struct error err;

    if (http_room(asking->conn.conn) == 0 || http_open(asking->conn.conn, &asking->streams[which], &err) != IO_OK)
        return;
    asking->streams[which]->owner = &asking->conn.user.task;
    if (http_send_head(asking->streams[which], &head, which != UPLOAD, &err) != IO_OK) {
        ASSERT(err.retry_safe);
        http_done(asking->streams[which]);
        asking->streams[which] = NULL;
    }
    turn(asking);
}

static void open_conn(struct asking *asking)
{
    static const struct http_conn_options options;
    struct fuzz_conn *conn = &asking->conn;
    struct stream *near;
    struct error err;

    *conn = (struct fuzz_conn){.owner = {.task.run = mark}, .user = {.task.run = mark}};
    if (!pair_new(asking->stage.loop, ROOM, &near, &conn->far))
        abort();
    conn->conn = h2_client_new(near, &options, &conn->owner.task, &err);
    ASSERT(conn->conn);
    turn(asking);
}

static void upload(struct asking *asking)
{
    struct chain body = {NULL, NULL, 0};
    struct error err;

    if (!chain_append(&body, loop_blocks(asking->stage.loop), STR("some of it")))
        abort();
    (void)http_send_body(asking->streams[UPLOAD], &body, false, &err);
    chain_clear(&body);
}

/* Heads and trailers; false: nothing more is here. */
static bool take_head(struct asking *asking, int which)
{
    struct http_head *head;
    struct error err;
    enum io io = http_recv_head(asking->streams[which], asking->stage.arena, &head, &err);

    asking->over[which] |= io == IO_FAIL || (io == IO_END && asking->taken[which]);
    if (io != IO_OK)
        return false;
    ASSERT(head->status == 0 || (head->status >= 100 && head->status <= 999));
    ASSERT(head->status != 101 || which == SOCKET);
    fuzz_note(&asking->stage, "%d: ", which);
    fuzz_note_head(&asking->stage, head);
    asking->taken[which] |= head->status >= 200 || head->status == 101;
    return true;
}

static void take(struct asking *asking, int which)
{
    struct error err;
    enum io io;

    while (!asking->taken[which])
        if (!take_head(asking, which))
            return;
    while ((io = http_recv_body(asking->streams[which], &asking->bodies[which], SIZE_MAX, &err)) == IO_OK)
        continue;
    asking->over[which] |= io == IO_FAIL;
    asking->whole[which] |= io == IO_END;
    while (io == IO_END && !asking->over[which])
        if (!take_head(asking, which))
            asking->over[which] = true;
}

static void take_all(struct asking *asking)
{
    turn(asking);
    if (asking->streams[UPLOAD])
        upload(asking);
    for (int i = 0; i < STREAMS; i++)
        if (asking->streams[i] && !asking->over[i])
            take(asking, i);
    ASSERT(h2_of_conn(asking->conn.conn)->session_bytes < 2 * H2_SESSION_BYTES_MAX);
}

static void finish(struct asking *asking)
{
    struct http_conn_facts facts;

    stream_shutdown_write(asking->conn.far);
    take_all(asking);
    http_facts(asking->conn.conn, &facts);
    ASSERT(facts.unfit != HTTP_FIT);
    ASSERT(http_room(asking->conn.conn) == 0);
    for (int i = 0; i < STREAMS; i++) {
        ASSERT(!asking->streams[i] || asking->over[i]);
        if (asking->whole[i]) /* how much comes of one that breaks off is a matter of the cuts */
            fuzz_note_body(&asking->stage, &asking->bodies[i]);
        chain_clear(&asking->bodies[i]);
        if (asking->streams[i])
            http_done(asking->streams[i]);
    }
}

static struct str run(struct str input, const struct fuzz_way *way)
{
    struct asking asking = {.conn = {.conn = NULL}};

    fuzz_open(&asking.stage, way);
    open_conn(&asking);
    for (int i = 0; i < SOCKET; i++)
        ask(&asking, i);
    if (str_starts(input, STR("W"))) { /* a host that offers WebSockets */
        fuzz_send(&asking.stage, &asking.conn, str_of("\0\0\6\4\0\0\0\0\0\0\x8\0\0\0\1", 15));
        ask(&asking, SOCKET);
        input = str_from_offset(input, 1);
    }
    while (input.len > 0) {
        fuzz_send(&asking.stage, &asking.conn, fuzz_piece(way, &input));
        take_all(&asking);
    }
    finish(&asking);
    fuzz_conn_close(&asking.conn);
    return fuzz_close(&asking.stage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= INPUT_BYTES_MAX)
        fuzz_compare(run, str_of((const char *)data, size));
    return 0;
}
