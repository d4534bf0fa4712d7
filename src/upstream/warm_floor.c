/* warm_floor.c: see the header. Start with run_floors. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/warm_floor.h"

#include "upstream/pool_internal.h"
#include "upstream/pool_room.h"

#include <stdlib.h>

enum { DIALS_AT_ONCE = 8 }; /* how fast the floor fills; how high it is min_idle_per_host says */
#define LEAD_NS 1000000000u /* one that retires sooner than this, or in the last quarter of its time, is replaced */

/* What one worker keeps for one host. */
struct warm_floor {
    struct list_node node;
    struct pool *pool;
    struct host *host;
    struct transport transport;
    uint64_t failures_seen; /* dials to the host that had failed at the last look */
    uint64_t backoff_ns;    /* 0: dials succeed, as far as known */
    uint64_t next_dial_ns;
};

static uint64_t count_of(const _Atomic uint64_t *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/* Idle ones of this worker that retire soon. The stack's old end is its last. */
static int64_t leaving_soon(const struct warm_floor *floor)
{
    const struct list *stack = pool_stack(floor->pool, floor->host);
    uint64_t now_ns = loop_now_ns(floor->pool->loop);
    int64_t count = 0;

    for (struct list_node *node = stack ? list_first(stack) : NULL; node; node = list_next(stack, node)) {
        const struct pooled *pooled = container_of(node, struct pooled, by_host);
        uint64_t end_ns = pool_expires_ns(pooled), lead_ns = (end_ns - pooled->idle_since_ns) / 4;

        if (pool_old_at_ns(pooled) < end_ns)
            end_ns = pool_old_at_ns(pooled);
        count += pooled->sentinel || end_ns < now_ns + (lead_ns < LEAD_NS ? lead_ns : LEAD_NS);
    }
    return count;
}

/* A host that closes idle connections at once would only be dialed over and over. */
static bool is_worth_while(const struct warm_floor *floor)
{
    const struct transport *transport = &floor->transport;
    bool learned = transport->idle_connection_timeout_ns <= 0 && transport->idle_policy == IDLE_LEARNED &&
                   !transport->ignore_learned;

    return !learned || idle_limit_retire_after_ns(floor->host->idle_limit) >= WARM_LIFE_MIN_NS;
}

static int64_t left(uint64_t most, int64_t there)
{
    return most < INT64_MAX ? (int64_t)most - there : INT64_MAX;
}

/* Idle connections that the caps still admit: who dialed past them would dial and close for ever. */
static int64_t room(const struct warm_floor *floor, int64_t there)
{
    int64_t total = (int64_t)atomic_load_explicit(hosts_idle_total(floor->pool->hosts), memory_order_relaxed);
    int64_t of_host = left(transport_idle_per_host_max(&floor->transport), there);
    int64_t in_all = left(transport_idle_max(&floor->transport), total);

    return in_all < of_host ? in_all : of_host;
}

static int64_t missing(const struct warm_floor *floor)
{
    const struct host *host = floor->host;
    int64_t there = (int64_t)atomic_load_explicit(&host->idle, memory_order_relaxed);
    int64_t wanted, most;

    for (unsigned i = 0; i < host->workers; i++)
        there += (int64_t)count_of(&host->counts[i].warming);
    wanted = floor->transport.min_idle_per_host - there + leaving_soon(floor);
    most = room(floor, there);
    return wanted < most ? wanted : most;
}

/* Have dials failed since the last look? Then the next one waits, longer each time. */
static bool may_dial(struct warm_floor *floor)
{
    uint64_t failures = count_of(&pool_counts(floor->pool, floor->host)->dial_failures);
    uint64_t now_ns = loop_now_ns(floor->pool->loop);

    if (failures != floor->failures_seen) {
        floor->failures_seen = failures;
        floor->backoff_ns = floor->backoff_ns == 0                        ? WARM_BACKOFF_MIN_NS
                            : floor->backoff_ns < WARM_BACKOFF_MAX_NS / 2 ? 2 * floor->backoff_ns
                                                                          : WARM_BACKOFF_MAX_NS;
        floor->next_dial_ns =
            now_ns + floor->backoff_ns / 2 + rng_below(loop_rng(floor->pool->loop), floor->backoff_ns);
    } else if (now_ns > floor->next_dial_ns + 2 * floor->backoff_ns) {
        floor->backoff_ns = 0;
    }
    return now_ns >= floor->next_dial_ns && eject_is_in_use(&floor->host->health) &&
           !path_is_suspect(&floor->host->path, now_ns) && !quarantine_holds(&floor->host->quarantine, now_ns);
}

static bool dial_one(struct warm_floor *floor)
{
    struct pool *pool = floor->pool;
    struct connecting *dial;

    if (pool_is_stretched(pool, floor->host) || !gate_enter(floor->host, floor->transport.max_connections_per_host))
        return false;
    dial = pool_dial(pool, floor->host, &floor->transport, STR_EMPTY, NULL);
    if (dial)
        pool_keep_dial(pool, floor->host, &floor->transport, dial);
    return dial;
}

/* While dials fail one at a time is enough to find out. */
static void see_to(struct warm_floor *floor)
{
    int64_t count = is_worth_while(floor) ? missing(floor) : 0;
    bool may = may_dial(floor);
    int64_t most = floor->backoff_ns > 0 ? 1 : DIALS_AT_ONCE;

    if (may && count > 0 && floor->backoff_ns > 0)
        floor->next_dial_ns = loop_now_ns(floor->pool->loop) + floor->backoff_ns;
    for (int64_t i = 0; may && i < count && i < most; i++)
        may = dial_one(floor);
}

static void run_floors(struct task *task)
{
    struct pool *pool = container_of(task, struct pool, floor_task);

    if (pool->ended)
        return;
    for (struct list_node *node = list_first(&pool->floors); node; node = list_next(&pool->floors, node))
        see_to(container_of(node, struct warm_floor, node));
    if (!list_is_empty(&pool->floors))
        timer_set(pool->loop, &pool->floor_timer, loop_now_ns(pool->loop) + WARM_LOOK_NS);
}

static struct warm_floor *floor_of(struct pool *pool, const struct host *host)
{
    for (struct list_node *node = list_first(&pool->floors); node; node = list_next(&pool->floors, node)) {
        struct warm_floor *floor = container_of(node, struct warm_floor, node);

        if (floor->host == host)
            return floor;
    }
    return NULL;
}

bool pool_keep_warm(struct pool *pool, struct host *host, const struct transport *transport)
{
    struct warm_floor *floor = floor_of(pool, host);

    if (transport->min_idle_per_host <= 0 || transport->disable_keep_alives || host->proxy_header > 0 ||
        host->index % host->workers != pool->worker)
        return true;
    if (!floor) {
        floor = calloc(1, sizeof(*floor));
        if (!floor)
            return false;
        floor->pool = pool;
        floor->host = host;
        list_push_back(&pool->floors, &floor->node);
    }
    if (floor->transport.min_idle_per_host < transport->min_idle_per_host)
        floor->transport = *transport;
    atomic_store_explicit(&host->floor, (uint32_t)floor->transport.min_idle_per_host, memory_order_relaxed);
    task_wake(pool->loop, &pool->floor_task);
    return true;
}

void pool_cool(struct pool *pool)
{
    for (struct list_node *node; (node = list_pop_front(&pool->floors));) {
        struct warm_floor *floor = container_of(node, struct warm_floor, node);

        atomic_store_explicit(&floor->host->floor, 0, memory_order_relaxed);
        free(floor);
    }
    timer_clear(pool->loop, &pool->floor_timer);
    task_forget(pool->loop, &pool->floor_task);
}

void pool_open_floors(struct pool *pool)
{
    pool->floor_task.run = run_floors;
    pool->floor_timer = (struct timer){.at_ns = TIMER_OFF, .task = &pool->floor_task};
    list_init(&pool->floors);
}
