/* pool.c: idle upstream connections of one worker: where they are kept, and how they end.
 *
 * A connection is in exactly one place: idle list, lent to a fetch, or closing. Hosts are chosen above, connections
 * made in net/dial.c. Who gets one is pool_take.c, the way back pool_return.c. Start with pool_run_idle_news, then
 * pool_expire. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/pool.h"

#include "upstream/addresses.h"
#include "upstream/discover.h"
#include "upstream/pool_internal.h"
#include "upstream/pulse.h"
#include "upstream/shared.h"
#include "upstream/warm_floor.h"
#include "upstream/watch.h"

#include <stdlib.h>

#define NS_OF_MS      UINT64_C(1000000)
#define PAUSE_LOOK_NS 1000000000u

struct loop *pool_loop(const struct pool *pool)
{
    return pool->loop;
}

struct flights *pool_flights(struct pool *pool)
{
    return &pool->flights;
}

struct discoveries *pool_discoveries(const struct pool *pool)
{
    return pool->discoveries;
}

struct hosts *pool_hosts(const struct pool *pool)
{
    return pool->hosts;
}

unsigned pool_worker(const struct pool *pool)
{
    return pool->worker;
}

struct dial_gate *pool_gate(const struct pool *pool)
{
    return pool->gate;
}

struct host_counts *pool_counts(const struct pool *pool, const struct host *host)
{
    return &host->counts[pool->worker];
}

/* New hosts appear when configurations load. */
struct list *pool_stack(struct pool *pool, const struct host *host)
{
    if (UNLIKELY(host->index >= pool->stack_count)) {
        uint32_t count = host->index + 16;
        struct list *stacks = calloc(count, sizeof(*stacks));

        if (!stacks)
            return NULL;
        for (uint32_t i = 0; i < count; i++)
            list_init(&stacks[i]);
        /* The rings point at their heads, so they are moved node by node. */
        for (uint32_t i = 0; i < pool->stack_count; i++)
            for (struct list_node *node; (node = list_pop_front(&pool->stacks[i]));)
                list_push_back(&stacks[i], node);
        free(pool->stacks);
        pool->stacks = stacks;
        pool->stack_count = count;
    }
    return &pool->stacks[host->index];
}

void pool_unlink(struct pooled *pooled)
{
    struct pool *pool = pooled->pool;

    list_remove(&pool->stacks[pooled->host->index], &pooled->by_host);
    list_remove(&pool->by_age, &pooled->by_age);
    task_forget(pool->loop, &pooled->task);
    host_count_add(&pool_counts(pool, pooled->host)->idle, -1);
    pool_tell_oldest(pool, pooled->host);
}

/* The next miss is due to it. */
void pool_destroy(struct pooled *pooled, enum reason reason, enum side side)
{
    struct pool *pool = pooled->pool;
    struct host_counts *counts = pool_counts(pool, pooled->host);

    shared_forget(pooled, reason);
    watch_ended(pool, pooled);
    pool_note_close(pool, pooled, reason, side);
    addresses_went(pooled);
    http_close(pooled->conn);
    task_forget(pool->loop, &pooled->task);
    if (!pooled->sentinel) /* its note was left when it became one */
        ledger_note(&counts->ledger, reason);
    gate_leave(pool->gate, pooled->host);
    slab_give(pool->records, pooled);
}

static void close_idle(struct pooled *pooled, enum reason reason, enum side side)
{
    watch_idle_ended(pooled, reason, side);
    pool_unlink_idle(pooled);
    pool_destroy(pooled, reason, side);
}

/* An idle period that ends now, for the learner. */
static struct idle_end idle_end_of(const struct pooled *pooled, uint64_t idle_ns)
{
    struct pool *pool = pooled->pool;

    return (struct idle_end){
        .now_ns = loop_now_ns(pool->loop),
        .idle_ns = idle_ns,
        .age_ns = pool_age_ns(pooled),
        .worker = pool->worker,
        .requests = pooled->uses,
        .idle_conns = atomic_load_explicit(&pooled->host->idle, memory_order_relaxed),
        .sentinel = pooled->sentinel,
    };
}

/* The idle period before the request that it is lent for, which it has not answered before. */
static struct idle_end end_of_use(const struct pooled *pooled)
{
    struct idle_end end = idle_end_of(pooled, pooled->used_at_idle_ns);

    end.requests = pooled->uses - 1;
    return end;
}

void pool_survived(struct pooled *pooled)
{
    struct idle_end end = end_of_use(pooled);

    if (pooled->uses < 2)
        return;
    idle_limit_survived(pooled->host->idle_limit, &end);
    if (pooled->used_at_idle_ns > pooled->survived_ns)
        pooled->survived_ns = pooled->used_at_idle_ns;
}

/* The end of an idle period that the host has ended, at some time from `from_ns` to `until_ns`. */
static struct idle_end end_by_host(const struct pooled *pooled, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t began_ns = pooled->idle_since_ns;
    struct idle_end end = idle_end_of(pooled, until_ns - began_ns + pooled->unsure_ns);

    end.doubt_ns = end.idle_ns - (from_ns > began_ns ? from_ns - began_ns : 0);
    return end;
}

/* A host that sleeps lets requests wait behind its timers, and ends the connections of both when it wakes. Its end was
 * on its way here for half a round trip, and the request there for the other half. */
void pool_was_stale(struct pooled *pooled)
{
    uint64_t now_ns = loop_now_ns(pooled->pool->loop);
    uint64_t ended_ns = now_ns - u64_min(now_ns, pooled->rtt_us * UINT64_C(1000));
    uint64_t used_ns = pooled->idle_since_ns + pooled->used_at_idle_ns;
    struct idle_end end = end_by_host(pooled, used_ns, u64_max(ended_ns, u64_max(used_ns, pooled->lent_ns)));

    end.requests = pooled->uses - 1;
    idle_limit_stale(pooled->host->idle_limit, &end);
}

/* We end an idle period, for a reason of ours. */
void pool_retire(struct pooled *pooled, enum reason reason)
{
    struct idle_end end = idle_end_of(pooled, pool_idle_ns(pooled));

    idle_limit_retired(pooled->host->idle_limit, &end);
    close_idle(pooled, reason, SIDE_OURS);
}

static enum reason reason_of_close(struct pooled *pooled, enum reason found)
{
    const struct loop *loop = pooled->pool->loop;
    struct idle_end end = end_by_host(pooled, loop_told_ns(loop), loop_clock_ns(loop));

    switch (idle_limit_closed(pooled->host->idle_limit, &end)) {
    case CLOSE_REQUESTS:
        return REASON_COUNT;
    case CLOSE_AGE:
        return REASON_AGE;
    case CLOSE_RESTART:
        return REASON_RESTART;
    case CLOSE_ANNOUNCED:
        return REASON_PEER_CLOSE_ANNOUNCED;
    case CLOSE_IDLE:
        break;
    }
    return found;
}

/* Stray bytes tell nothing of the idle limit. */
static enum reason reason_of_stray(struct pooled *pooled)
{
    struct idle_end end = idle_end_of(pooled, pool_idle_ns(pooled));

    idle_limit_retired(pooled->host->idle_limit, &end);
    if (pooled->uses > 0) /* a 408 to one that never asked is no sign */
        pool_note_stray(pooled, STRAY_IDLE);
    return pool_reason_of_stray(pooled);
}

void pool_close_stale(struct pooled *pooled, enum io news, enum reason found)
{
    struct host_counts *counts = pool_counts(pooled->pool, pooled->host);
    enum reason reason = news == IO_OK ? reason_of_stray(pooled) : reason_of_close(pooled, found);

    host_count_add(found == REASON_STALE_AT_CHECK ? &counts->stale : &counts->closed_idle, 1);
    close_idle(pooled, reason, SIDE_PEER);
}

/* One that takes no more requests is as good as closed, unless it is only for now. */
enum io pool_check(struct pooled *pooled, bool look)
{
    enum io news = http_check_idle(pooled->conn, look);

    if (news != IO_WAIT || LIKELY(!pooled->conn->multiplexed))
        return news;
    return !shared_note_pause(pooled) && http_room(pooled->conn) == 0 ? IO_END : IO_WAIT;
}

/* The first pass of a batch: an idle connection has news. Of one in use: what it has room for may have changed. */
void pool_run_idle_news(struct task *task)
{
    struct pooled *pooled = container_of(task, struct pooled, task);
    enum io news;

    if (pooled->streams > 0) {
        shared_consider(pooled);
        return;
    }
    news = pool_check(pooled, false);
    if (news != IO_WAIT)
        pool_close_stale(pooled, news, REASON_PEER_CLOSE_IDLE);
}

static uint64_t set_limit_ns(const struct pooled *pooled)
{
    return pooled->idle_limit_ms == POOLED_NEVER ? INT64_MAX : pooled->idle_limit_ms * NS_OF_MS;
}

/* A learned limit moves while connections wait. A paused one that requests wait for is not idle for want of them. */
uint64_t pool_expires_ns(const struct pooled *pooled)
{
    uint64_t max_ns, wall_ns;

    if (pooled->sentinel)
        return pooled->idle_since_ns + idle_limit_sentinel_until_ns(pooled->host->idle_limit);
    if (UNLIKELY(pooled->paused) && gate_is_waited_for(pooled->pool->gate, pooled->host))
        return loop_now_ns(pooled->pool->loop) + PAUSE_LOOK_NS;
    max_ns = pooled->learned ? idle_limit_retire_after_ns(pooled->host->idle_limit) : set_limit_ns(pooled);
    wall_ns = path_idle_max_ns(&pooled->host->path, pooled->idle_since_ns);
    return pooled->idle_since_ns + (max_ns < wall_ns ? max_ns : wall_ns);
}

bool pool_expire(struct pooled *pooled)
{
    if (pooled->learned && !pooled->sentinel && idle_limit_wants_sentinel(pooled->host->idle_limit)) {
        addresses_went(pooled);
        pooled->sentinel = true;
        ledger_note(&pool_counts(pooled->pool, pooled->host)->ledger, REASON_LEARNED_EXPIRED);
        return true;
    }
    pool_retire(pooled, pooled->learned ? REASON_LEARNED_EXPIRED : REASON_IDLE_EXPIRED);
    return false;
}

/* Ends what is too old in one host's stack; returns when its next one will be. In a stack the oldest is last. */
static uint64_t expire_stack(struct pool *pool, struct list *stack)
{
    uint64_t next_ns = TIMER_OFF;
    struct list_node *node = list_last(stack), *newer;

    for (; node; node = newer) {
        struct pooled *oldest = container_of(node, struct pooled, by_host);

        newer = node->prev == &stack->head ? NULL : node->prev;
        if (pool_expires_ns(oldest) <= loop_now_ns(pool->loop)) {
            (void)pool_expire(oldest);
            continue;
        }
        next_ns = pool_expires_ns(oldest) < next_ns ? pool_expires_ns(oldest) : next_ns;
        if (!oldest->sentinel)
            break;
    }
    return next_ns;
}

static void run_expiry(struct task *task)
{
    struct pool *pool = container_of(task, struct pool, expiry_task);
    uint64_t next_ns = TIMER_OFF;

    timer_clear(pool->loop, &pool->expiry);
    for (uint32_t i = 0; i < pool->stack_count; i++) {
        uint64_t at_ns = expire_stack(pool, &pool->stacks[i]);

        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    if (next_ns != TIMER_OFF)
        timer_set(pool->loop, &pool->expiry, next_ns);
    slab_age(pool->records);
}

struct pool *pool_new(struct loop *loop, struct resolver *resolver, struct hosts *hosts, unsigned worker)
{
    struct pool *pool = calloc(1, sizeof(*pool));

    if (!pool)
        return NULL;
    pool->loop = loop;
    pool->resolver = resolver;
    pool->hosts = hosts;
    pool->worker = worker;
    pool->expiry_task.run = run_expiry;
    pool->expiry = (struct timer){.at_ns = TIMER_OFF, .task = &pool->expiry_task};
    list_init(&pool->by_age);
    list_init(&pool->lent_conns);
    list_init(&pool->addresses);
    flights_init(&pool->flights, loop);
    pool_open_floors(pool);
    pulse_open(pool);
    pool->records = slab_new_dense(sizeof(struct pooled), 1024);
    pool->gate = gate_new(loop);
    pool->discoveries = discoveries_new(pool);
    if (!pool_open_mail(pool) || !pool->records || !pool->gate || !pool->discoveries) {
        discoveries_end(pool->discoveries);
        pool_free_mail(pool);
        slab_free(pool->records);
        gate_free(pool->gate);
        free(pool);
        return NULL;
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    ASSERT(pool->lent == 0);
    pool_end(pool);
    pool_flush(pool);
    discoveries_end(pool->discoveries);
    addresses_end(pool);
    pool_free_mail(pool);
    pool_cool(pool);
    flights_end(&pool->flights);
    closed_log_clear(&pool->closed);
    timer_clear(pool->loop, &pool->expiry);
    task_forget(pool->loop, &pool->expiry_task);
    pulse_close(pool);
    shared_free(pool);
    slab_free(pool->records);
    gate_free(pool->gate);
    free(pool->stacks);
    free(pool);
}
