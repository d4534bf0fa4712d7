/* demand.h: how many connections the requests to a host need at once, of late. What the pool holds beyond it is
 * surplus: a race between a dial and another worker's connection (handoff.h) leaves one connection too many each time
 * it is lost.
 *
 * The peak is taken at misses only, which are rare: hits cost nothing. Any thread. SPDX-License-Identifier: Apache-2.0
 */
#ifndef HOLDFAST_UPSTREAM_DEMAND_H
#define HOLDFAST_UPSTREAM_DEMAND_H

#include "base/compiler.h"

#include <stdatomic.h>

struct host;

#define DEMAND_WINDOW_NS UINT64_C(10000000000) /* a peak counts for one to two windows */

struct demand {
    _Atomic uint64_t window; /* number of the window that `peak` is of */
    _Atomic uint64_t peak;   /* in that window */
    _Atomic uint64_t before; /* in the one before */
};

/* A request found no idle connection at hand. */
void demand_miss(struct host *host, uint64_t now_ns);

/* Are more connections open than 1.1 times the peak, rounded up? That leaves some way to the 1.2 times that are
 * promised: a connection is given back a moment after its answer has reached the client, who may have asked again by
 * then. */
bool demand_is_exceeded(struct host *host, uint64_t now_ns);

#endif
