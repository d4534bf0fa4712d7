/* memory_watch.h: tells the workers how short memory is, once a second. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_MEMORY_WATCH_H
#define HOLDFAST_APP_MEMORY_WATCH_H

#include "os/loop.h"
#include "upstream/budget.h"

/* From the main thread's loop. */
struct memory_watch {
    struct loop *loop;
    struct budget *budget; /* borrowed: gets memory_permille */
    uint64_t limit_bytes;  /* of this process; 0: only what it shares with others counts */
    bool told;             /* that memory is short */
    struct task task;
    struct timer timer;
};

/* The first look is at once. */
void memory_watch_start(struct memory_watch *watch, struct loop *loop, struct budget *budget, uint64_t limit_bytes);
void memory_watch_stop(struct memory_watch *watch); /* also of a zeroed one, that never started */

#endif
