/* condition.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "os/condition.h"

#include "base/assert.h"

#include <time.h>

#define SECOND_NS UINT64_C(1000000000)

bool condition_init(struct condition *condition)
{
    pthread_condattr_t attributes;
    bool made;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&condition->changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

void condition_end(struct condition *condition)
{
    pthread_cond_destroy(&condition->changed);
}

void condition_tell(struct condition *condition)
{
    pthread_cond_broadcast(&condition->changed);
}

uint64_t condition_deadline(uint64_t for_ns)
{
    struct timespec now;
    int number = clock_gettime(CLOCK_MONOTONIC, &now);

    ASSERT(number == 0);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec + for_ns;
}

bool condition_wait(struct condition *condition, pthread_mutex_t *lock, uint64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / SECOND_NS),
                                .tv_nsec = (long)(deadline_ns % SECOND_NS)};

    return pthread_cond_timedwait(&condition->changed, lock, &deadline) == 0;
}
