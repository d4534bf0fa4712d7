/* dial_order.c: which address a dial tries first (RFC 8305 4). Measuring round trips or preferring what worked last
 * time is no business of this file: it knows the answer only. SPDX-License-Identifier: Apache-2.0 */
#include "net/dial_internal.h"

/* The next address of `family` at or behind *at, or NULL. */
static const struct addr *next_of(const struct resolved *found, enum addr_family family, unsigned *at)
{
    while (*at < found->count)
        if (found->addrs[(*at)++].family == family)
            return &found->addrs[*at - 1];
    return NULL;
}

unsigned dial_order(const struct resolved *found, uint16_t port, struct addr out[RESOLVE_ADDRS_MAX])
{
    unsigned at_ipv6 = 0, at_ipv4 = 0, count = 0;
    const struct addr *ipv6, *ipv4;

    do {
        ipv6 = next_of(found, ADDR_IPV6, &at_ipv6);
        ipv4 = next_of(found, ADDR_IPV4, &at_ipv4);
        if (ipv6)
            out[count++] = *ipv6;
        if (ipv4)
            out[count++] = *ipv4;
    } while (ipv6 || ipv4);
    for (unsigned i = 0; i < count; i++)
        out[i].port = port;
    return count;
}
