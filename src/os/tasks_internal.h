/* tasks_internal.h: which of a loop's woken tasks runs when; only loop.c and tasks.c include this.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_TASKS_INTERNAL_H
#define HOLDFAST_OS_TASKS_INTERNAL_H

#include "os/loop.h"

/* In the order in which a turn comes to them: tasks of `first` watches, then whom they wake, then the others, then who
 * stands in line for a heavy step. */
enum queue { EARLY, EARLY_NEXT, EARLY_LAST, LATE, LATE_NEXT, HEAVY_BEGUN, HEAVY_NEW, QUEUES };

struct tasks {
    struct list queues[QUEUES];
    enum queue woken;           /* where a task goes that is woken now */
    const struct task *granted; /* may take a heavy step: it was the next in line, and runs */
    bool new_is_next;           /* of the heavy lines, where somebody stands in both */
    struct loop_stats *stats;
};

void tasks_init(struct tasks *tasks, struct loop_stats *stats); /* borrowed */
bool tasks_wait(const struct tasks *tasks);                     /* does any? */

/* Puts it into the queue if it stands in none, or into an early one though it stands behind. */
void tasks_wake(struct tasks *tasks, struct task *task, enum queue queue);
void tasks_forget(struct tasks *tasks, struct task *task);

/* The parts of a turn. Nobody takes a connection before the news of all has been heard. */
void tasks_sweep(struct tasks *tasks);
void tasks_run_late(struct tasks *tasks);
size_t tasks_heavy(const struct tasks *tasks); /* how many stand in line for heavy steps */
void tasks_run_heavy(struct tasks *tasks);     /* the first of one of the lines */

/* See loop_may_be_heavy. */
bool tasks_ask_heavy(struct tasks *tasks, struct task *task, bool begun);

#endif
