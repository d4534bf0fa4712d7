/* memory_watch.h: tells the workers how short memory is. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_MEMORY_WATCH_H
#define HOLDFAST_APP_MEMORY_WATCH_H

#include "upstream/budget.h"

/* Of the main thread. */
struct memory_watch {
    struct budget *budget; /* borrowed: gets memory_permille */
    uint64_t limit_bytes;  /* of this process; 0: only what it shares with others counts */
    bool told;             /* that memory is short */
};

void memory_watch_look(struct memory_watch *watch); /* as often as rest.h says */

#endif
