/* address_turns.c: see the header. Start with turns_pick. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/address_turns.h"

#include "upstream/pool_internal.h"

/* LOOKS: how deep an idle connection of the address that is due is looked for. In steady use it is as deep as there are
 * addresses. BEHIND_MAX: so many requests an address is made up for. JUDGED: requests for each address
 * that are enough to judge. */
enum { LOOKS = 64, BEHIND_MAX = 16, JUDGED = 200 };

/* Ports do not count: answers have none. */
static bool is_same_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, a->family == ADDR_IPV4 ? 4 : sizeof(a->ip)) == 0;
}

/* addrs.count: none of them. */
static unsigned place_of(const struct address_turns *turns, struct pooled *pooled)
{
    unsigned i = 0;

    if (pooled->place > 0)
        return pooled->place - 1u;
    while (i < turns->addrs.count && !is_same_ip(&turns->addrs.addrs[i], &pooled->conn->stream->peer))
        i++;
    pooled->place = (uint8_t)(i + 1);
    return i;
}

static void forget_places(struct pool *pool, const struct host *host)
{
    struct list *stack = pool_stack(pool, host);

    for (struct list_node *node = stack ? list_first(stack) : NULL; node; node = list_next(stack, node))
        container_of(node, struct pooled, by_host)->place = 0;
    for (struct list_node *node = list_first(&pool->lent_conns); node; node = list_next(&pool->lent_conns, node))
        if (container_of(node, struct pooled, by_age)->host == host)
            container_of(node, struct pooled, by_age)->place = 0;
}

void turns_begin(struct address_turns *turns, struct pool *pool, const struct host *host, const struct resolved *addrs)
{
    *turns = (struct address_turns){.addrs = *addrs};
    forget_places(pool, host);
}

/* Of a family: dials prefer one, so that the other has none, and rightly. */
static uint64_t least_given(const struct address_turns *turns, enum addr_family family)
{
    uint64_t least = turns->most;

    for (unsigned i = 0; i < turns->addrs.count; i++)
        if (turns->addrs.addrs[i].family == family && turns->given[i] < least)
            least = turns->given[i];
    return least;
}

struct list_node *turns_pick(struct address_turns *turns, struct list *stack)
{
    struct list_node *best = NULL, *node = list_first(stack);
    uint64_t least = 0, best_given = UINT64_MAX;

    if (node)
        least = least_given(turns, container_of(node, struct pooled, by_host)->conn->stream->peer.family);
    for (unsigned looks = 0; node && looks < LOOKS && best_given > least; looks++, node = list_next(stack, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);
        unsigned i = place_of(turns, pooled);
        uint64_t given = i < turns->addrs.count ? turns->given[i] : turns->most;

        if (pooled->sentinel || given >= best_given)
            continue;
        best = node;
        best_given = given;
    }
    return best;
}

void turns_given(struct address_turns *turns, struct pooled *pooled)
{
    unsigned i = place_of(turns, pooled);

    if (i >= turns->addrs.count)
        return;
    if (turns->given[i] + BEHIND_MAX < turns->most)
        turns->given[i] = turns->most - BEHIND_MAX;
    turns->given[i]++;
    turns->had[i]++;
    turns->had_all++;
    if (turns->given[i] > turns->most)
        turns->most = turns->given[i];
}

bool turns_are_uneven(struct address_turns *turns)
{
    uint32_t most = 0, all = turns->had_all;

    if (all < JUDGED * turns->addrs.count)
        return false;
    for (unsigned i = 0; i < turns->addrs.count; i++) {
        most = turns->had[i] > most ? turns->had[i] : most;
        turns->had[i] = 0;
    }
    turns->had_all = 0;
    return (uint64_t)most * turns->addrs.count * 2 > (uint64_t)all * 3;
}
