/* addresses.c: see the header. Start with take_answer. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/addresses.h"

#include "base/log.h"
#include "upstream/pool_internal.h"
#include "upstream/rebalance.h"

#include <stdlib.h>

/* Addresses that change are noticed so soon, however short a TTL is: what requests believe is resolve_ttl_min's. */
#define ASK_MIN_NS UINT64_C(1000000000)

struct addresses {
    struct list_node node;
    struct pool *pool;
    struct host *host;
    struct task task;
    struct timer timer;      /* when to ask next; off: nobody needs to know */
    struct timer even_timer; /* the next step of rebalance.h; off: all is even, as far as known */
    struct resolve_query query;
    bool asking;
    bool watched; /* it is a name, and asked for */
    struct resolved seen, believed;
    struct address_turns turns;
    uint32_t steps_left; /* of rebalance.h */
    uint32_t named_by;   /* SRV names */
    bool discovered;     /* it came from SRV records */
};

static struct addresses *find(const struct pool *pool, const struct host *host)
{
    return host->counts[pool->worker].addresses;
}

static bool lists(const struct resolved *answer, const struct addr *addr)
{
    for (unsigned i = 0; i < answer->count; i++)
        if (addr_eq_ip(&answer->addrs[i], addr))
            return true;
    return false;
}

/* In whatever order. */
static bool is_same(const struct resolved *a, const struct resolved *b)
{
    for (unsigned i = 0; i < a->count; i++)
        if (!lists(b, &a->addrs[i]))
            return false;
    return a->count == b->count;
}

static bool is_gone(const struct addresses *addresses)
{
    return addresses->discovered && addresses->named_by == 0 &&
           !atomic_load_explicit(&addresses->host->configured, memory_order_relaxed);
}

/* An answer that is full may not name all there are. */
static bool is_left(const struct addresses *addresses, const struct pooled *pooled)
{
    const struct resolved *believed = &addresses->believed;
    const struct addr *peer = &pooled->conn->stream->peer;

    if (is_gone(addresses))
        return true;
    return peer->family != ADDR_NONE && believed->count > 0 && believed->count < RESOLVE_ADDRS_MAX &&
           !lists(believed, peer);
}

bool addresses_has_left(const struct pooled *pooled)
{
    const struct addresses *addresses = find(pooled->pool, pooled->host);

    return addresses && is_left(addresses, pooled);
}

struct address_turns *addresses_turns(const struct pool *pool, const struct host *host)
{
    struct addresses *addresses = find(pool, host);

    return addresses && addresses->turns.addrs.count > 1 ? &addresses->turns : NULL;
}

void addresses_came(struct pooled *pooled)
{
    struct address_turns *turns = addresses_turns(pooled->pool, pooled->host);

    if (turns)
        turns_came(turns, pooled);
}

void addresses_went(struct pooled *pooled)
{
    struct address_turns *turns = addresses_turns(pooled->pool, pooled->host);

    if (turns)
        turns_went(turns, pooled);
}

/* What is idle goes now; what is lent when it comes back (pool_settle). */
static void leave(struct addresses *addresses)
{
    struct list *stack = pool_stack(addresses->pool, addresses->host);
    unsigned closed = 0;

    for (struct list_node *node = stack ? list_first(stack) : NULL, *next; node; node = next) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);

        next = list_next(stack, node);
        if (!is_left(addresses, pooled))
            continue;
        pool_retire(pooled, REASON_ADDRESS_GONE);
        closed++;
    }
    if (closed > 0)
        LOG(LOG_INFO, "UPSTREAM", "%.*s: %u idle connections to what DNS names no more are closed",
            STR_ARG(addresses->host->url), closed);
}

static bool is_of_use(const struct addresses *addresses)
{
    const struct host_counts *counts = pool_counts(addresses->pool, addresses->host);

    return atomic_load_explicit(&counts->idle, memory_order_relaxed) > 0 ||
           atomic_load_explicit(&counts->active, memory_order_relaxed) > 0;
}

static void ask_later(struct addresses *addresses, uint64_t wait_ns)
{
    struct loop *loop = addresses->pool->loop;

    timer_set(loop, &addresses->timer, loop_now_ns(loop) + (wait_ns > ASK_MIN_NS ? wait_ns : ASK_MIN_NS));
}

/* Each address shall have its share, since there are others now, or chance has been unkind. */
static void even_out(struct addresses *addresses)
{
    struct loop *loop = addresses->pool->loop;

    timer_clear(loop, &addresses->even_timer);
    if (addresses->steps_left == 0)
        return;
    addresses->steps_left--;
    if (rebalance_step(&addresses->turns))
        timer_set(loop, &addresses->even_timer, loop_now_ns(loop) + REBALANCE_TICK_NS);
}

static void believe(struct addresses *addresses, const struct resolved *answer)
{
    bool changed = !is_same(answer, &addresses->believed);

    addresses->believed = *answer;
    if (changed) {
        turns_begin(&addresses->turns, addresses->pool, addresses->host, answer);
        leave(addresses);
    }
    if (!changed && !turns_are_uneven(&addresses->turns))
        return;
    addresses->steps_left = rebalance_steps_max(addresses->pool, addresses->host);
    if (addresses->even_timer.at_ns == TIMER_OFF)
        even_out(addresses);
}

static void take_answer(struct addresses *addresses)
{
    const struct resolved *answer = &addresses->query.answer;
    bool confirmed;

    addresses->asking = false;
    if (addresses->query.err.fault != FAULT_NONE) {
        ask_later(addresses, ASK_MIN_NS);
        return;
    }
    confirmed = is_same(answer, &addresses->seen);
    addresses->seen = *answer;
    ask_later(addresses, answer->ttl_ns);
    if (confirmed)
        believe(addresses, answer);
}

static void ask(struct addresses *addresses)
{
    addresses->query = (struct resolve_query){.name = addresses->host->name, .task = &addresses->task};
    addresses->asking = true;
    resolve_start(addresses->pool->resolver, &addresses->query);
    if (addresses->query.done)
        take_answer(addresses);
}

static void run(struct task *task)
{
    struct addresses *addresses = container_of(task, struct addresses, task);

    if (addresses->asking && addresses->query.done)
        take_answer(addresses);
    if (addresses->even_timer.fired)
        even_out(addresses);
    if (!addresses->timer.fired || addresses->asking)
        return;
    timer_clear(addresses->pool->loop, &addresses->timer);
    if (is_of_use(addresses)) {
        ask(addresses);
    } else {
        addresses->watched = false;
        addresses->seen.count = addresses->believed.count = 0;
    }
}

static struct addresses *find_or_add(struct pool *pool, struct host *host)
{
    struct addresses *addresses = find(pool, host);

    if (addresses)
        return addresses;
    addresses = calloc(1, sizeof(*addresses));
    if (!addresses)
        return NULL;
    addresses->pool = pool;
    addresses->host = host;
    addresses->task.run = run;
    addresses->timer = addresses->even_timer = (struct timer){.at_ns = TIMER_OFF, .task = &addresses->task};
    list_push_back(&pool->addresses, &addresses->node);
    pool_counts(pool, host)->addresses = addresses;
    return addresses;
}

/* Literal addresses, Unix sockets, and names that a proxy looks up do not change here. */
static bool is_looked_up(const struct pool *pool, const struct host *host)
{
    struct addr literal;

    return pool->resolver && host->unix_addr.family != ADDR_UNIX && host->proxy.len == 0 &&
           !addr_parse_ip(host->name, &literal);
}

void addresses_begin(struct pool *pool, struct host *host)
{
    struct addresses *addresses = find(pool, host);

    if ((addresses && addresses->watched) || !is_looked_up(pool, host))
        return;
    addresses = find_or_add(pool, host);
    if (!addresses || addresses->watched)
        return;
    addresses->watched = true;
    if (!addresses->asking)
        ask(addresses);
}

/* A host is named with or without memory for what is known of its addresses: it must not be given back. */
void addresses_name(struct pool *pool, struct host *host, int change)
{
    struct addresses *addresses = change > 0 ? find_or_add(pool, host) : find(pool, host);

    if (atomic_fetch_add_explicit(&host->named, (uint32_t)change, memory_order_relaxed) == 1 && change < 0)
        atomic_store_explicit(&host->left_ns, loop_now_ns(pool->loop), memory_order_relaxed);
    if (!addresses)
        return;
    addresses->discovered = true;
    if (change > 0 || addresses->named_by > 0)
        addresses->named_by += (uint32_t)change;
    if (is_gone(addresses))
        leave(addresses);
}

static void end(struct addresses *addresses)
{
    struct pool *pool = addresses->pool;

    if (addresses->asking && !addresses->query.done)
        resolve_cancel(pool->resolver, &addresses->query);
    timer_clear(pool->loop, &addresses->timer);
    timer_clear(pool->loop, &addresses->even_timer);
    task_forget(pool->loop, &addresses->task);
    turns_end(&addresses->turns);
    pool_counts(pool, addresses->host)->addresses = NULL;
    list_remove(&pool->addresses, &addresses->node);
    free(addresses);
}

void addresses_forget(struct pool *pool, struct host *host)
{
    struct addresses *addresses = find(pool, host);

    ASSERT(!addresses || addresses->named_by == 0);
    if (addresses)
        end(addresses);
}

void addresses_end(struct pool *pool)
{
    struct list_node *node;

    while ((node = list_first(&pool->addresses)))
        end(container_of(node, struct addresses, node));
}
