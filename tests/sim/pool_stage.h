/* pool_stage.h: one pool on the machine "gateway" and one host, which is the machine "origin" with a listener of the
 * test's, in the simulated world. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_SIM_POOL_STAGE_H
#define HOLDFAST_TESTS_SIM_POOL_STAGE_H

#include "net/listener.h"
#include "sim/sim.h"
#include "upstream/fetch.h"
#include "upstream/handoff.h"

struct pool_stage {
    struct sim *sim;
    struct loop *gateway, *origin;
    struct hosts *hosts;
    struct host *host;
    struct pool *pool;
    struct transport transport; /* the test's to fill */
    struct listener *listener;
    struct task accept_task; /* run by the origin's loop when somebody waits at the listener */
};

void pool_stage_open(struct pool_stage *stage, uint64_t seed, void (*accept)(struct task *));

/* Ends the pool: what was opened is closed. Then the test closes the origin's streams, and forgets its own tasks. */
void pool_stage_end_pool(struct pool_stage *stage);
void pool_stage_close(struct pool_stage *stage);

struct host_totals pool_stage_totals(const struct pool_stage *stage);

/* A request to the host. */
struct http_head pool_stage_head(const struct pool_stage *stage, struct str method, struct str path);

/* What a test answers: 200 with two bytes. True: all of it is sent. */
bool pool_stage_answer(struct stream *stream);

#endif
