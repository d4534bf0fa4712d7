/* idle_samples.h: what one worker saw of a host's idle connections: how old they were when they proved alive, and the
 * delays that a safety margin is made of. Written by that worker only, read by any.
 *
 * Not here: closes (idle_limit.c keeps them under its lock), conclusions (idle_estimate.h). Buckets are logarithmic,
 * cut at the bits of a float: monotone, 10 to 21 % wide, found without a logarithm.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_IDLE_SAMPLES_H
#define HOLDFAST_UPSTREAM_IDLE_SAMPLES_H

#include "base/compiler.h"

#include <stdatomic.h>

enum {
    IDLE_BUCKETS = 128,       /* of idle ages, from 100 us to 2 h; the first and the last are open to their side */
    DELAY_BUCKETS = 80,       /* of round trips and loop lags, from 10 us to 16 s */
    IDLE_DECAY_EVENTS = 4096, /* of all workers: then every count is halved, so that old behaviour fades */
};

/* 128 ages and twice 80 delays: 640 bytes for each host and worker. */
struct idle_table {
    _Alignas(64) _Atomic uint32_t epoch; /* halvings done here; behind the host's: still to be done */
    _Atomic uint32_t events;             /* samples ever; wraps */
    _Atomic uint32_t past_suspect;       /* survivals at or above the suspected limit, ever; wraps */
    _Atomic uint32_t probes;             /* survivals in the top third of the bound, while no limit is known; wraps */
    _Atomic uint32_t requests_most;      /* on one connection */
    _Atomic uint32_t rtt_count, lag_count;
    _Atomic uint64_t age_most_ns; /* of a connection that still answered */
    _Atomic uint16_t survived[IDLE_BUCKETS];
    _Atomic uint16_t rtt[DELAY_BUCKETS], lag[DELAY_BUCKETS];
};

/* Which bucket an age falls into, and the smallest age of a bucket; the edge of IDLE_BUCKETS is 2 h. */
unsigned idle_bucket(uint64_t idle_ns);
uint64_t idle_bucket_ns(unsigned bucket);

/* Counts one survival to idle_ns. `epoch` is the host's. The table's worker only. */
void idle_table_survived(struct idle_table *table, uint32_t epoch, uint64_t idle_ns);

/* Counts one delay into table->rtt or table->lag; halved by itself. The table's worker only. */
void idle_table_delay(_Atomic uint16_t *delays, _Atomic uint32_t *count, uint64_t delay_ns);

/* Adds up all tables as they stand at `epoch`. Any thread; a sum taken while workers write is off by their last few. */
void idle_tables_sum(const struct idle_table *tables, unsigned count, uint32_t epoch, uint32_t sum[IDLE_BUCKETS]);

/* The 99.9th percentile over all tables, as the upper edge of its bucket (not less than the truth, at most 21 % more);
 * 0 without samples. */
uint64_t idle_tables_rtt_ns(const struct idle_table *tables, unsigned count);
uint64_t idle_tables_lag_ns(const struct idle_table *tables, unsigned count);

/* The counters of one worker. */
static inline void idle_count_add(_Atomic uint32_t *count, uint32_t change)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + change, memory_order_relaxed);
}

#endif
