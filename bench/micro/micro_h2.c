/* micro_h2.c: requests over one HTTP/2 connection, for bench_micro: heads in and out, a body, frames, without TLS and
 * without a gateway behind it. nghttp2 is on both sides; its instructions are not counted (bench_micro.py counts src/).
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/micro.h"
#include "http/h2/h2.h"
#include "net/pair.h"
#include "sim/sim.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7, ROOM = 1 << 20, TOGETHER = 8, ANSWER_BYTES = 128, ARENA_BYTES = 1 << 20 };

#define FIELD(name, value)                                                                                             \
    {                                                                                                                  \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,              \
            NGHTTP2_NV_FLAG_NONE                                                                                       \
    }

/* As h2load asks, and as a server answers through the gateway. */
static const nghttp2_nv request[] = {FIELD(":path", "/bytes/128"), FIELD(":scheme", "https"),
                                     FIELD(":authority", "127.0.0.1:8443"), FIELD(":method", "GET"),
                                     FIELD("user-agent", "h2load nghttp2/1.52.0")};
static const struct {
    enum header_id id;
    struct str value;
} answer[] = {{HEADER_SERVER, STR_INIT("nginx")},
              {HEADER_CONTENT_TYPE, STR_INIT("application/octet-stream")},
              {HEADER_X_KRAKEND, STR_INIT("Version 2.13.0")},
              {HEADER_X_KRAKEND_COMPLETED, STR_INIT("false")}};

static const char body[ANSWER_BYTES];

struct stage {
    struct loop *loop;
    struct stream *far;
    struct http_conn *conn;
    struct task task;
    struct slab *pages;
    nghttp2_session *client;
    unsigned answered;
};

static void need(bool good)
{
    if (!good)
        abort();
}

static void run_nothing(struct task *task)
{
    (void)task;
}

static int count_answer(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    struct stage *stage = user;

    (void)session;
    (void)id;
    stage->answered += error == NGHTTP2_NO_ERROR;
    return 0;
}

static void client_open(struct stage *stage)
{
    nghttp2_session_callbacks *callbacks;

    need(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, count_answer);
    need(nghttp2_session_client_new(&stage->client, callbacks, stage) == 0);
    nghttp2_session_callbacks_del(callbacks);
    need(nghttp2_submit_settings(stage->client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
}

/* What the client has to say goes to the conn; what that has said comes back. */
static void exchange_bytes(struct stage *stage)
{
    static uint8_t buffer[1 << 16];
    struct iovec room = {.iov_base = buffer, .iov_len = sizeof(buffer)};
    const uint8_t *bytes;
    struct error err;
    size_t moved;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(stage->client, &bytes)) > 0) {
        struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = (size_t)len};

        need(stream_writev(stage->far, &part, 1, &moved, &err) == IO_OK && moved == (size_t)len);
    }
    for (int i = 0; i < 4; i++)
        loop_turn(stage->loop, 0);
    while (stream_readv(stage->far, &room, 1, &moved, &err) == IO_OK)
        need(nghttp2_session_mem_recv(stage->client, buffer, moved) == (ssize_t)moved);
}

static void serve(struct stage *stage, struct http_stream *stream)
{
    struct arena *arena = arena_new(stage->pages, ARENA_BYTES);
    struct http_head *asked, head = {.status = 200, .body_bytes = ANSWER_BYTES, .announced_bytes = ANSWER_BYTES};
    struct chain chain = {NULL, NULL, 0};
    struct error err;

    stream->owner = &stage->task;
    need(http_recv_head(stream, arena, &asked, &err) == IO_OK);
    for (size_t i = 0; i < COUNT_OF(answer); i++)
        need(headers_add_id(&head.headers, arena, answer[i].id, answer[i].value));
    need(chain_append(&chain, loop_blocks(stage->loop), str_of(body, sizeof(body))));
    need(http_send_head(stream, &head, false, &err) == IO_OK);
    need(http_send_body(stream, &chain, true, &err) == IO_OK);
    http_done(stream);
    arena_free(arena);
}

static void ask(struct stage *stage, unsigned count)
{
    unsigned before = stage->answered;
    struct http_stream *stream;
    struct error err;

    for (unsigned i = 0; i < count; i++)
        need(nghttp2_submit_request(stage->client, NULL, request, COUNT_OF(request), NULL, NULL) > 0);
    exchange_bytes(stage);
    while (http_accept(stage->conn, &stream, &err) == IO_OK)
        serve(stage, stream);
    exchange_bytes(stage);
    need(stage->answered == before + count);
}

void micro_h2(unsigned rounds)
{
    const struct http_conn_options options = {.idle_timeout_ns = 60 * SIM_SECOND};
    struct stage stage = {.task = {.run = run_nothing}, .pages = slab_new(4096, 16)};
    struct sim *sim = sim_new(SEED);
    struct stream *near;
    struct error err;

    stage.loop = sim_loop_new(sim, "gateway");
    need(pair_new(stage.loop, ROOM, &near, &stage.far));
    stage.conn = h2_server_new(near, NULL, &options, &stage.task, &err);
    need(stage.conn != NULL);
    client_open(&stage);
    for (unsigned i = 0; i < rounds; i++)
        ask(&stage, TOGETHER);
    nghttp2_session_del(stage.client);
    stream_close(stage.far, false);
    http_close(stage.conn);
    sim_loop_free(sim, stage.loop);
    sim_free(sim);
    slab_free(stage.pages);
}
