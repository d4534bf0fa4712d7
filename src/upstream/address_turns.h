/* address_turns.h: which idle connection a request gets where a host has several addresses, so that each address has as
 * many requests (keepalive F-11). With the one used last on top, a few requests at a time would all go to the address
 * that happened to be first, however evenly the connections are spread (rebalance.h). So the address that has had the
 * fewest is due, and of its connections the one used last. What an address missed counts only for so much: one that was
 * unreachable for an hour does not get everything when it is back.
 *
 * Requests and connections count over all workers: what is even in each of two may be uneven in both, above all as they
 * give connections to each other. Each worker writes numbers of its own (struct turns_told), and reads those of the
 * others now and then, without locks; they count only while the others know the same addresses. Hosts with one address
 * have none of this. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_ADDRESS_TURNS_H
#define HOLDFAST_UPSTREAM_ADDRESS_TURNS_H

#include "net/resolve.h"
#include "upstream/pool.h"

/* What a worker tells the others of a host; written by it alone. */
struct turns_told {
    _Atomic uint64_t set;                      /* tells one set of addresses from another; 0: it knows none */
    _Atomic uint64_t had[RESOLVE_ADDRS_MAX];   /* requests */
    _Atomic uint64_t conns[RESOLVE_ADDRS_MAX]; /* connections that requests may have */
};

/* A worker's view of a host. */
struct address_turns {
    struct resolved addrs; /* in the same order in all workers, whatever DNS gave; the arrays are beside it */
    struct pool *pool;
    const struct host *host;
    struct turns_told *own;
    uint8_t round;                        /* which `addrs` these are, as in struct pooled */
    uint64_t looked_ns;                   /* when the others' numbers were read: */
    uint64_t had[RESOLVE_ADDRS_MAX];      /* requests in other workers */
    uint32_t conns[RESOLVE_ADDRS_MAX];    /* connections in other workers */
    uint64_t forgiven[RESOLVE_ADDRS_MAX]; /* requests that are not made up for */
    uint64_t judged[RESOLVE_ADDRS_MAX];   /* requests in all workers, when turns_are_uneven last judged */
};

/* The host's addresses are these from now on. `turns` is zeroed before the first time. Without memory there are none.
 */
void turns_begin(struct address_turns *turns, struct pool *pool, const struct host *host, const struct resolved *addrs);
void turns_end(struct address_turns *turns); /* the other workers are told that this one knows no addresses */

/* Of the host's idle connections, the one of the address that is due; NULL: none but sentinels. */
struct list_node *turns_pick(struct address_turns *turns, struct list *stack);

/* Has an address had over 15 % more requests than the mean since this was last answered? While they are too few to
 * judge: false. An address without connections is out of reach, and counts for nothing. */
bool turns_are_uneven(struct address_turns *turns);

/* A request begins on it. */
void turns_given(struct address_turns *turns, struct pooled *pooled);

/* A connection of this worker counts for its address from now on; it does so no more. Once each is enough. */
void turns_came(struct address_turns *turns, struct pooled *pooled);
void turns_went(struct address_turns *turns, struct pooled *pooled);

/* Asks the others now: for decisions that are rare. */
void turns_look(struct address_turns *turns);

/* Connections to the address of that number, in all workers as far as known. */
uint32_t turns_conns(const struct address_turns *turns, unsigned i);

/* The number of its address; addrs.count: none of them. */
unsigned turns_place(const struct address_turns *turns, struct pooled *pooled);

#endif
