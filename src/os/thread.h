/* thread.h: worker threads and where they run. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_THREAD_H
#define HOLDFAST_OS_THREAD_H

#include "base/error.h"

struct thread;

/* Starts `run(arg)` on a new thread named `name` (15 characters), pinned to the `cpu`-th processor the process may use
 * when cpu is not negative (modulo their number). All signals but those of its own faults are blocked in it. NULL with
 * *err. */
struct thread *thread_start(const char *name, int cpu, void (*run)(void *arg), void *arg, struct error *err);
void thread_join(struct thread *thread); /* waits for its end and frees it; NULL is fine */

/* Processors that this process may use: the affinity mask, capped by the cgroup's CPU quota rounded up; at least 1. */
unsigned thread_cpu_count(void);

#endif
