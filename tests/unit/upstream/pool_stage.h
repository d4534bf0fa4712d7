/* pool_stage.h: a worker's pool in the real world, whose connections are pairs: the test has their far ends.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_UPSTREAM_POOL_STAGE_H
#define HOLDFAST_TESTS_UNIT_UPSTREAM_POOL_STAGE_H

#include "harness/test.h"
#include "net/pair.h"
#include "upstream/handoff.h"

enum { FAR_MAX = 64 };

struct pool_stage {
    struct world *world;
    struct loop *loop;
    struct pool *pool;
    struct stream *far[FAR_MAX];
    unsigned count;
};

void pool_stage_open(struct pool_stage *stage, struct hosts *hosts, unsigned worker);
void pool_stage_close(struct pool_stage *stage);
void pool_stage_turn(struct pool_stage *stage);
void pool_stage_close_far_ends(struct pool_stage *stage);

/* A lent connection that was just made. */
struct pooled *pool_stage_conn(struct pool_stage *stage, struct host *host, const struct transport *transport);
struct hosts *pool_stage_hosts(unsigned workers, struct host *host[2]); /* http://a and http://b */
void check_counts(const struct host *host, uint64_t opened, uint64_t closed, uint64_t idle, uint64_t active);

#endif
