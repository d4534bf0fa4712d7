/* pool_take.c: which idle connection a request gets, and whether it is still good for that one. Start with pool_take,
 * then try_to_use. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/addresses.h"
#include "upstream/pool_internal.h"
#include "upstream/pulse.h"
#include "upstream/shared.h"

enum { REFRESH_LOOKS = 8, STALE_MAX = 2 };
/* A look costs a system call, and less than this is no lag. No limits: nothing that was idle is taken unseen. */
#define LOOK_WAIT_NS 1000000u
#define LOOK_TURN_NS 100000u

/* What is done so that a request does not meet a dead connection. */
enum care {
    CARE_LEAST, /* it may be sent again */
    CARE_LOOK,  /* it may not, but must take what there is */
    CARE_FULL,  /* nothing that the host may be about to close */
};

/* A turn takes milliseconds when many requests come at once. */
static bool is_turn_young(const struct loop *loop)
{
    return loop_clock_ns(loop) - loop_now_ns(loop) <= LOOK_TURN_NS;
}

/* Did this worker sleep or was it held up since it was told of news? The wait may have ended long before its news is
 * handled. */
static bool was_held_up(const struct loop *loop)
{
    return loop_now_ns(loop) - loop_turned_ns(loop) > LOOK_WAIT_NS || !is_turn_young(loop);
}

/* Is it still good? Readiness up to the last wait was handled by the first pass; a connection that was idle for longer
 * than a turn may have got a FIN since, or bytes that would be the next request's answer. So the kernel is asked, but
 * for a request that may be sent again not when it has told all a moment ago. Under full load few were idle for long:
 * what was given back last is taken first. */
static enum io look_at(struct pooled *pooled, enum care care)
{
    const struct loop *loop = pooled->pool->loop;
    bool long_ago = (uint32_t)loop_stats(loop)->turns - pooled->idle_turn > 1;

    if (care == CARE_LEAST)
        return pool_check(pooled, long_ago && !(loop_told_all(loop) && is_turn_young(loop)));
    return pool_check(pooled, long_ago || was_held_up(loop));
}

struct pooled *pool_lend(struct pooled *pooled)
{
    struct host_counts *counts = pool_counts(pooled->pool, pooled->host);
    struct address_turns *turns = addresses_turns(pooled->pool, pooled->host);

    http_set_idle(pooled->conn, NULL);
    pooled->lent_ns = loop_clock_ns(pooled->pool->loop);
    pooled->uses++;
    pooled->pool->lent++;
    list_push_back(&pooled->pool->lent_conns, &pooled->by_age);
    host_count_add(&counts->active, 1);
    if (UNLIKELY(turns != NULL))
        turns_given(turns, pooled);
    if (pooled->conn->multiplexed)
        shared_begin(pooled);
    return pooled;
}

enum taking { TAKEN, GONE, STALE, NOT_FOR_THIS, NONE_LEFT };

/* A request that cannot be sent twice counts as the host may: from the earliest moment, and to this very one. On a busy
 * machine the two clocks are milliseconds apart. */
static uint64_t risky_idle_ns(const struct pooled *pooled)
{
    return loop_clock_ns(pooled->pool->loop) - pooled->idle_since_ns + pooled->unsure_ns;
}

/* Whether it is too old for all is not for a risky request to say. */
static enum idle_use may_use(const struct pooled *pooled, enum care care)
{
    bool repeatable = care != CARE_FULL;
    enum idle_use use = idle_limit_may_use(pooled->host->idle_limit,
                                           &(struct idle_pick){
                                               .idle_ns = repeatable ? pool_idle_ns(pooled) : risky_idle_ns(pooled),
                                               .survived_ns = pooled->survived_ns,
                                               .generation = pooled->generation,
                                               .idempotent = repeatable,
                                           });

    return use == IDLE_USE_RETIRE && !repeatable ? IDLE_USE_NO : use;
}

/* Finds it good, ends it, or leaves it to a request that can bear more. */
static enum taking try_to_use(struct pooled *pooled, enum care care)
{
    enum idle_use use = pooled->learned ? may_use(pooled, care) : IDLE_USE_YES;
    enum io news;

    if (pooled->sentinel)
        return NONE_LEFT;
    if (UNLIKELY(path_forbids(&pooled->host->path, pooled->idle_since_ns, loop_now_ns(pooled->pool->loop)))) {
        pool_retire(pooled, REASON_MIDDLEBOX);
        return GONE;
    }
    if (quarantine_holds(&pooled->host->quarantine, loop_now_ns(pooled->pool->loop))) {
        pool_retire(pooled, REASON_QUARANTINE);
        return GONE;
    }
    if (UNLIKELY(pooled->conn->multiplexed) &&
        atomic_load_explicit(&pooled->host->http1_required, memory_order_relaxed)) {
        pool_retire(pooled, REASON_HTTP1_REQUIRED);
        return GONE;
    }
    if (UNLIKELY(pooled->conn->multiplexed) && pulse_is_weak(pooled, loop_now_ns(pooled->pool->loop))) {
        pool_retire(pooled, REASON_PING_TIMEOUT);
        return GONE;
    }
    if (use == IDLE_USE_NO || use == IDLE_USE_HERD) {
        pooled->pool->refusal = use == IDLE_USE_HERD ? REASON_HERD : REASON_RISK_POLICY;
        return NOT_FOR_THIS;
    }
    if (use == IDLE_USE_RETIRE || pool_expires_ns(pooled) <= loop_now_ns(pooled->pool->loop))
        return pool_expire(pooled) ? NONE_LEFT : GONE;
    if (pool_is_old(pooled)) {
        pool_retire(pooled, REASON_AGE);
        return GONE;
    }
    news = look_at(pooled, care);
    if (news != IO_WAIT) {
        pool_close_stale(pooled, news, REASON_STALE_AT_CHECK);
        return STALE;
    }
    if (UNLIKELY(pooled->paused)) {
        pooled->pool->refusal = REASON_NO_STREAM;
        return NOT_FOR_THIS;
    }
    return TAKEN;
}

static struct pooled *lend_idle(struct pooled *pooled)
{
    pooled->used_at_idle_ns = pool_idle_ns(pooled);
    pool_unlink_idle(pooled);
    if (pooled->conn->multiplexed)
        pulse_prove(pooled);
    return pool_lend(pooled);
}

/* Sentinels stand at the old end of the stack and are for nobody. */
static struct list_node *oldest_usable(const struct list *stack)
{
    struct list_node *node = list_last(stack);

    while (node && container_of(node, struct pooled, by_host)->sentinel)
        node = node->prev == &stack->head ? NULL : node->prev;
    return node;
}

/* The one that was idle for longest of those that are younger than refresh_ns; NULL: none among the oldest few. */
static struct list_node *oldest_below(const struct list *stack, uint64_t refresh_ns)
{
    struct list_node *node = oldest_usable(stack);

    for (int looks = 0; node && looks < REFRESH_LOOKS; looks++) {
        if (pool_idle_ns(container_of(node, struct pooled, by_host)) < refresh_ns)
            return node;
        node = node->prev == &stack->head ? NULL : node->prev;
    }
    return NULL;
}

static struct list_node *best_of(struct pool *pool, struct list *stack, const struct host *host,
                                 const struct transport *transport, bool repeatable)
{
    uint64_t refresh_ns = repeatable ? idle_limit_refresh_ns(host->idle_limit) : 0;
    struct list_node *oldest = UNLIKELY(refresh_ns > 0) ? oldest_below(stack, refresh_ns) : NULL;
    struct address_turns *turns = addresses_turns(pool, host);

    if (UNLIKELY(host_multiplexes(host)) && pool_is_paused(pool, host))
        return shared_first_awake(stack);
    if (transport->pick_fifo)
        return oldest_usable(stack);
    if (oldest)
        return oldest;
    return UNLIKELY(turns != NULL) ? turns_pick(turns, stack) : list_first(stack);
}

/* One more that was found dead in this pick. Of a host that has ended two, the third may be on its way out, too: what
 * must not be sent twice gets none of those that are idle now (keepalive D.3 E0, P8). */
static enum taking note_stale(const struct host *host, enum care care, unsigned *stale)
{
    if (++*stale == STALE_MAX && care == CARE_FULL)
        idle_limit_suspect(host->idle_limit);
    return GONE;
}

static struct pooled *take(struct pool *pool, struct host *host, const struct transport *transport, enum care care)
{
    struct list *stack = pool_stack(pool, host);
    struct list_node *node = NULL;
    enum taking taking = GONE;
    unsigned stale = 0;

    while (taking == GONE && stack && (node = best_of(pool, stack, host, transport, care != CARE_FULL))) {
        taking = try_to_use(container_of(node, struct pooled, by_host), care);
        if (UNLIKELY(taking == STALE))
            taking = note_stale(host, care, &stale);
    }
    /* The address that is due has none that is safe enough: the one used last is safer than a dial is cheap. */
    if (taking == NOT_FOR_THIS && !transport->pick_fifo && node != list_first(stack) && !pool_is_paused(pool, host)) {
        node = list_first(stack);
        taking = try_to_use(container_of(node, struct pooled, by_host), care);
    }
    pool->refused = taking == NOT_FOR_THIS;
    return taking == TAKEN ? lend_idle(container_of(node, struct pooled, by_host)) : NULL;
}

struct pooled *pool_take(struct pool *pool, struct host *host, const struct transport *transport, bool repeatable)
{
    return take(pool, host, transport, repeatable ? CARE_LEAST : CARE_FULL);
}

struct pooled *pool_take_any(struct pool *pool, struct host *host, const struct transport *transport)
{
    return take(pool, host, transport, CARE_LOOK);
}

struct pooled *pool_take_this(struct pooled *pooled, bool repeatable)
{
    return try_to_use(pooled, repeatable ? CARE_LEAST : CARE_FULL) == TAKEN ? lend_idle(pooled) : NULL;
}

/* What may be sent again gets the oldest, or one to the address that is due; what may not, the least risky. */
static struct list_node *spare_of(struct pool *pool, struct list *stack, const struct host *host, bool repeatable)
{
    struct address_turns *turns = addresses_turns(pool, host);

    if (!repeatable)
        return list_first(stack);
    return UNLIKELY(turns != NULL) ? turns_pick(turns, stack) : oldest_usable(stack);
}

struct pooled *pool_spare(struct pool *pool, struct host *host, bool repeatable)
{
    struct list *stack = pool_stack(pool, host);
    struct list_node *node = NULL;
    enum taking taking = STALE;

    while ((taking == GONE || taking == STALE) && stack && (node = spare_of(pool, stack, host, repeatable)))
        taking = try_to_use(container_of(node, struct pooled, by_host), repeatable ? CARE_LEAST : CARE_FULL);
    return taking == TAKEN ? container_of(node, struct pooled, by_host) : NULL;
}
