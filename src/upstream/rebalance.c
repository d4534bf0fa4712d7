/* rebalance.c: see the header. Start with rebalance_step. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/rebalance.h"

#include "upstream/addresses.h"
#include "upstream/pool_internal.h"
#include "upstream/shared.h"

enum { SHARE_OF_TICK = 100, COUNTED_MAX = 256 };

/* This worker's connections to a host, by address. */
struct tally {
    const struct resolved *addrs;
    uint32_t conns[RESOLVE_ADDRS_MAX];
    uint32_t all;
    unsigned worker;
};

/* Ports do not count: answers have none. */
static bool is_same_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == ADDR_IPV4 ? 4 : sizeof(a->ip)) == 0;
}

/* addrs->count: none of them. */
static unsigned address_of(const struct tally *tally, const struct pooled *pooled)
{
    unsigned i = 0;

    while (i < tally->addrs->count && !is_same_ip(&tally->addrs->addrs[i], &pooled->conn->stream->peer))
        i++;
    return i;
}

static void count(struct tally *tally, const struct pooled *pooled)
{
    unsigned i = address_of(tally, pooled);

    if (i == tally->addrs->count || pooled->uneven || pooled->sentinel)
        return;
    tally->conns[i]++;
    tally->all++;
}

static void count_all(struct tally *tally, struct pool *pool, const struct host *host)
{
    struct list *stack = pool_stack(pool, host);

    for (struct list_node *node = stack ? list_first(stack) : NULL; node; node = list_next(stack, node))
        count(tally, container_of(node, struct pooled, by_host));
    for (struct list_node *node = list_first(&pool->lent_conns); node; node = list_next(&pool->lent_conns, node))
        if (container_of(node, struct pooled, by_age)->host == host)
            count(tally, container_of(node, struct pooled, by_age));
}

/* Connections to all addresses of the family of one, and how many those are. */
static uint32_t family_of(const struct tally *tally, unsigned i, uint32_t *addresses)
{
    uint32_t conns = 0;

    *addresses = 0;
    for (unsigned k = 0; k < tally->addrs->count; k++)
        if (tally->addrs->addrs[k].family == tally->addrs->addrs[i].family) {
            conns += tally->conns[k];
            ++*addresses;
        }
    return conns;
}

/* The same in every worker, whatever the order of its answer. */
static uint32_t rank_of(const struct tally *tally, unsigned i)
{
    const struct addr *addr = &tally->addrs->addrs[i];
    uint32_t rank = 0;

    for (unsigned k = 0; k < tally->addrs->count; k++)
        rank += tally->addrs->addrs[k].family == addr->family &&
                memcmp(tally->addrs->addrs[k].ip, addr->ip, sizeof(addr->ip)) < 0;
    return rank;
}

/* What does not divide goes to other addresses in each worker: many workers with one connection each are even, too. */
static bool has_too_many(const struct tally *tally, unsigned i)
{
    uint32_t addresses, conns = family_of(tally, i, &addresses);
    uint32_t begin = (uint32_t)((uint64_t)tally->worker * (conns % addresses) % addresses);
    uint32_t place = (rank_of(tally, i) + addresses - begin) % addresses;

    return tally->conns[i] > conns / addresses + (place < conns % addresses);
}

/* Of an address with too many; false: it is of another. */
static bool is_surplus(struct tally *tally, const struct pooled *pooled)
{
    unsigned i = address_of(tally, pooled);

    if (i == tally->addrs->count || pooled->uneven || pooled->sentinel || !has_too_many(tally, i))
        return false;
    tally->conns[i]--;
    return true;
}

/* The last used first: it is these that carry the load. */
static uint32_t end_idle(struct tally *tally, struct pool *pool, const struct host *host, uint32_t most)
{
    struct list *stack = pool_stack(pool, host);
    uint32_t ended = 0;

    for (struct list_node *node = stack ? list_first(stack) : NULL, *next; node && ended < most; node = next) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);

        next = list_next(stack, node);
        if (!is_surplus(tally, pooled))
            continue;
        pool_retire(pooled, REASON_REBALANCED);
        ended++;
    }
    return ended;
}

static void mark_lent(struct tally *tally, struct pool *pool, const struct host *host, uint32_t most)
{
    for (struct list_node *node = list_first(&pool->lent_conns); node && most > 0;
         node = list_next(&pool->lent_conns, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_age);

        if (pooled->host != host || !is_surplus(tally, pooled))
            continue;
        pooled->uneven = true;
        if (pooled->conn->multiplexed)
            pool_withdraw(pooled, REASON_REBALANCED, SIDE_OURS);
        most--;
    }
}

static bool is_uneven(const struct tally *tally)
{
    for (unsigned i = 0; i < tally->addrs->count; i++)
        if (has_too_many(tally, i))
            return true;
    return false;
}

bool rebalance_step(struct pool *pool, struct host *host, const struct resolved *addrs)
{
    struct tally tally = {.addrs = addrs, .worker = pool->worker};
    uint32_t most;

    count_all(&tally, pool, host);
    if (addrs->count < 2 || !is_uneven(&tally))
        return false;
    most = (tally.all + SHARE_OF_TICK - 1) / SHARE_OF_TICK;
    mark_lent(&tally, pool, host, most - end_idle(&tally, pool, host, most));
    return true;
}

uint32_t rebalance_steps_max(struct pool *pool, const struct host *host)
{
    const struct host_counts *counts = pool_counts(pool, host);
    uint64_t conns = atomic_load_explicit(&counts->idle, memory_order_relaxed) +
                     atomic_load_explicit(&counts->active, memory_order_relaxed);

    return conns < SHARE_OF_TICK ? (uint32_t)conns : SHARE_OF_TICK;
}

/* Of the family that has the most connections: the one that dials prefer. */
static enum addr_family family_in_use(const struct tally *tally)
{
    unsigned best = 0;

    for (unsigned i = 1; i < tally->addrs->count; i++)
        if (tally->conns[i] > tally->conns[best])
            best = i;
    return tally->addrs->addrs[best].family;
}

/* Of a family, the address that so many others come before, in the order of their connections; the last when they are
 * not so many. */
static const struct addr *poorest(const struct tally *tally, enum addr_family family, uint64_t skip)
{
    bool passed[RESOLVE_ADDRS_MAX] = {false};
    const struct addr *found = NULL;

    for (uint64_t round = 0; round <= skip && round < tally->addrs->count; round++) {
        unsigned best = tally->addrs->count;

        for (unsigned i = 0; i < tally->addrs->count; i++)
            if (tally->addrs->addrs[i].family == family && !passed[i] &&
                (best == tally->addrs->count || tally->conns[i] < tally->conns[best]))
                best = i;
        if (best == tally->addrs->count)
            break;
        passed[best] = true;
        found = &tally->addrs->addrs[best];
    }
    return found;
}

struct addr rebalance_first(struct pool *pool, const struct host *host)
{
    const struct address_turns *turns = addresses_turns(pool, host);
    const struct host_counts *counts = pool_counts(pool, host);
    struct tally tally = {.addrs = turns ? &turns->addrs : NULL, .worker = pool->worker};
    uint64_t dialing = atomic_load_explicit(&counts->dialing, memory_order_relaxed);
    const struct addr *first;

    if (!turns || dialing >= turns->addrs.count || pool->lent > COUNTED_MAX ||
        atomic_load_explicit(&counts->idle, memory_order_relaxed) > COUNTED_MAX)
        return (struct addr){0};
    count_all(&tally, pool, host);
    first = tally.all > 0 ? poorest(&tally, family_in_use(&tally), dialing) : NULL;
    return first ? *first : (struct addr){0};
}

unsigned rebalance_turn(const struct pool *pool, const struct host *host)
{
    const struct host_counts *counts = pool_counts(pool, host);

    return pool->worker + (unsigned)(atomic_load_explicit(&counts->connections_opened, memory_order_relaxed) +
                                     atomic_load_explicit(&counts->dialing, memory_order_relaxed));
}
