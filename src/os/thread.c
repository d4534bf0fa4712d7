/* thread.c: worker threads, each on a processor of its own. SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#include "base/assert.h"
#include "os/cgroup_internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CPU_MAX = 8192, NAME_BYTES = 16 /* with the NUL; the kernel's TASK_COMM_LEN */ };

struct thread {
    pthread_t id;
    char name[NAME_BYTES];
    int cpu;
    void (*run)(void *arg);
    void *arg;
};

struct cpu_mask {
    cpu_set_t sets[CPU_MAX / CPU_SETSIZE];
};

/* The mask of the main thread, which nobody pins: that of the calling thread may be one processor already. */
static bool read_affinity(struct cpu_mask *mask)
{
    CPU_ZERO_S(sizeof(*mask), mask->sets);
    return sched_getaffinity(getpid(), sizeof(*mask), mask->sets) == 0;
}

/* Running on another processor than asked for is slower, not wrong; so what fails here is passed over. */
static void pin(int cpu)
{
    struct cpu_mask mask, one = {0};
    int count, skip;

    if (!read_affinity(&mask))
        return;
    count = CPU_COUNT_S(sizeof(mask), mask.sets);
    skip = count > 0 ? cpu % count : 0;
    for (size_t i = 0; i < CPU_MAX; i++)
        if (CPU_ISSET_S(i, sizeof(mask), mask.sets) && skip-- == 0)
            CPU_SET_S(i, sizeof(one), one.sets);
    (void)sched_setaffinity(0, sizeof(one), one.sets);
}

/* Nobody cancels a thread of ours. The C library, which cannot know, else makes ready for it with two locked operations
 * around each call that could wait; which of the two settings spares them depends on its version. */
static void never_cancel(void)
{
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    (void)pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
}

static void *run_thread(void *arg)
{
    struct thread *thread = arg;

    (void)pthread_setname_np(pthread_self(), thread->name);
    if (thread->cpu >= 0)
        pin(thread->cpu);
    never_cancel();
    thread->run(thread->arg);
    return NULL;
}

/* All but those that a fault of the thread itself raises: blocking them would only hide the crash from its handler. */
static void fill_with_asynchronous(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

    sigfillset(set);
    for (size_t i = 0; i < COUNT_OF(faults); i++)
        sigdelset(set, faults[i]);
}

/* The new thread inherits the mask of its maker; setting it inside would leave a moment without. */
static int create_masked(struct thread *thread)
{
    sigset_t all, before;
    int number;

    fill_with_asynchronous(&all);
    number = pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(number == 0);
    number = pthread_create(&thread->id, NULL, run_thread, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return number;
}

struct thread *thread_start(const char *name, int cpu, void (*run)(void *arg), void *arg, struct error *err)
{
    struct thread *thread = calloc(1, sizeof(*thread));
    int number;

    if (!thread) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for thread %s", name);
        return NULL;
    }
    snprintf(thread->name, sizeof(thread->name), "%s", name);
    thread->cpu = cpu;
    thread->run = run;
    thread->arg = arg;
    number = create_masked(thread);
    if (number != 0) {
        error_set_system(err, number, "thread %s", name);
        free(thread);
        return NULL;
    }
    return thread;
}

void thread_join(struct thread *thread)
{
    int number;

    if (!thread)
        return;
    number = pthread_join(thread->id, NULL);
    ASSERT(number == 0);
    free(thread);
}

unsigned thread_cpu_count(void)
{
    unsigned quota = cgroup_cpu_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    struct cpu_mask mask;
    unsigned count = read_affinity(&mask) ? (unsigned)CPU_COUNT_S(sizeof(mask), mask.sets) : 1;

    if (quota > 0 && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}
