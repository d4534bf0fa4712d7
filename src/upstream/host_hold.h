/* host_hold.h: the hosts that a request has been led to, for as long as it goes on: none of them is given back
 * meanwhile (host_leave.h), however often its name goes. Those that a configuration names stay anyway, and cost a look.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_HOST_HOLD_H
#define HOLDFAST_UPSTREAM_HOST_HOLD_H

#include "upstream/pool.h"

struct host_hold; /* a list; NULL: empty */

/* False: no memory, and the host may not be kept beyond this turn. */
bool host_hold(struct host_hold **holds, struct arena *arena, struct pool *pool, struct host *host) MUST_USE;

/* In the same worker, before the arena goes. */
void host_release_all(struct host_hold **holds, struct pool *pool);

#endif
