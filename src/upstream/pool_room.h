/* pool_room.h: is there room for one connection more (budget.h)? SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_POOL_ROOM_H
#define HOLDFAST_UPSTREAM_POOL_ROOM_H

#include "upstream/pool.h"

/* Should a request take what is idle, though it would rather have a fresh connection? */
bool pool_is_stretched(const struct pool *pool, const struct host *host);

/* Room for a dial to host, made if need be by closing this worker's oldest idle connection. ERROR_NONE: there is;
 * pressure_fd, pressure_port: there is none. `patient`: the request has waited for a connection of others already, so
 * it may dial where ports grow short. */
enum error_code pool_make_room(struct pool *pool, struct host *host, bool patient);

/* What a request waits for in the queue of a host without a cap. */
enum error_code pool_lack(const struct pool *pool);

/* A dial failed for want of descriptors or ports: believed for a moment. False: it failed for another reason. */
bool pool_dial_refused(struct pool *pool, struct host *host, const struct error *failure);

/* A request fails for that. */
void pool_shed(struct host *host, enum error_code lack);

#endif
