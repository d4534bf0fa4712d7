/* watch.c: from what happens in a pool to histograms and the what-if model. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/watch.h"

#include "upstream/connect.h"

#include <stdlib.h>
#include <string.h>

struct watch_stats *watch_new(void)
{
    struct watch_stats *stats = aligned_alloc(_Alignof(struct watch_stats), sizeof(*stats));

    return stats ? memset(stats, 0, sizeof(*stats)) : NULL;
}

/* The first time. NULL: no memory. */
static NOINLINE struct watch_stats *make_stats(struct host_counts *counts)
{
    struct watch_stats *stats = watch_new();

    atomic_store_explicit(&counts->watch, stats, memory_order_release);
    return stats;
}

static struct watch_stats *stats_of(const struct pool *pool, const struct host *host)
{
    struct host_counts *counts = pool_counts(pool, host);
    struct watch_stats *stats = atomic_load_explicit(&counts->watch, memory_order_relaxed);

    return LIKELY(stats) ? stats : make_stats(counts);
}

void watch_free(struct watch_stats *stats)
{
    if (!stats)
        return;
    dwell_free(&stats->dwell);
    whatif_free(&stats->whatif);
    free(stats);
}

void watch_forget(struct pool *pool, const struct host *host)
{
    struct host_counts *counts = pool_counts(pool, host);

    watch_free(atomic_load_explicit(&counts->watch, memory_order_relaxed));
    atomic_store_explicit(&counts->watch, NULL, memory_order_relaxed);
}

void watch_returned(const struct pooled *pooled)
{
    struct watch_stats *stats = stats_of(pooled->pool, pooled->host);

    if (stats)
        whatif_push(&stats->whatif, loop_now_ns(pool_loop(pooled->pool)));
}

static uint64_t own_idle(const struct pool *pool, const struct host *host)
{
    return atomic_load_explicit(&pool_counts(pool, host)->idle, memory_order_relaxed);
}

static void take(struct pool *pool, struct watch_stats *stats, const struct pooled *pooled)
{
    uint64_t kept = pooled_was_idle(pooled), all = atomic_load_explicit(&pooled->host->idle, memory_order_relaxed);

    whatif_take(&stats->whatif, loop_now_ns(pool_loop(pool)), all + kept, own_idle(pool, pooled->host) + kept);
}

/* Would any idle connection have done? */
static bool wants_any(enum reason reason)
{
    return reason != REASON_RISK_POLICY && reason != REASON_HERD && reason != REASON_RESEND &&
           reason != REASON_KEEP_ALIVE_OFF;
}

void watch_request(struct pool *pool, const struct pooled *pooled, enum reason reason)
{
    struct watch_stats *stats = stats_of(pool, pooled->host);

    if (!stats)
        return;
    if (reason == REASONS)
        dwell_note(&stats->dwell, DWELL_REUSE, pooled->used_at_idle_ns);
    if (wants_any(reason))
        take(pool, stats, pooled);
    else
        whatif_miss(&stats->whatif);
}

void watch_connected(struct pool *pool, const struct host *host, const struct connect_facts *facts)
{
    struct watch_stats *stats = stats_of(pool, host);

    if (!stats)
        return;
    dwell_note(&stats->dwell, DWELL_CONNECT, facts->dial_ns);
    if (host->tls)
        dwell_note(&stats->dwell, facts->resumed ? DWELL_TLS_SHORT : DWELL_TLS_FULL, facts->tls_ns);
}

void watch_time(struct pool *pool, const struct host *host, enum dwell_kind kind, uint64_t time_ns)
{
    struct watch_stats *stats = stats_of(pool, host);

    if (stats)
        dwell_note(&stats->dwell, kind, time_ns);
}

void watch_left(struct pool *pool, const struct pooled *pooled)
{
    struct watch_stats *stats = stats_of(pool, pooled->host);

    if (stats)
        whatif_remove(&stats->whatif, pooled->idle_since_ns);
}

void watch_came(const struct pooled *pooled)
{
    struct watch_stats *stats = stats_of(pooled->pool, pooled->host);

    if (stats)
        whatif_push(&stats->whatif, pooled->idle_since_ns);
}

/* A cap or a timeout of ours: another one might have kept it. */
static bool is_our_choice(enum reason reason)
{
    return reason == REASON_CAP_EVICTED || reason == REASON_IDLE_EXPIRED || reason == REASON_LEARNED_EXPIRED;
}

void watch_idle_ended(const struct pooled *pooled, enum reason reason, enum side side)
{
    struct watch_stats *stats = stats_of(pooled->pool, pooled->host);

    if (!stats)
        return;
    dwell_note(&stats->dwell, side == SIDE_OURS ? DWELL_CLOSE_OURS : DWELL_CLOSE_PEER,
               loop_now_ns(pool_loop(pooled->pool)) - pooled->idle_since_ns);
    if (side == SIDE_PEER || !is_our_choice(reason))
        whatif_remove(&stats->whatif, pooled->idle_since_ns);
}

void watch_ended(struct pool *pool, const struct pooled *pooled)
{
    struct watch_stats *stats = stats_of(pool, pooled->host);

    if (!stats)
        return;
    dwell_note(&stats->dwell, DWELL_AGE, loop_now_ns(pool_loop(pool)) - pooled->conn->opened_ns);
    dwell_note(&stats->dwell, DWELL_REQUESTS, pooled->uses * DWELL_ONE);
}

static const struct watch_stats *read_stats(const struct host *host, unsigned worker)
{
    return atomic_load_explicit(&host->counts[worker].watch, memory_order_acquire);
}

void watch_dwell(const struct host *host, enum dwell_kind kind, struct dwell_view *view)
{
    for (unsigned i = 0; i < host->workers; i++) {
        const struct watch_stats *stats = read_stats(host, i);

        dwell_add(stats ? &stats->dwell : NULL, kind, view);
    }
}

void watch_whatif(const struct host *host, struct whatif_view *view)
{
    for (unsigned i = 0; i < host->workers; i++) {
        const struct watch_stats *stats = read_stats(host, i);

        whatif_add(stats ? &stats->whatif : NULL, view);
    }
}
