/* condition.h: a thread waits, for so long at most, for what another one does. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_CONDITION_H
#define HOLDFAST_OS_CONDITION_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>

struct condition {
    pthread_cond_t changed;
};

bool condition_init(struct condition *condition) MUST_USE; /* false: no memory */
void condition_end(struct condition *condition);

void condition_tell(struct condition *condition); /* all who wait; with the lock of what has changed, or behind it */

/* A time from now, of the clock that nobody sets. */
uint64_t condition_deadline(uint64_t for_ns);
/* With the lock, which is given back meanwhile: until somebody tells, for which nothing need have changed. False: the
 * deadline has come. */
bool condition_wait(struct condition *condition, pthread_mutex_t *lock, uint64_t deadline_ns) MUST_USE;

#endif
