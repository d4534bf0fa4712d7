/* addresses.h: what DNS says now of the hosts that a worker has connections to, so that connections to what is gone are
 * not used for ever: a warm pool dials nobody, and so would never hear of a change.
 *
 * While a worker has connections to a host with a name, the name is asked for again when its answer's time to live is
 * over. An answer that stays the same twice in a row is believed: idle connections to other addresses are closed
 * (address_gone), those in use when they come back. An answer that is another each time is not a move but a rotation,
 * and leaves connections alone; so does a failure. Hosts of SRV records that no record names any more are left the same
 * way, at once (discover.h).
 *
 * One worker's own; nothing here may be used by another. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_ADDRESSES_H
#define HOLDFAST_UPSTREAM_ADDRESSES_H

#include "upstream/address_turns.h"
#include "upstream/pool.h"

struct addresses;

/* A connection to the host was made: begins to ask, if the host has a name that is looked up here. Without memory it
 * does not. */
void addresses_begin(struct pool *pool, struct host *host);

/* One more, or one less, SRV name of this worker leads to the host. At none its connections are left, unless a
 * configuration names it by itself. */
void addresses_name(struct pool *pool, struct host *host, int change);

/* Is this a connection to what is gone? */
bool addresses_has_left(const struct pooled *pooled);

/* Whose turn it is; NULL: it has one address, or none that is known. */
struct address_turns *addresses_turns(const struct pool *pool, const struct host *host);

/* A connection of this worker counts for its address, for whoever chooses by that; it does so no more. */
void addresses_came(struct pooled *pooled);
void addresses_went(struct pooled *pooled);

void addresses_forget(struct pool *pool, struct host *host); /* of a host that nobody here has to do with any more */
void addresses_end(struct pool *pool);                       /* with the pool */

#endif
