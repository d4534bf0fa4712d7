/* gateway_stage.h: a whole gateway in the simulator: everything from the frontend to the pool, composed as app/worker.c
 * does it, with the simulator's world and resolver below. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_SIM_GATEWAY_STAGE_H
#define HOLDFAST_TESTS_SIM_GATEWAY_STAGE_H

#include "gateway/frontend.h"
#include "sim/sim.h"

enum { GATEWAY_WORKERS_MAX = 8, GATEWAY_PORT = 8080 };

struct gateway_worker {
    struct loop *loop;
    struct resolver *resolver;
    struct pool *pool;
    struct frontend *frontend;
    struct task drained;
};

/* Runs on the machine "gateway". The checks of every turn: what was opened is closed, idle or lent; what is new, closed
 * or sent again has a reason; nothing goes below zero. */
struct gateway_stage {
    struct sim *sim;
    struct hosts *hosts;
    struct generation *generation;
    struct gateway_worker workers[GATEWAY_WORKERS_MAX];
    unsigned worker_count;
};

/* Loads the configuration (borrowed until gateway_close) and listens on GATEWAY_PORT in all workers; a bad
 * configuration fails the run. */
void gateway_open(struct gateway_stage *stage, struct sim *sim, const char *config, unsigned workers);

/* Starts the drain of all workers. */
void gateway_drain(struct gateway_stage *stage, uint64_t window_ns);
/* The same for the listener, which is closed at once; who is left after limit_ns is cut. */
void gateway_drain_listener(struct gateway_stage *stage, uint64_t window_ns, uint64_t limit_ns);
bool gateway_is_empty(const struct gateway_stage *stage); /* no client connection is left */

/* Frees everything; what is left over (blocks, pages, descriptors, lent connections) fails the run. */
void gateway_close(struct gateway_stage *stage);

#endif
