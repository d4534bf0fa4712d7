/* warm_floor.h: min_idle_per_host: so many idle connections are kept ready for each host, counted over all workers, so
 * that a first request, or a burst, need not wait for a dial.
 *
 * One worker sees to each host. It looks four times a second, dials what is missing (within the caps and budgets, not
 * while the host rests or its path is silent), and makes a new one before the learned limit retires an old one. While
 * dials fail it waits longer each time, up to half a minute. Its connections are `warm`: they carried no request yet.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_WARM_FLOOR_H
#define HOLDFAST_UPSTREAM_WARM_FLOOR_H

#include "upstream/pool.h"

/* How fast a floor is filled, and tried again while dials fail: pace, no limits. How high it is min_idle_per_host says.
 */
#define WARM_LOOK_NS        UINT64_C(250000000)
#define WARM_LIFE_MIN_NS    UINT64_C(1000000000) /* hosts that keep idle connections for less are not kept warm */
#define WARM_BACKOFF_MIN_NS UINT64_C(500000000)
#define WARM_BACKOFF_MAX_NS UINT64_C(30000000000)

/* From now on, if this worker is the one that sees to the host. The most that any transport asks for holds. False: no
 * memory. */
bool pool_keep_warm(struct pool *pool, struct host *host, const struct transport *transport) MUST_USE;

/* Ends all of this worker (another configuration, drain). */
void pool_cool(struct pool *pool);

#endif
