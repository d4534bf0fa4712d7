/* pool_stage.c: a pool and its one host in the simulated world. SPDX-License-Identifier: Apache-2.0 */
#include "pool_stage.h"

#include "harness/test.h"

enum { PORT = 80 };

void pool_stage_open(struct pool_stage *stage, uint64_t seed, void (*accept)(struct task *))
{
    struct addr any = {.family = ADDR_IPV6, .port = PORT}, origin;
    struct listen_options listen = {.backlog = 512};
    struct host_key key = {0};
    char text[ADDR_TEXT_BYTES];
    struct error err;

    stage->sim = sim_new(seed);
    stage->accept_task.run = accept;
    stage->gateway = sim_loop_new(stage->sim, "gateway");
    stage->origin = sim_loop_new(stage->sim, "origin");
    stage->listener = listener_new(stage->origin, &any, &listen, &stage->accept_task, &err);
    CHECK(stage->listener != NULL);
    origin = sim_addr(stage->sim, "origin", PORT);
    stage->hosts = hosts_new(1);
    CHECK(stage->hosts != NULL);
    key.url = arena_format(test_arena(), "http://%.*s", STR_ARG(addr_format(&origin, text)));
    stage->host = hosts_intern(stage->hosts, &key, &err);
    CHECK(stage->host != NULL);
    stage->pool = pool_new(stage->gateway, NULL, stage->hosts, 0);
    CHECK(stage->pool != NULL);
}

void pool_stage_end_pool(struct pool_stage *stage)
{
    pool_free(stage->pool);
    CHECK_EQ(pool_stage_totals(stage).connections_opened, pool_stage_totals(stage).connections_closed);
    CHECK_EQ(pool_stage_totals(stage).dialing, 0);
}

void pool_stage_close(struct pool_stage *stage)
{
    listener_free(stage->listener);
    hosts_free(stage->hosts);
    task_forget(stage->origin, &stage->accept_task);
    sim_loop_free(stage->sim, stage->gateway);
    sim_loop_free(stage->sim, stage->origin);
    sim_free(stage->sim);
}

struct host_totals pool_stage_totals(const struct pool_stage *stage)
{
    struct host_totals totals;

    host_totals(stage->host, &totals);
    return totals;
}

struct http_head pool_stage_head(const struct pool_stage *stage, struct str method, struct str path)
{
    return (struct http_head){
        .method = method, .authority = stage->host->authority, .path = path, .version_minor = 1, .announced_bytes = -1};
}

bool pool_stage_answer(struct stream *stream)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct iovec part = {(void *)(uintptr_t)text, sizeof(text) - 1};
    struct error err;
    size_t sent;

    return stream_writev(stream, &part, 1, &sent, &err) == IO_OK && sent == part.iov_len;
}
