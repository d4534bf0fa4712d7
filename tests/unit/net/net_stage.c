/* net_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "net_stage.h"

#include "net/tcp_internal.h"

static void count_run(struct task *task)
{
    container_of(task, struct probe, task)->runs++;
}

void probe_init(struct probe *probe)
{
    *probe = (struct probe){.task.run = count_run};
}

void net_stage_open(struct net_stage *stage)
{
    struct error err;

    stage->world = linux_world_new(&err);
    CHECK(stage->world != NULL);
    stage->loop = loop_new(stage->world);
    CHECK(stage->loop != NULL);
    for (size_t i = 0; i < COUNT_OF(stage->probes); i++)
        probe_init(&stage->probes[i]);
}

void net_stage_close(struct net_stage *stage)
{
    for (size_t i = 0; i < COUNT_OF(stage->probes); i++)
        task_forget(stage->loop, &stage->probes[i].task);
    CHECK_EQ(slab_out(loop_pages(stage->loop)), 0);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    linux_world_free(stage->world);
}

void net_stage_until(struct net_stage *stage, bool (*done)(void *arg), void *arg)
{
    uint64_t limit_ns = stage->world->ops->now_ns(stage->world) + UINT64_C(20000000000);

    while (!done(arg)) {
        if (stage->world->ops->now_ns(stage->world) >= limit_ns)
            test_fail(__FILE__, __LINE__, "nothing happened within 20 s");
        loop_turn(stage->loop, limit_ns);
    }
}

struct awaited_run {
    const struct probe *probe;
    unsigned runs;
};

static bool has_run(void *arg)
{
    const struct awaited_run *awaited = arg;

    return awaited->probe->runs > awaited->runs;
}

void net_stage_until_run(struct net_stage *stage, struct probe *probe)
{
    struct awaited_run awaited = {probe, probe->runs};

    net_stage_until(stage, has_run, &awaited);
}

void net_stage_for(struct net_stage *stage, uint64_t duration_ns)
{
    uint64_t end_ns = stage->world->ops->now_ns(stage->world) + duration_ns;

    do {
        loop_turn(stage->loop, end_ns);
    } while (stage->world->ops->now_ns(stage->world) < end_ns);
}

struct listener *net_stage_listen(struct net_stage *stage, const char *text)
{
    static const struct listen_options options = {.backlog = 16};
    struct listener *listener;
    struct error err;
    struct addr addr;

    CHECK(addr_parse(str_from(text), &addr, &err));
    listener = listener_new(stage->loop, &addr, &options, &stage->probes[3].task, &err);
    if (!listener)
        test_fail(__FILE__, __LINE__, "%s", err.text);
    return listener;
}

struct stream *net_stage_accept(struct net_stage *stage, struct listener *listener)
{
    struct stream *stream = NULL;
    struct error err;
    enum io io;

    while ((io = listener_accept(listener, &stream, &err)) == IO_WAIT)
        net_stage_until_run(stage, &stage->probes[3]);
    CHECK_EQ(io, IO_OK);
    return stream;
}

void net_stage_connect(struct net_stage *stage, struct stream **near, struct stream **far)
{
    static const struct socket_options options = {.no_delay = true};
    struct listener *listener = net_stage_listen(stage, "127.0.0.1:0");
    struct error err;
    enum io io;

    *near = tcp_stream_connect(stage->loop, listener_addr(listener), &options, &stage->probes[0].task, &err);
    CHECK(*near != NULL);
    *far = net_stage_accept(stage, listener);
    stream_set_owner(*far, &stage->probes[1].task, false);
    while ((io = tcp_stream_connected(*near, &err)) == IO_WAIT)
        net_stage_until_run(stage, &stage->probes[0]);
    CHECK_EQ(io, IO_OK);
    listener_free(listener);
}

enum io read_into(struct stream *stream, char *out, size_t size, size_t *got)
{
    struct iovec part = {out, size};
    struct error err;

    *got = 0;
    return stream_readv(stream, &part, 1, got, &err);
}

enum io write_text(struct stream *stream, struct str text, size_t *sent)
{
    struct iovec part = test_part(text);
    struct error err;

    *sent = 0;
    return stream_writev(stream, &part, 1, sent, &err);
}

struct addr refusing_addr(struct net_stage *stage, const char *ip)
{
    struct listener *listener = net_stage_listen(stage, ip);
    struct addr addr = *listener_addr(listener);

    listener_free(listener);
    return addr;
}
