/* idle_limit_internal.h: what the files of the learned idle limit share: idle_limit.c (decisions and lock-free events),
 * idle_learn.c (closes and estimates, under the lock). Others include idle_limit.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_IDLE_LIMIT_INTERNAL_H
#define HOLDFAST_UPSTREAM_IDLE_LIMIT_INTERNAL_H

#include "base/lines.h"
#include "upstream/idle_estimate.h"
#include "upstream/idle_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

/* Of the estimator, so no settings: each was chosen with the others, and none is a limit of what may happen. */
enum {
    SETTLE_EVENTS = 512,   /* survivals of one worker between its looks at the whole */
    GROWTH_SURVIVALS = 16, /* in the top third of the bound, to raise it by half */
    SENTINEL_WORTH = 4,    /* survivals that count for a sentinel which lived twice the bound */
    SUSPECT_CLOSES = 3,    /* at about one age, to be believed against old survivals */
    CONTRADICTIONS_MAX = 3,
    HINT_RAISES = 16,
    LEARN_CLOSES = 8,
    REQUESTS_PROBE = 64, /* one connection in so many may pass the request limit */
};
#define HINT_NONE UINT64_MAX
#define EAGER_NS  UINT64_C(1000000000) /* past the limit of an eager host, which closes long before */

/* Three closes at about one age: has the limit come down? */
struct idle_suspect {
    uint64_t idle_ns; /* the youngest of them; 0: no suspect */
    uint32_t closes;
    uint32_t past_before; /* survivals at or above, when it began */
};

struct idle_limit {
    /* Published: read on every pick, survival and return; one line, as there may be thousands of hosts. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t usable_ns;
    _Atomic uint64_t any_ns;
    _Atomic uint64_t refresh_ns;
    _Atomic uint64_t probe_ns;   /* survivals from here on count for growth */
    _Atomic uint64_t suspect_ns; /* survivals from here on refute the suspect */
    _Atomic uint32_t generation, epoch;
    _Atomic int64_t hint_s; /* as last given; -1: none yet */
    _Atomic uint32_t requests_max;
    uint32_t workers;

    /* Published: read where a request is not to be sent again, or a connection is at its end. */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t strict_ns; /* the limit less the margin: past it, stale hits are no
                                                              surprise */
    _Atomic uint64_t herd_ns; /* connections of older generations, from this age on, carry idempotent requests only */
    _Atomic uint32_t sentinels, sentinels_max;
    _Atomic uint64_t sentinel_until_ns;

    /* Under the lock. */
    _Alignas(CACHE_LINE_BYTES) pthread_mutex_t lock;
    enum idle_limit_kind kind;
    struct idle_rule rule;
    uint64_t configured_ns, learned_ns, proven_ns, margin_ns;
    uint64_t bound_ns; /* of idempotent requests, while no limit is known */
    uint64_t hint_ns;
    uint32_t contradictions, hint_raises;
    uint32_t probes_before, decayed_at;
    uint32_t outlived;        /* idle periods in a row that went past the wall */
    uint64_t outlived_min_ns; /* the shortest of them */
    uint64_t stale_at_ns;
    uint64_t closes, stale_hits;
    uint32_t restarts;
    bool eager;
    struct idle_suspect suspect;
    struct close_history history;
    uint32_t closed[IDLE_BUCKETS];
    uint32_t forgotten[IDLE_BUCKETS]; /* survivals that no longer count: the host has changed since */
    struct idle_table tables[];
};
static_assert(offsetof(struct idle_limit, strict_ns) == CACHE_LINE_BYTES, "what each request reads is one line");

/* idle_learn.c; all but idle_learn_try under the lock. */
void idle_learn_try(struct idle_limit *limit); /* when nobody else does it just now */
void idle_learn(struct idle_limit *limit);     /* decay, growth, estimate, publish */
void idle_learn_close(struct idle_limit *limit, const struct close_facts *facts);
void idle_learn_sentinel(struct idle_limit *limit, uint64_t idle_ns); /* we closed one */

static inline uint64_t load_u64(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static inline void store_u64(_Atomic uint64_t *value, uint64_t now)
{
    atomic_store_explicit(value, now, memory_order_relaxed);
}

static inline uint32_t load_u32(const _Atomic uint32_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

#endif
