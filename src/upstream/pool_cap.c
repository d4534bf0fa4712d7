/* pool_cap.c: see the header. Each worker tells since when its oldest idle connection is idle (pool_tell_oldest);
 * a letter goes to where the oldest of all is, and on from there when that has changed on the way. Start with
 * pool_admit. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/pool_cap.h"

#include "upstream/pool_internal.h"

#include <stdlib.h>

enum { SHARE_LOOKS = 16 };

/* What is full, and who makes place for one more. */
struct full {
    _Atomic uint64_t *all; /* NULL: the host is full, else all are */
    struct host *host;     /* its oldest goes; NULL: the oldest of all */
    uint64_t cap;
};

/* A letter to the worker that has the oldest. */
struct eviction {
    struct pool_errand errand;
    struct full full;
    unsigned ways_left; /* to other workers, should they have the oldest meanwhile */
};

static uint64_t idle_since(struct hosts *hosts, const struct host *host, unsigned worker)
{
    const struct pool *pool = hosts_pool(hosts, worker);

    if (host)
        return atomic_load_explicit(&host->counts[worker].oldest_idle, memory_order_relaxed);
    return pool ? atomic_load_explicit(&pool->oldest_idle, memory_order_relaxed) : 0;
}

/* Whose connection was idle for longest, this worker's own among equals; NULL: nobody has any. */
static struct pool *oldest_of_all(const struct pool *pool, const struct host *host)
{
    unsigned workers = hosts_workers(pool->hosts);
    uint64_t least = UINT64_MAX;
    struct pool *oldest = NULL;

    for (unsigned i = 0; i < workers; i++) {
        unsigned worker = (pool->worker + i) % workers;
        uint64_t since = idle_since(pool->hosts, host, worker);

        if (since != 0 && since < least) {
            least = since;
            oldest = hosts_pool(pool->hosts, worker);
        }
    }
    return oldest;
}

/* Of the cap for all, as many for each host that has any. */
static uint64_t share_of(const struct pool *pool, uint64_t cap)
{
    uint64_t hosts = atomic_load_explicit(hosts_with_idle(pool->hosts), memory_order_relaxed);

    return cap / (hosts > 0 ? hosts : 1);
}

/* This worker's oldest; among the first few, one whose host has more than its share, if there is such. NULL: none. */
static struct pooled *oldest_beyond_share(struct pool *pool, uint64_t cap)
{
    struct list_node *node = list_first(&pool->by_age);
    struct pooled *oldest = node ? container_of(node, struct pooled, by_age) : NULL;
    uint64_t share = share_of(pool, cap);

    for (unsigned looks = 0; node && looks < SHARE_LOOKS; looks++, node = list_next(&pool->by_age, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_age);

        if (atomic_load_explicit(&pooled->host->idle, memory_order_relaxed) > share)
            return pooled;
    }
    return oldest;
}

static struct pooled *oldest_of_host(struct pool *pool, const struct host *host)
{
    struct list *stack = pool_stack(pool, host);
    struct list_node *node = stack ? list_last(stack) : NULL;

    return node ? container_of(node, struct pooled, by_host) : NULL;
}

/* False: this worker has none. */
static bool evict_own(struct pool *pool, const struct full *full)
{
    struct pooled *pooled = full->host ? oldest_of_host(pool, full->host) : oldest_beyond_share(pool, full->cap);

    if (pooled)
        pool_retire(pooled, REASON_CAP_EVICTED);
    return pooled;
}

static uint64_t idle_now(const struct full *full)
{
    return full->all ? atomic_load_explicit(full->all, memory_order_relaxed)
                     : atomic_load_explicit(&full->host->idle, memory_order_relaxed);
}

/* To who has the oldest now. */
static bool send_on(struct eviction *eviction, struct pool *oldest)
{
    if (!oldest || eviction->ways_left == 0)
        return false;
    eviction->ways_left--;
    return pool_send_errand(oldest, &eviction->errand);
}

/* Ends as many as are too many while the oldest is here. */
static void run_eviction(struct pool_errand *errand, struct pool *pool)
{
    struct eviction *eviction = container_of(errand, struct eviction, errand);
    const struct full *full = &eviction->full;
    struct pool *oldest = pool;

    while (oldest == pool && idle_now(full) > full->cap) {
        oldest = oldest_of_all(pool, full->host);
        if (oldest == pool && !evict_own(pool, full))
            break;
    }
    if (oldest == pool || !send_on(eviction, oldest))
        free(eviction);
}

static bool write_to(struct pool *oldest, const struct full *full)
{
    struct eviction *eviction = malloc(sizeof(*eviction));

    if (!eviction)
        return false;
    *eviction =
        (struct eviction){.errand = {.run = run_eviction}, .full = *full, .ways_left = hosts_workers(oldest->hosts)};
    if (pool_send_errand(oldest, &eviction->errand))
        return true;
    free(eviction);
    return false;
}

/* The oldest goes, for one that was counted already. False: there is none. */
static bool make_place(struct pool *pool, const struct full *full, uint64_t idle)
{
    struct pool *oldest = oldest_of_all(pool, full->host);

    if (oldest && oldest != pool && idle < full->cap + POOL_CAP_OVER_MAX && write_to(oldest, full))
        return true;
    return evict_own(pool, full);
}

bool pool_admit(struct pool *pool, struct host *host, const struct transport *transport)
{
    struct full of_host = {NULL, host, transport_idle_per_host_max(transport)};
    struct full of_all = {hosts_idle_total(pool->hosts), NULL, transport_idle_max(transport)};
    uint64_t in_host, in_all;
    bool good = true;

    if (of_host.cap == 0 || of_all.cap == 0)
        return false;
    /* Counted first, asked then: other workers do the same at this moment. */
    in_host = atomic_fetch_add_explicit(&host->idle, 1, memory_order_relaxed);
    in_all = atomic_fetch_add_explicit(of_all.all, 1, memory_order_relaxed);
    if (in_host == 0)
        atomic_fetch_add_explicit(hosts_with_idle(pool->hosts), 1, memory_order_relaxed);
    if (in_host >= of_host.cap) { /* what goes for the host makes place among all, too */
        good = make_place(pool, &of_host, in_host);
    } else if (in_all >= of_all.cap) {
        of_all.host = in_host > 0 && in_host >= share_of(pool, of_all.cap) ? host : NULL;
        good = make_place(pool, &of_all, in_all);
    }
    if (!good)
        pool_uncount_idle(pool, host);
    return good;
}

void pool_uncount_idle(struct pool *pool, struct host *host)
{
    if (atomic_fetch_sub_explicit(&host->idle, 1, memory_order_relaxed) == 1)
        atomic_fetch_sub_explicit(hosts_with_idle(pool->hosts), 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(hosts_idle_total(pool->hosts), 1, memory_order_relaxed);
}
