/* test_thread.c: where threads run and what they hear. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

struct report {
    char name[16];
    int cpus, cpu;
    bool hears_alarm, hears_segv;
};

static void report(void *arg)
{
    struct report *report = arg;
    cpu_set_t mask;
    sigset_t blocked;

    pthread_getname_np(pthread_self(), report->name, sizeof(report->name));
    if (sched_getaffinity(0, sizeof(mask), &mask) == 0)
        report->cpus = CPU_COUNT(&mask);
    report->cpu = sched_getcpu();
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    report->hears_alarm = sigismember(&blocked, SIGALRM) == 0;
    report->hears_segv = sigismember(&blocked, SIGSEGV) == 0;
}

static struct report run_reporter(const char *name, int cpu)
{
    struct report result = {0};
    struct error err;
    struct thread *thread = thread_start(name, cpu, report, &result, &err);

    CHECK(thread != NULL);
    thread_join(thread);
    return result;
}

static int nth_allowed_cpu(int n)
{
    cpu_set_t mask;

    CHECK(sched_getaffinity(0, sizeof(mask), &mask) == 0);
    n %= CPU_COUNT(&mask);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &mask) && n-- == 0)
            return cpu;
    return -1;
}

TEST(a_thread_has_its_name_and_no_signals_but_those_of_its_faults)
{
    sigset_t before, after;
    struct report result;

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    result = run_reporter("a-name-that-is-too-long", -1);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    CHECK_CSTR(result.name, "a-name-that-is-");
    CHECK(!result.hears_alarm);
    CHECK(result.hears_segv);
    CHECK_INT(sigismember(&before, SIGALRM), 0);
    CHECK_INT(sigismember(&after, SIGALRM), 0); /* the maker's mask is as it was */
}

TEST(a_thread_is_pinned_to_the_processor_asked_for)
{
    static const int cpus[] = {0, 1, 2, 7};

    for (size_t i = 0; i < COUNT_OF(cpus); i++) {
        struct report result = run_reporter("pinned", cpus[i]);

        test_case_is("cpu %d", cpus[i]);
        CHECK_INT(result.cpus, 1);
        CHECK_INT(result.cpu, nth_allowed_cpu(cpus[i]));
    }
}

static void start_pinned(void *arg)
{
    *(struct report *)arg = run_reporter("inner", 1);
}

TEST(a_pinned_thread_can_start_one_on_another_processor)
{
    struct report result = {0};
    struct error err;
    struct thread *outer = thread_start("outer", 0, start_pinned, &result, &err);

    CHECK(outer != NULL);
    thread_join(outer);
    CHECK_INT(result.cpu, nth_allowed_cpu(1));
}

TEST(a_thread_that_is_not_pinned_may_run_anywhere)
{
    cpu_set_t mask;

    CHECK(sched_getaffinity(0, sizeof(mask), &mask) == 0);
    CHECK_INT(run_reporter("free", -1).cpus, CPU_COUNT(&mask));
}

TEST(there_is_at_least_one_processor_and_not_more_than_the_mask_has)
{
    cpu_set_t mask;

    CHECK(sched_getaffinity(0, sizeof(mask), &mask) == 0);
    CHECK(thread_cpu_count() >= 1);
    CHECK(thread_cpu_count() <= (unsigned)CPU_COUNT(&mask));
}

TEST(a_thread_without_memory_is_an_error)
{
    struct report result = {0};
    struct error err = {0};
    struct thread *thread;

    test_fail_allocation(1);
    thread = thread_start("poor", -1, report, &result, &err);
    test_fail_allocation(0);
    CHECK(thread == NULL);
    CHECK_EQ(err.code, ERROR_OUT_OF_MEMORY);
    thread_join(NULL);
}
