/* dial_internal.h: the order in which a dial tries addresses, apart so that it can be tested by itself.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_DIAL_INTERNAL_H
#define HOLDFAST_NET_DIAL_INTERNAL_H

#include "net/dial.h"

/* The turn whose order begins with `first`; `turn` when it is none of those found. */
unsigned dial_turn(const struct resolved *found, const struct addr *first, unsigned turn);

/* Writes the addresses of `found` with `port` to `out` in the order of RFC 8305 4 and returns how many: families
 * alternate, IPv6 first when both are there; within a family the order of the answer stays, but begins with the address
 * of number `turn` modulo how many there are. */
unsigned dial_order(const struct resolved *found, uint16_t port, unsigned turn, struct addr out[RESOLVE_ADDRS_MAX]);

#endif
