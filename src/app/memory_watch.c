/* memory_watch.c: see the header. Start with run_watch. SPDX-License-Identifier: Apache-2.0 */
#include "app/memory_watch.h"

#include "base/log.h"
#include "os/memory.h"
#include "os/process.h"

#define LOOK_EVERY_NS UINT64_C(1000000000)

/* Between the two nothing is told again. */
enum { SHORT_PERMILLE = 950, ENOUGH_PERMILLE = 900, FULL_PERMILLE = 1000 };

static unsigned own_permille(uint64_t limit_bytes)
{
    uint64_t used = process_resident_bytes();

    if (limit_bytes == 0)
        return 0;
    return used < limit_bytes ? (unsigned)((double)used / (double)limit_bytes * (double)FULL_PERMILLE) : FULL_PERMILLE;
}

static void tell(struct memory_watch *watch, unsigned permille)
{
    if (!watch->told && permille >= SHORT_PERMILLE) {
        watch->told = true;
        LOG(LOG_WARNING, "SERVICE: HTTP Server",
            "memory is short, %u %% of it are in use: the idlest client connections end before their time",
            permille / 10);
    } else if (permille < ENOUGH_PERMILLE) {
        watch->told = false;
    }
}

static void run_watch(struct task *task)
{
    struct memory_watch *watch = container_of(task, struct memory_watch, task);
    unsigned permille = unsigned_max(own_permille(watch->limit_bytes), memory_used_permille());

    atomic_store_explicit(&watch->budget->memory_permille, permille, memory_order_relaxed);
    tell(watch, permille);
    timer_set(watch->loop, &watch->timer, loop_now_ns(watch->loop) + LOOK_EVERY_NS);
}

void memory_watch_start(struct memory_watch *watch, struct loop *loop, struct budget *budget, uint64_t limit_bytes)
{
    *watch = (struct memory_watch){.loop = loop, .budget = budget, .limit_bytes = limit_bytes, .task.run = run_watch};
    watch->timer = (struct timer){.at_ns = TIMER_OFF, .task = &watch->task};
    task_wake(loop, &watch->task);
}

void memory_watch_stop(struct memory_watch *watch)
{
    if (!watch->loop)
        return;
    timer_clear(watch->loop, &watch->timer);
    task_forget(watch->loop, &watch->task);
}
