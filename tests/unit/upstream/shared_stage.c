/* shared_stage.c: a pool whose connections carry many requests, and a host that the test plays.
 * SPDX-License-Identifier: Apache-2.0 */
#include "shared_stage.h"

enum { SETTING_STREAMS = 3, HEADER_BYTES = 9 };

void stage_open(struct shared_stage *stage)
{
    struct error err;

    *stage = (struct shared_stage){.hosts = hosts_new(1)};
    fake_world_init(&stage->fake);
    stage->transport.idle_policy = IDLE_NEVER;
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop && stage->hosts);
    stage->host =
        hosts_intern(stage->hosts, &(struct host_key){.url = STR("http://a"), .protocol = PROTOCOL_H2C}, &err);
    stage->pool = pool_new(stage->loop, NULL, stage->hosts, 0);
    CHECK(stage->host && stage->pool);
}

struct host_totals stage_totals(const struct shared_stage *stage)
{
    struct host_totals totals;

    host_totals(stage->host, &totals);
    CHECK_EQ(totals.connections_opened, totals.connections_closed + totals.idle + totals.active);
    return totals;
}

void stage_close(struct shared_stage *stage)
{
    pool_free(stage->pool);
    CHECK_EQ(stage_totals(stage).connections_opened, stage_totals(stage).connections_closed);
    CHECK_EQ(stage_totals(stage).streams, 0);
    CHECK_EQ(atomic_load(&stage->host->counts[0].beside), 0);
    CHECK_EQ(atomic_load(&stage->host->open), 0);
    while (stage->count > 0)
        stream_close(stage->far[--stage->count], false);
    loop_turn(stage->loop, 0);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    hosts_free(stage->hosts);
}

void stage_turns(struct shared_stage *stage)
{
    for (int i = 0; i < 8; i++)
        loop_turn(stage->loop, 0);
}

void stage_pass(struct shared_stage *stage, uint64_t seconds)
{
    stage->fake.now_ns += seconds * UINT64_C(1000000000);
    stage_turns(stage);
}

void far_say_with(struct shared_stage *stage, unsigned conn, uint8_t type, uint8_t flags, const uint8_t *payload,
                  uint8_t len)
{
    uint8_t bytes[64] = {0, 0, len, type, flags};
    struct iovec part = {.iov_base = bytes, .iov_len = (size_t)HEADER_BYTES + len};
    struct error err;
    size_t sent;

    memcpy(bytes + HEADER_BYTES, payload, len);
    CHECK_EQ(stream_writev(stage->far[conn], &part, 1, &sent, &err), IO_OK);
    CHECK_EQ(sent, part.iov_len);
    stage_turns(stage);
}

void far_say(struct shared_stage *stage, unsigned conn, uint8_t type, const uint8_t *payload, uint8_t len)
{
    far_say_with(stage, conn, type, 0, payload, len);
}

void far_allow(struct shared_stage *stage, unsigned conn, uint8_t streams)
{
    far_say(stage, conn, FRAME_SETTINGS, (const uint8_t[]){0, SETTING_STREAMS, 0, 0, 0, streams}, 6);
}

void far_go_away(struct shared_stage *stage, unsigned conn)
{
    far_say(stage, conn, FRAME_GOAWAY, (const uint8_t[8]){0}, 8);
}

unsigned far_frames(struct shared_stage *stage, unsigned conn, uint8_t type)
{
    uint8_t bytes[4096];
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    size_t got = 0, at = 0;
    unsigned count = 0;
    struct error err;

    if (stream_readv(stage->far[conn], &part, 1, &got, &err) != IO_OK)
        return 0;
    if (got > 3 && memcmp(bytes, "PRI", 3) == 0)
        at = STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").len;
    for (; at + HEADER_BYTES <= got; at += HEADER_BYTES + ((size_t)bytes[at + 1] << 8 | bytes[at + 2]))
        count += bytes[at + 3] == type;
    return count;
}

struct pooled *stage_dialed(struct shared_stage *stage)
{
    struct stream *near;
    struct pooled *pooled;
    struct error err;

    CHECK(stage->count < SHARED_CONNS_MAX);
    CHECK(pair_new(stage->loop, 16384, &near, &stage->far[stage->count++]));
    CHECK(gate_enter(stage->host, 0));
    pooled = pool_adopt(stage->pool, stage->host, &stage->transport, near, &err);
    CHECK(pooled != NULL);
    CHECK(pooled->conn->multiplexed);
    stage_turns(stage);
    return pooled;
}

struct http_stream *stage_begin(struct pooled *pooled)
{
    struct http_stream *stream;
    struct error err;

    CHECK_EQ(http_open(pooled->conn, &stream, &err), IO_OK);
    return stream;
}

void stage_give_back(struct shared_stage *stage, struct pooled *pooled, struct http_stream *stream)
{
    http_done(stream);
    pool_return(pooled, &stage->transport);
    stage_turns(stage);
}

struct pooled *stage_join(struct shared_stage *stage, const struct shared_pick *pick)
{
    return pool_take_shared(stage->pool, stage->host, &stage->transport, pick);
}

struct http_stream *stage_begin_on(struct shared_stage *stage, struct pooled *pooled)
{
    CHECK(stage_join(stage, &(struct shared_pick){0}) == pooled);
    return stage_begin(pooled);
}
