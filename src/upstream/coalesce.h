/* coalesce.h: requests to one host on a connection to another (RFC 9113 9.1.1), by setting: HTTP/2 over TLS to an
 * address and port that the host's own name leads to, where the certificate, verified, is for that name too. All else
 * that tells connections apart (pool, protocol, TLS profile, source, marks) must be alike; proxies and PROXY headers
 * forbid it.
 *
 * A host that answers 421 there is never coalesced again. Counts of requests are those of the host that was asked for,
 * counts of connections and streams those of the connection's. One worker's own.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_COALESCE_H
#define HOLDFAST_UPSTREAM_COALESCE_H

#include "base/arena.h"
#include "upstream/pool.h"

struct coalescing;

/* Asks for the host's addresses, if this worker has connections that may be for it; `waiter` is woken when
 * coalesce_is_ready. Lives in the arena until coalesce_take or coalesce_end. NULL: there are none, or no memory. */
struct coalescing *coalesce_begin(struct pool *pool, struct host *host, const struct transport *transport,
                                  struct arena *arena, struct task *waiter);
bool coalesce_is_ready(const struct coalescing *coalescing);

/* A connection to another host, lent; NULL: none will do. `repeatable` as in pool_take. */
struct pooled *coalesce_take(const struct coalescing *coalescing, bool repeatable);
void coalesce_end(struct coalescing *coalescing); /* before it is ready; NULL is fine */

/* Once the addresses are known: is this a connection for the request? */
bool coalesce_fits(const struct coalescing *coalescing, const struct pooled *pooled);

void coalesce_unlearn(struct host *host); /* it said 421. Any thread */

#endif
