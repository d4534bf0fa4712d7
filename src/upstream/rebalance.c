/* rebalance.c: see the header. Start with rebalance_step. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/rebalance.h"

#include "upstream/addresses.h"
#include "upstream/pool_internal.h"
#include "upstream/shared.h"

static enum addr_family family_of(const struct address_turns *turns, unsigned i)
{
    return (enum addr_family)turns->addrs.addrs[i].family;
}

/* One that moves to the address of its family with the fewest makes them more even. */
static bool has_too_many(const struct address_turns *turns, unsigned i)
{
    uint32_t least = UINT32_MAX;

    for (unsigned k = 0; k < turns->addrs.count; k++)
        if (family_of(turns, k) == family_of(turns, i) && turns_conns(turns, k) < least)
            least = turns_conns(turns, k);
    return turns_conns(turns, i) >= least + 2;
}

/* Of an address with too many, for which it counts no more; false: it is of another. */
static bool take_surplus(struct address_turns *turns, struct pooled *pooled)
{
    unsigned i = turns_place(turns, pooled);

    if (i == turns->addrs.count || !pooled->tallied || !has_too_many(turns, i))
        return false;
    turns_went(turns, pooled);
    return true;
}

/* The last used first: it is these that carry the load. */
static uint32_t end_idle(struct address_turns *turns, uint32_t most)
{
    struct list *stack = pool_stack(turns->pool, turns->host);
    uint32_t ended = 0;

    for (struct list_node *node = stack ? list_first(stack) : NULL, *next; node && ended < most; node = next) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);

        next = list_next(stack, node);
        if (!take_surplus(turns, pooled))
            continue;
        pool_retire(pooled, REASON_REBALANCED);
        ended++;
    }
    return ended;
}

static void mark_lent(struct address_turns *turns, uint32_t most)
{
    struct list *lent = &turns->pool->lent_conns;

    for (struct list_node *node = list_first(lent); node && most > 0; node = list_next(lent, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_age);

        if (pooled->host != turns->host || !take_surplus(turns, pooled))
            continue;
        pooled->uneven = true;
        if (pooled->conn->multiplexed)
            pool_withdraw(pooled, REASON_REBALANCED, SIDE_OURS);
        most--;
    }
}

static bool is_uneven(const struct address_turns *turns)
{
    for (unsigned i = 0; i < turns->addrs.count; i++)
        if (has_too_many(turns, i))
            return true;
    return false;
}

static uint32_t own_conns(const struct pool *pool, const struct host *host)
{
    const struct host_counts *counts = &host->counts[pool->worker];

    return (uint32_t)(atomic_load_explicit(&counts->idle, memory_order_relaxed) +
                      atomic_load_explicit(&counts->active, memory_order_relaxed));
}

bool rebalance_step(struct address_turns *turns)
{
    uint64_t percent = hosts_rules(turns->pool->hosts).rebalance_percent;
    uint32_t most;

    turns_look(turns);
    if (percent == 0 || !is_uneven(turns))
        return false;
    most = (uint32_t)((own_conns(turns->pool, turns->host) * percent + 99) / 100);
    mark_lent(turns, most - end_idle(turns, most));
    return true;
}

uint32_t rebalance_steps_max(struct pool *pool, const struct host *host)
{
    uint32_t conns = own_conns(pool, host), percent = hosts_rules(pool->hosts).rebalance_percent;
    uint32_t steps = percent > 0 ? (100 + percent - 1) / percent : 0;

    return conns < steps ? conns : steps;
}

/* The one with the most connections: its family is what dials prefer. */
static unsigned richest(const struct address_turns *turns)
{
    unsigned best = 0;

    for (unsigned i = 1; i < turns->addrs.count; i++)
        if (turns_conns(turns, i) > turns_conns(turns, best))
            best = i;
    return best;
}

/* Of a family, the address that so many others come before, in the order of their connections and, among equals, from
 * `start` on; the last when they are not so many. */
static const struct addr *poorest(const struct address_turns *turns, enum addr_family family, unsigned start,
                                  uint64_t skip)
{
    bool passed[RESOLVE_ADDRS_MAX] = {false};
    unsigned count = turns->addrs.count;
    const struct addr *found = NULL;

    for (uint64_t round = 0; round <= skip && round < count; round++) {
        unsigned best = count;

        for (unsigned k = 0; k < count; k++) {
            unsigned i = (start + k) % count;

            if (family_of(turns, i) == family && !passed[i] &&
                (best == count || turns_conns(turns, i) < turns_conns(turns, best)))
                best = i;
        }
        if (best == count)
            break;
        passed[best] = true;
        found = &turns->addrs.addrs[best];
    }
    return found;
}

static uint64_t dialing(const struct host *host)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < host->workers; i++)
        sum += atomic_load_explicit(&host->counts[i].dialing, memory_order_relaxed);
    return sum;
}

struct addr rebalance_first(struct pool *pool, const struct host *host)
{
    struct address_turns *turns = addresses_turns(pool, host);
    uint64_t skip = turns ? dialing(host) : 0;
    const struct addr *first;
    unsigned rich;

    if (!turns || skip >= turns->addrs.count)
        return (struct addr){0};
    turns_look(turns);
    rich = richest(turns);
    if (turns_conns(turns, rich) == 0)
        return (struct addr){0};
    first = poorest(turns, family_of(turns, rich), rebalance_turn(pool, host), skip);
    return first ? *first : (struct addr){0};
}

unsigned rebalance_turn(const struct pool *pool, const struct host *host)
{
    const struct host_counts *counts = &host->counts[pool->worker];

    return pool->worker + (unsigned)(atomic_load_explicit(&counts->connections_opened, memory_order_relaxed) +
                                     atomic_load_explicit(&counts->dialing, memory_order_relaxed));
}
