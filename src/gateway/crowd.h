/* crowd.h: how many connections each client address has, over all workers. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_CROWD_H
#define HOLDFAST_GATEWAY_CROWD_H

#include "base/addr.h"

struct crowd;

struct crowd *crowd_new(void);        /* NULL: no memory */
void crowd_free(struct crowd *crowd); /* NULL is fine */

/* One more of this address or network. False: it has `max` already, or there is no memory. Any thread. */
bool crowd_enter(struct crowd *crowd, const struct addr *addr, uint32_t max) MUST_USE;
void crowd_leave(struct crowd *crowd, const struct addr *addr); /* for each that entered */

#endif
