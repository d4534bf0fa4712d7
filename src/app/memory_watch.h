/* memory_watch.h: tells the workers how short memory is. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_MEMORY_WATCH_H
#define HOLDFAST_APP_MEMORY_WATCH_H

#include "upstream/budget.h"

/* Of the main thread. */
struct memory_watch {
    struct budget *budget; /* borrowed: gets memory_permille */
    uint64_t limit_bytes;  /* of this process; 0: only what it shares with others counts */
    uint64_t start_bytes;  /* in use by this process before anybody came */
    uint64_t least_bytes;  /* of all limits, at the last look */
    bool told;             /* that memory is short */
};

void memory_watch_look(struct memory_watch *watch); /* as often as rest.h says */

/* Is all that this process has taken since its start, in the kernel too, less than a thirtieth of the memory that there
 * was at the last look? Giving it back would help nobody. */
bool memory_watch_is_light(const struct memory_watch *watch);

#endif
