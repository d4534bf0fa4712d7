/* rebalance.h: a host with several addresses has as many connections to each of them. Dials go to one after the other,
 * but a warm pool dials nobody: when addresses join, or chance has been unkind, the connections that are too many for
 * their address are let go, one of a hundred in a second (one at least; `rebalance_percent`), and what is dialed in
 * their place goes to the others (keepalive F-11). It is for requests to be even (address_turns.h): once each
 * connection could have moved it goes on only if they are not. Idle ones end at once, those in use when they come back
 * (`rebalanced`).
 *
 * What counts is how many all workers have; each ends its own. Families are apart: dials prefer one, so that the other
 * has none, and rightly. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_REBALANCE_H
#define HOLDFAST_UPSTREAM_REBALANCE_H

#include "upstream/address_turns.h"

#define REBALANCE_TICK_NS UINT64_C(1000000000)

/* Lets some go. False: there is nothing more to do. */
bool rebalance_step(struct address_turns *turns);

/* So many steps move as many connections as this worker has; 0: the operator wants none. What is missing then shows in
 * the requests; to go on without asking them would be to chase chance. */
uint32_t rebalance_steps_max(struct pool *pool, const struct host *host);

/* The address that the next dial shall begin with: the one with the fewest connections, the second when a dial is under
 * way, and so on. None when that is not known, or as many dials are under way as there are addresses: then */
struct addr rebalance_first(struct pool *pool, const struct host *host);
/* the one whose number this is, modulo how many there are: each in its turn. */
unsigned rebalance_turn(const struct pool *pool, const struct host *host);

#endif
