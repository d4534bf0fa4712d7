/* network.h: networks of addresses in settings. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_NETWORK_H
#define HOLDFAST_GATEWAY_NETWORK_H

#include "gateway/service.h"

/* "10.0.0.0/8", "::1". False: it is neither address nor network. */
bool network_parse(struct str text, struct ip_network *network) MUST_USE;

/* ::ffff:10.0.0.1 is 10.0.0.1. */
struct addr network_unmapped(const struct addr *addr);

/* Is it, unmapped, in one of them? */
bool networks_have(const struct ip_network *networks, size_t count, const struct addr *addr);

/* The network of so many bits that the unmapped address is in: port and other bits are 0. */
struct addr network_of(const struct addr *addr, unsigned bits);

#endif
