/* pool.c: idle upstream connections of one worker.
 *
 * A connection is in exactly one place: idle list, lent to a fetch, or closing. Hosts are chosen above, connections
 * made in net/dial.c. Start with pool_take. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/pool.h"

#include "upstream/pool_internal.h"

#include <stdlib.h>

struct loop *pool_loop(const struct pool *pool)
{
    return pool->loop;
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
}

void pool_uncount_idle(struct pool *pool, struct host *host)
{
    atomic_fetch_sub_explicit(&host->idle, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(hosts_idle_total(pool->hosts), 1, memory_order_relaxed);
}

/* Takes an idle connection out of both lists and all idle counts. */
static void unlink_idle(struct pooled *pooled)
{
    pool_unlink(pooled);
    pool_uncount_idle(pooled->pool, pooled->host);
}

/* The next miss is due to it. */
void pool_destroy(struct pooled *pooled, enum reason reason, enum side side)
{
    struct pool *pool = pooled->pool;
    struct host_counts *counts = pool_counts(pool, pooled->host);

    http_close(pooled->conn);
    host_count_add(&counts->connections_closed, 1);
    ledger_closed(&counts->ledger, reason, side);
    ledger_note(&counts->ledger, reason);
    gate_leave(pool->gate, pooled->host);
    slab_give(pool->records, pooled);
}

static void close_idle(struct pooled *pooled, enum reason reason, enum side side)
{
    unlink_idle(pooled);
    pool_destroy(pooled, reason, side);
}

/* An idle period that ends now, for the learner. */
static struct idle_end idle_end_of(const struct pooled *pooled, uint64_t idle_ns)
{
    struct pool *pool = pooled->pool;

    return (struct idle_end){
        .now_ns = loop_now_ns(pool->loop),
        .idle_ns = idle_ns,
        .age_ns = loop_now_ns(pool->loop) - pooled->opened_ns,
        .worker = pool->worker,
        .requests = pooled->uses,
        .idle_conns = atomic_load_explicit(&pooled->host->idle, memory_order_relaxed),
        .sentinel = pooled->sentinel,
    };
}

static uint64_t idle_ns(const struct pooled *pooled)
{
    return loop_now_ns(pooled->pool->loop) - pooled->idle_since_ns;
}

/* We end an idle period, for a reason of ours. */
static void retire(struct pooled *pooled, enum reason reason)
{
    struct idle_end end = idle_end_of(pooled, idle_ns(pooled));

    idle_limit_retired(pooled->host->idle_limit, &end);
    close_idle(pooled, reason, SIDE_OURS);
}

static enum reason reason_of_close(struct pooled *pooled, enum reason found)
{
    struct idle_end end = idle_end_of(pooled, idle_ns(pooled));

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

/* The peer has ended it. `news`: what was found instead of silence. */
static void close_stale(struct pooled *pooled, enum io news, enum reason found)
{
    struct host_counts *counts = pool_counts(pooled->pool, pooled->host);
    enum reason reason = news == IO_OK ? REASON_STRAY_BYTES : reason_of_close(pooled, found);

    host_count_add(found == REASON_STALE_AT_CHECK ? &counts->stale : &counts->closed_idle, 1);
    close_idle(pooled, reason, SIDE_PEER);
}

/* The first pass of a batch: an idle connection has news. */
void pool_run_idle_news(struct task *task)
{
    struct pooled *pooled = container_of(task, struct pooled, task);
    enum io news = http_check_idle(pooled->conn, false);

    if (news != IO_WAIT)
        close_stale(pooled, news, REASON_PEER_CLOSE_IDLE);
}

/* A learned limit moves while connections wait. */
static uint64_t expires_ns(const struct pooled *pooled)
{
    if (pooled->sentinel)
        return pooled->idle_since_ns + idle_limit_sentinel_until_ns(pooled->host->idle_limit);
    return pooled->idle_since_ns +
           (pooled->learned ? idle_limit_retire_after_ns(pooled->host->idle_limit) : pooled->idle_limit_ns);
}

/* At the end of its time: closed, or left to the host to close, if the learner wants to see when (true). */
static bool expire(struct pooled *pooled)
{
    if (pooled->learned && !pooled->sentinel && idle_limit_wants_sentinel(pooled->host->idle_limit)) {
        pooled->sentinel = true;
        return true;
    }
    retire(pooled, pooled->learned ? REASON_LEARNED_EXPIRED : REASON_IDLE_EXPIRED);
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
        if (expires_ns(oldest) <= loop_now_ns(pool->loop)) {
            (void)expire(oldest);
            continue;
        }
        next_ns = expires_ns(oldest) < next_ns ? expires_ns(oldest) : next_ns;
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
    pool->records = slab_new(sizeof(struct pooled), 1024);
    pool->gate = gate_new(loop);
    if (!pool_open_mail(pool) || !pool->records || !pool->gate) {
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
    pool_free_mail(pool);
    timer_clear(pool->loop, &pool->expiry);
    task_forget(pool->loop, &pool->expiry_task);
    slab_free(pool->records);
    gate_free(pool->gate);
    free(pool->stacks);
    free(pool);
}

void pool_flush(struct pool *pool)
{
    pool_end_warm_dials(pool);
    for (struct list_node *node; (node = list_first(&pool->by_age));)
        retire(container_of(node, struct pooled, by_age), REASON_DRAIN);
}

static bool is_old(const struct pooled *pooled)
{
    return pooled->old_at_ns <= loop_now_ns(pooled->pool->loop);
}

/* Is it still good? Readiness up to the last wait was handled by the first pass; a connection that was idle for longer
 * than a turn may have got a FIN since, so the kernel is asked. */
static enum io look_at(struct pooled *pooled)
{
    bool look = loop_stats(pooled->pool->loop)->turns - pooled->idle_turn > 1;

    return http_check_idle(pooled->conn, look);
}

struct pooled *pool_lend(struct pooled *pooled)
{
    struct host_counts *counts = pool_counts(pooled->pool, pooled->host);

    http_set_idle(pooled->conn, NULL);
    pooled->uses++;
    pooled->pool->lent++;
    host_count_add(&counts->active, 1);
    return pooled;
}

enum taking { TAKEN, GONE, NOT_FOR_THIS };

static enum idle_use may_use(const struct pooled *pooled, bool repeatable)
{
    return idle_limit_may_use(pooled->host->idle_limit, &(struct idle_pick){
                                                            .idle_ns = idle_ns(pooled),
                                                            .survived_ns = pooled->survived_ns,
                                                            .generation = pooled->generation,
                                                            .idempotent = repeatable,
                                                        });
}

/* Finds it good, ends it, or leaves it to a request that can bear more. */
static enum taking try_to_use(struct pooled *pooled, bool repeatable)
{
    enum idle_use use = pooled->learned ? may_use(pooled, repeatable) : IDLE_USE_YES;
    enum io news;

    if (use == IDLE_USE_NO || pooled->sentinel)
        return NOT_FOR_THIS;
    if (use == IDLE_USE_RETIRE || expires_ns(pooled) <= loop_now_ns(pooled->pool->loop))
        return expire(pooled) ? NOT_FOR_THIS : GONE;
    if (is_old(pooled)) {
        retire(pooled, REASON_AGE);
        return GONE;
    }
    news = look_at(pooled);
    if (news != IO_WAIT) {
        close_stale(pooled, news, REASON_STALE_AT_CHECK);
        return GONE;
    }
    return TAKEN;
}

static struct pooled *lend_idle(struct pooled *pooled)
{
    pooled->used_at_idle_ns = idle_ns(pooled);
    unlink_idle(pooled);
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

struct pooled *pool_take(struct pool *pool, struct host *host, const struct transport *transport, bool repeatable)
{
    struct list *stack = pool_stack(pool, host);
    struct list_node *node = NULL;
    enum taking taking = GONE;

    while (taking == GONE && stack && (node = transport->pick_fifo ? oldest_usable(stack) : list_first(stack)))
        taking = try_to_use(container_of(node, struct pooled, by_host), repeatable);
    pool->refused = taking == NOT_FOR_THIS;
    return taking == TAKEN ? lend_idle(container_of(node, struct pooled, by_host)) : NULL;
}

/* What may be sent again gets the oldest; what may not, the least risky. */
struct pooled *pool_spare(struct pool *pool, struct host *host, bool repeatable)
{
    struct list *stack = pool_stack(pool, host);
    struct list_node *node = NULL;
    enum taking taking = GONE;

    while (taking == GONE && stack && (node = repeatable ? oldest_usable(stack) : list_first(stack)))
        taking = try_to_use(container_of(node, struct pooled, by_host), repeatable);
    return taking == TAKEN ? container_of(node, struct pooled, by_host) : NULL;
}

void pool_survived(struct pooled *pooled)
{
    struct idle_end end = idle_end_of(pooled, pooled->used_at_idle_ns);

    if (pooled->uses < 2)
        return;
    idle_limit_survived(pooled->host->idle_limit, &end);
    if (pooled->used_at_idle_ns > pooled->survived_ns)
        pooled->survived_ns = pooled->used_at_idle_ns;
}

void pool_was_stale(struct pooled *pooled)
{
    struct idle_end end = idle_end_of(pooled, pooled->used_at_idle_ns);

    idle_limit_stale(pooled->host->idle_limit, &end);
}

enum reason pool_explain(struct pool *pool, struct host *host, const struct transport *transport)
{
    struct host_counts *counts = pool_counts(pool, host);
    bool ever = atomic_load_explicit(&counts->connections_opened, memory_order_relaxed) > 0;

    if (transport->disable_keep_alives)
        return REASON_KEEP_ALIVE_OFF;
    return pool->refused ? REASON_RISK_POLICY : ledger_explain(&counts->ledger, ever);
}

/* Makes room under the total cap by closing this worker's oldest. False: there is none to close. */
static bool evict_oldest(struct pool *pool)
{
    struct list_node *node = list_first(&pool->by_age);

    if (!node)
        return false;
    retire(container_of(node, struct pooled, by_age), REASON_CAP_EVICTED);
    return true;
}

/* Counts one more idle connection, within the caps of the process: for the host the returned one must yield, in all the
 * oldest (as KrakenD's transport has it). */
static bool admit(struct pool *pool, struct host *host, const struct transport *transport)
{
    int64_t per_host = transport->max_idle_connections_per_host ? transport->max_idle_connections_per_host
                                                                : TRANSPORT_IDLE_PER_HOST_DEFAULT;
    uint64_t total_max = transport->max_idle_connections > 0 ? (uint64_t)transport->max_idle_connections : UINT64_MAX;
    _Atomic uint64_t *total = hosts_idle_total(pool->hosts);

    /* Counted first, asked then: other workers do the same at this moment. */
    if ((int64_t)atomic_fetch_add_explicit(&host->idle, 1, memory_order_relaxed) >= per_host)
        goto refuse_host;
    if (atomic_fetch_add_explicit(total, 1, memory_order_relaxed) >= total_max && !evict_oldest(pool))
        goto refuse;
    return true;
refuse:
    atomic_fetch_sub_explicit(total, 1, memory_order_relaxed);
refuse_host:
    atomic_fetch_sub_explicit(&host->idle, 1, memory_order_relaxed);
    return false;
}

static uint64_t idle_limit_ns(const struct transport *transport)
{
    if (transport->idle_connection_timeout_ns > 0)
        return (uint64_t)transport->idle_connection_timeout_ns;
    switch (transport->idle_policy) {
    case IDLE_FIXED:
        return (uint64_t)transport->idle_limit_ns;
    case IDLE_NEVER:
        return INT64_MAX;
    case IDLE_LEARNED:
        break;
    }
    return (uint64_t)TRANSPORT_IDLE_DEFAULT_NS; /* learn: false */
}

static bool learns(const struct transport *transport)
{
    return transport->idle_connection_timeout_ns <= 0 && transport->idle_policy == IDLE_LEARNED &&
           !transport->ignore_learned;
}

/* An idle connection that is in the lists: who waits may have it. */
static void announce(struct pooled *pooled)
{
    struct pool *pool = pooled->pool;

    host_count_add(&pool_counts(pool, pooled->host)->idle, 1);
    http_set_idle(pooled->conn, &pooled->task);
    gate_wake(pool->gate, pooled->host);
    gate_wake(pool->racers, pooled->host);
    if (pool->expiry.at_ns == TIMER_OFF || pool->expiry.fired || pool->expiry.at_ns > expires_ns(pooled))
        timer_set(pool->loop, &pool->expiry, expires_ns(pooled));
}

static void make_idle(struct pooled *pooled, struct list *stack, const struct transport *transport)
{
    struct pool *pool = pooled->pool;

    pooled->idle_since_ns = loop_now_ns(pool->loop);
    pooled->idle_turn = loop_stats(pool->loop)->turns;
    pooled->idle_limit_ns = idle_limit_ns(transport);
    pooled->learned = learns(transport);
    pooled->generation = idle_limit_generation(pooled->host->idle_limit);
    list_push_front(stack, &pooled->by_host);
    list_push_back(&pool->by_age, &pooled->by_age);
    announce(pooled);
}

/* It is most often the oldest of all, so its place is looked for from there. */
void pool_link(struct pooled *pooled, struct list *stack)
{
    struct list *by_age = &pooled->pool->by_age;
    struct list_node *older = by_age->head.next, *newer = stack->head.prev;

    while (older != &by_age->head && container_of(older, struct pooled, by_age)->idle_since_ns < pooled->idle_since_ns)
        older = older->next;
    list_insert_after(by_age, older->prev, &pooled->by_age);
    while (newer != &stack->head && container_of(newer, struct pooled, by_host)->idle_since_ns < pooled->idle_since_ns)
        newer = newer->prev;
    list_insert_after(stack, newer, &pooled->by_host);
    announce(pooled);
}

static void take_back(struct pooled *pooled)
{
    ASSERT(pooled->pool->lent > 0);
    pooled->pool->lent--;
    host_count_add(&pool_counts(pooled->pool, pooled->host)->active, -1);
}

static bool is_used_up(const struct pooled *pooled, const struct transport *transport)
{
    return transport->max_requests_per_connection > 0 &&
           pooled->uses >= (uint64_t)transport->max_requests_per_connection;
}

/* What the host has told, or was seen to do: is there a point in keeping it? */
static bool host_keeps_it(const struct pooled *pooled, const struct transport *transport)
{
    struct idle_limit *limit = pooled->host->idle_limit;
    struct http_conn_facts facts;

    if (!learns(transport))
        return true;
    http_facts(pooled->conn, &facts);
    if (!transport->ignore_hints && (facts.hint_timeout_s >= 0 || facts.hint_max >= 0) &&
        !idle_limit_hint(limit, facts.hint_timeout_s, facts.hint_max))
        return false;
    return idle_limit_retire_after_ns(limit) > 0 && !idle_limit_is_spent(limit, pooled->pool->worker, pooled->uses);
}

/* Why a connection that cannot carry another request goes. */
static enum reason reason_of(const struct pooled *pooled, const struct transport *transport, bool wanted,
                             enum side *side)
{
    struct http_conn_facts facts;

    http_facts(pooled->conn, &facts);
    *side = SIDE_PEER;
    switch (facts.unfit) {
    case HTTP_UNFIT_PEER:
    case HTTP_UNFIT_VERSION:
        return REASON_PEER_CLOSE_ANNOUNCED;
    case HTTP_UNFIT_NO_LENGTH:
        return REASON_NO_LENGTH;
    case HTTP_UNFIT_FRAMING:
        return REASON_BAD_FRAMING;
    case HTTP_UNFIT_SURPLUS:
        return REASON_STRAY_BYTES;
    case HTTP_UNFIT_CLOSED:
        return REASON_PEER_CLOSE_IDLE;
    case HTTP_UNFIT_UNFINISHED:
        return REASON_EARLY_RESPONSE;
    case HTTP_UNFIT_TIMEOUT:
        return REASON_ANSWER_FAILED;
    case HTTP_UNFIT_OURS:
    case HTTP_FIT:
        break;
    }
    *side = SIDE_OURS;
    if (is_old(pooled))
        return REASON_AGE;
    if (is_used_up(pooled, transport))
        return REASON_COUNT;
    if (transport->disable_keep_alives)
        return REASON_KEEP_ALIVE_OFF;
    return wanted ? REASON_CAP_EVICTED : REASON_LEARNED_EXPIRED;
}

void pool_settle(struct pooled *pooled, const struct transport *transport)
{
    struct list *stack = pool_stack(pooled->pool, pooled->host);
    bool fit = !transport->disable_keep_alives && http_room(pooled->conn) > 0 && !is_old(pooled) &&
               !is_used_up(pooled, transport);
    bool wanted = fit && host_keeps_it(pooled, transport);
    enum reason reason;
    enum side side;

    if (stack && wanted && admit(pooled->pool, pooled->host, transport)) {
        make_idle(pooled, stack, transport);
        if (UNLIKELY(atomic_load_explicit(&pooled->host->waiting, memory_order_relaxed) > 0))
            pool_share(pooled);
        return;
    }
    reason = reason_of(pooled, transport, wanted, &side);
    pool_destroy(pooled, reason, side);
}

void pool_return(struct pooled *pooled, const struct transport *transport)
{
    take_back(pooled);
    pool_settle(pooled, transport);
}

void pool_discard(struct pooled *pooled, enum reason reason, enum side side)
{
    take_back(pooled);
    pool_destroy(pooled, reason, side);
}
