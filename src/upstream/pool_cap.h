/* pool_cap.h: the caps on idle connections, for one host and for all, hold over the whole process. When one more would
 * be too many, the one that was idle for longest goes, whichever worker has it. Under the cap for all, a host that has
 * its share (the cap, divided by the hosts that have any) makes place itself, and who has less takes from who has more:
 * a rush to one host does not cost the others theirs.
 *
 * The worker that has it gets a letter, so until that is read one more is idle than the cap says; a worker that reads
 * none for long lets the others go over by no more than POOL_CAP_OVER_MAX. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_POOL_CAP_H
#define HOLDFAST_UPSTREAM_POOL_CAP_H

#include "upstream/pool.h"

enum { POOL_CAP_OVER_MAX = 16 };

/* Counts one more idle connection to host, for the process. False: it is not counted and must not stay: the caps admit
 * none at all, nothing else is idle, or no memory. */
bool pool_admit(struct pool *pool, struct host *host, const struct transport *transport) MUST_USE;

#endif
