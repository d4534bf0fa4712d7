/* pool_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "pool_stage.h"

void pool_stage_open(struct pool_stage *stage, struct hosts *hosts, unsigned worker)
{
    struct error err;

    *stage = (struct pool_stage){.world = linux_world_new(&err)};
    CHECK(stage->world != NULL);
    stage->loop = loop_new(stage->world);
    CHECK(stage->loop != NULL);
    stage->pool = pool_new(stage->loop, NULL, hosts, worker);
    CHECK(stage->pool != NULL);
}

void pool_stage_turn(struct pool_stage *stage)
{
    loop_turn(stage->loop, 0);
}

void pool_stage_close_far_ends(struct pool_stage *stage)
{
    while (stage->count > 0)
        stream_close(stage->far[--stage->count], false);
    pool_stage_turn(stage);
}

void pool_stage_close(struct pool_stage *stage)
{
    pool_free(stage->pool);
    pool_stage_close_far_ends(stage);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    linux_world_free(stage->world);
}

struct pooled *pool_stage_conn(struct pool_stage *stage, struct host *host, const struct transport *transport)
{
    struct stream *near;
    struct pooled *pooled;
    struct error err;

    CHECK(stage->count < FAR_MAX);
    CHECK(pair_new(stage->loop, 4096, &near, &stage->far[stage->count++]));
    CHECK(gate_enter(host, 0));
    pooled = pool_adopt(stage->pool, host, transport, near, &err);
    CHECK(pooled != NULL);
    return pooled;
}

struct hosts *pool_stage_hosts(unsigned workers, struct host *host[2])
{
    struct hosts *hosts = hosts_new(workers);
    struct error err;

    CHECK(hosts != NULL);
    host[0] = hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err);
    host[1] = hosts_intern(hosts, &(struct host_key){.url = STR("http://b")}, &err);
    CHECK(host[0] && host[1]);
    return hosts;
}

void check_counts(const struct host *host, uint64_t opened, uint64_t closed, uint64_t idle, uint64_t active)
{
    struct host_totals totals;

    host_totals(host, &totals);
    CHECK_EQ(totals.connections_opened, opened);
    CHECK_EQ(totals.connections_closed, closed);
    CHECK_EQ(totals.idle, idle);
    CHECK_EQ(totals.active, active);
    CHECK_EQ(atomic_load(&host->idle), idle);
}
