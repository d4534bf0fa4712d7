/* dial_order.c: which address a dial tries first (RFC 8305 4). Measuring round trips or preferring what worked last
 * time is no business of this file: it knows the answer only. SPDX-License-Identifier: Apache-2.0 */
#include "net/dial_internal.h"

/* Those of one family, in their turn. */
struct round {
    const struct resolved *found;
    enum addr_family family;
    unsigned count, skip, given;
};

static struct round round_of(const struct resolved *found, enum addr_family family, unsigned turn)
{
    struct round round = {.found = found, .family = family};

    for (unsigned i = 0; i < found->count; i++)
        round.count += found->addrs[i].family == family;
    round.skip = round.count > 0 ? turn % round.count : 0;
    return round;
}

/* NULL: all were given. */
static const struct addr *next_of(struct round *round)
{
    unsigned number = round->skip + round->given;

    if (round->given == round->count)
        return NULL;
    round->given++;
    number = number < round->count ? number : number - round->count;
    for (unsigned i = 0;; i++)
        if (round->found->addrs[i].family == round->family && number-- == 0)
            return &round->found->addrs[i];
}

unsigned dial_turn(const struct resolved *found, const struct addr *first, unsigned turn)
{
    unsigned number = 0;

    for (unsigned i = 0; i < found->count; i++) {
        if (found->addrs[i].family != first->family)
            continue;
        if (memcmp(found->addrs[i].ip, first->ip, first->family == ADDR_IPV4 ? 4 : sizeof(first->ip)) == 0)
            return number;
        number++;
    }
    return turn;
}

unsigned dial_order(const struct resolved *found, uint16_t port, unsigned turn, struct addr out[RESOLVE_ADDRS_MAX])
{
    struct round round_ipv6 = round_of(found, ADDR_IPV6, turn), round_ipv4 = round_of(found, ADDR_IPV4, turn);
    const struct addr *ipv6, *ipv4;
    unsigned count = 0;

    do {
        ipv6 = next_of(&round_ipv6);
        ipv4 = next_of(&round_ipv4);
        if (ipv6)
            out[count++] = *ipv6;
        if (ipv4)
            out[count++] = *ipv4;
    } while (ipv6 || ipv4);
    for (unsigned i = 0; i < count; i++)
        out[i].port = port;
    return count;
}
