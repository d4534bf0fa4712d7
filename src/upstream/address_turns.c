/* address_turns.c: see the header. Start with turns_pick. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/address_turns.h"

#include "upstream/pool_internal.h"

#include <stdlib.h>

enum {
    LOOKS = 64,      /* how deep an idle connection of the address that is due is looked for; as a rule it is as deep as
                        there are addresses */
    BEHIND_MAX = 16, /* so many requests an address is made up for */
    JUDGED = 200,    /* requests for each address that are enough to judge */
    UNEVEN = 115,    /* per cent of the mean */
};
#define LOOK_EVERY_NS UINT64_C(250000) /* for each worker that is looked at */

unsigned turns_place(const struct address_turns *turns, struct pooled *pooled)
{
    unsigned i = 0;

    if (pooled->place > 0 && pooled->round == turns->round)
        return pooled->place - 1u;
    while (i < turns->addrs.count && !addr_eq_ip(&turns->addrs.addrs[i], &pooled->conn->stream->peer))
        i++;
    pooled->place = (uint8_t)(i + 1);
    pooled->round = turns->round;
    pooled->tallied = false;
    return i;
}

static bool is_before(const struct addr *a, const struct addr *b)
{
    return a->family != b->family ? a->family < b->family : memcmp(a->ip, b->ip, sizeof(a->ip)) < 0;
}

static void sort(struct resolved *addrs)
{
    for (unsigned i = 1; i < addrs->count; i++)
        for (unsigned k = i; k > 0 && is_before(&addrs->addrs[k], &addrs->addrs[k - 1]); k--) {
            struct addr later = addrs->addrs[k - 1];

            addrs->addrs[k - 1] = addrs->addrs[k];
            addrs->addrs[k] = later;
        }
}

static uint64_t name_set(const struct resolved *addrs)
{
    uint64_t name = addrs->count;

    for (unsigned i = 0; i < addrs->count; i++)
        name = addr_hash(&addrs->addrs[i], name);
    return name | 1;
}

/* Kept until the host goes: others may be reading it. */
static struct turns_told *find_or_make_told(struct pool *pool, const struct host *host)
{
    struct host_counts *counts = pool_counts(pool, host);
    struct turns_told *told = atomic_load_explicit(&counts->turns, memory_order_relaxed);

    if (told)
        return told;
    told = calloc(1, sizeof(*told));
    atomic_store_explicit(&counts->turns, told, memory_order_release);
    return told;
}

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* What is not known by the same name stands in another order. */
static void add_told(struct address_turns *turns, const struct turns_told *told)
{
    if (!told || atomic_load_explicit(&told->set, memory_order_acquire) != get(&turns->own->set))
        return;
    for (unsigned i = 0; i < turns->addrs.count; i++) {
        turns->had[i] += get(&told->had[i]);
        turns->conns[i] += (uint32_t)get(&told->conns[i]);
    }
}

void turns_look(struct address_turns *turns)
{
    if (turns->addrs.count == 0)
        return;
    for (unsigned i = 0; i < turns->addrs.count; i++)
        turns->had[i] = turns->conns[i] = 0;
    for (unsigned i = 0; i < turns->host->workers; i++)
        if (i != turns->pool->worker)
            add_told(turns, atomic_load_explicit(&turns->host->counts[i].turns, memory_order_acquire));
    turns->looked_ns = loop_now_ns(turns->pool->loop);
}

static void look_now_and_then(struct address_turns *turns)
{
    if (turns->host->workers > 1 &&
        loop_now_ns(turns->pool->loop) - turns->looked_ns >= LOOK_EVERY_NS * turns->host->workers)
        turns_look(turns);
}

static uint64_t had(const struct address_turns *turns, unsigned i)
{
    return turns->had[i] + get(&turns->own->had[i]);
}

/* What it counts as having been given. */
static uint64_t given(const struct address_turns *turns, unsigned i)
{
    return had(turns, i) + turns->forgiven[i];
}

static uint64_t most_given(const struct address_turns *turns)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < turns->addrs.count; i++)
        most = given(turns, i) > most ? given(turns, i) : most;
    return most;
}

uint32_t turns_conns(const struct address_turns *turns, unsigned i)
{
    return turns->conns[i] + (uint32_t)get(&turns->own->conns[i]);
}

/* All that this worker has. */
static void count_conns(struct address_turns *turns)
{
    struct pool *pool = turns->pool;
    struct list *stack = pool_stack(pool, turns->host);

    for (struct list_node *node = stack ? list_first(stack) : NULL; node; node = list_next(stack, node))
        turns_came(turns, container_of(node, struct pooled, by_host));
    for (struct list_node *node = list_first(&pool->lent_conns); node; node = list_next(&pool->lent_conns, node))
        if (container_of(node, struct pooled, by_age)->host == turns->host)
            turns_came(turns, container_of(node, struct pooled, by_age));
}

void turns_begin(struct address_turns *turns, struct pool *pool, const struct host *host, const struct resolved *addrs)
{
    struct turns_told *own = find_or_make_told(pool, host);
    uint64_t most;

    *turns = (struct address_turns){.pool = pool, .host = host, .own = own, .round = (uint8_t)(turns->round + 1)};
    if (!own)
        return;
    turns_end(turns);
    if (addrs->count < 2)
        return;
    turns->addrs = *addrs;
    sort(&turns->addrs);
    for (unsigned i = 0; i < RESOLVE_ADDRS_MAX; i++) {
        atomic_store_explicit(&own->had[i], 0, memory_order_relaxed);
        atomic_store_explicit(&own->conns[i], 0, memory_order_relaxed);
    }
    count_conns(turns);
    atomic_store_explicit(&own->set, name_set(&turns->addrs), memory_order_release);
    turns_look(turns);
    most = most_given(turns);
    for (unsigned i = 0; i < turns->addrs.count; i++) {
        turns->judged[i] = had(turns, i);
        turns->forgiven[i] = most - had(turns, i);
    }
}

void turns_end(struct address_turns *turns)
{
    turns->addrs.count = 0;
    if (turns->own)
        atomic_store_explicit(&turns->own->set, 0, memory_order_relaxed);
}

/* Of a family: dials prefer one, so that the other has none, and rightly. */
static uint64_t least_given(const struct address_turns *turns, enum addr_family family)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < turns->addrs.count; i++)
        if (turns->addrs.addrs[i].family == family && given(turns, i) < least)
            least = given(turns, i);
    return least;
}

struct list_node *turns_pick(struct address_turns *turns, struct list *stack)
{
    struct list_node *best = NULL, *node = list_first(stack);
    uint64_t least = 0, best_given = UINT64_MAX;

    look_now_and_then(turns);
    if (node)
        least = least_given(turns, container_of(node, struct pooled, by_host)->conn->stream->peer.family);
    for (unsigned looks = 0; node && looks < LOOKS && best_given > least; looks++, node = list_next(stack, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);
        unsigned i = turns_place(turns, pooled);
        uint64_t count = i < turns->addrs.count ? given(turns, i) : UINT64_MAX - 1;

        if (pooled->sentinel || count >= best_given)
            continue;
        best = node;
        best_given = count;
    }
    return best;
}

void turns_given(struct address_turns *turns, struct pooled *pooled)
{
    unsigned i = turns_place(turns, pooled);
    uint64_t most;

    if (i >= turns->addrs.count)
        return;
    most = most_given(turns);
    if (given(turns, i) + BEHIND_MAX < most)
        turns->forgiven[i] += most - BEHIND_MAX - given(turns, i);
    host_count_add(&turns->own->had[i], 1);
}

void turns_came(struct address_turns *turns, struct pooled *pooled)
{
    unsigned i = turns_place(turns, pooled);

    if (i >= turns->addrs.count || pooled->tallied || pooled->uneven || pooled->sentinel)
        return;
    pooled->tallied = true;
    host_count_add(&turns->own->conns[i], 1);
}

void turns_went(struct address_turns *turns, struct pooled *pooled)
{
    if (!pooled->tallied || pooled->round != turns->round)
        return;
    pooled->tallied = false;
    host_count_add(&turns->own->conns[pooled->place - 1u], -1);
}

/* How many requests it has had since the last time. A worker that knows other addresses now has taken its own along. */
static uint64_t had_since(const struct address_turns *turns, unsigned i)
{
    return had(turns, i) > turns->judged[i] ? had(turns, i) - turns->judged[i] : 0;
}

bool turns_are_uneven(struct address_turns *turns)
{
    uint64_t most = 0, all = 0, reached = 0;

    turns_look(turns);
    for (unsigned i = 0; i < turns->addrs.count; i++) {
        uint64_t new = had_since(turns, i);

        reached += turns_conns(turns, i) > 0;
        all += new;
        most = new > most ? new : most;
    }
    if (reached == 0 || all < JUDGED * reached)
        return false;
    for (unsigned i = 0; i < turns->addrs.count; i++)
        turns->judged[i] = had(turns, i);
    return most * reached * 100 > all * UNEVEN;
}
