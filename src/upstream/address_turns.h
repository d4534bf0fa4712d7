/* address_turns.h: which idle connection a request gets where a host has several addresses, so that each address has as
 * many requests (keepalive F-11). With the one used last on top, a few requests at a time would all go to the address
 * that happened to be first, however evenly the connections are spread (rebalance.h). So the address that has had the
 * fewest is due, and of its connections the one used last. What an address missed counts only for so much: one that was
 * unreachable for an hour does not get everything when it is back.
 *
 * One worker's own; hosts with one address have none of this. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_ADDRESS_TURNS_H
#define HOLDFAST_UPSTREAM_ADDRESS_TURNS_H

#include "net/resolve.h"
#include "upstream/pool.h"

struct address_turns {
    struct resolved addrs;             /* in one order, while DNS may give others */
    uint64_t given[RESOLVE_ADDRS_MAX]; /* requests, beside addrs; equal when addrs began */
    uint64_t most;
    uint32_t had[RESOLVE_ADDRS_MAX], had_all; /* requests since turns_are_uneven had enough to judge */
};

/* The host's addresses are these from now on. */
void turns_begin(struct address_turns *turns, struct pool *pool, const struct host *host, const struct resolved *addrs);

/* Of the host's idle connections, the one of the address that is due; NULL: none but sentinels. */
struct list_node *turns_pick(struct address_turns *turns, struct list *stack);

/* Has an address had over half more requests than the mean since this was last answered? While they are too few to
 * judge: false. */
bool turns_are_uneven(struct address_turns *turns);

/* A request begins on it. */
void turns_given(struct address_turns *turns, struct pooled *pooled);

#endif
