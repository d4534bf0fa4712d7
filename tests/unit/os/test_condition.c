/* test_condition.c: waiting for another thread, and in vain. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/condition.h"
#include "os/thread.h"

#define MILLISECOND UINT64_C(1000000)
#define MINUTE      (60000 * MILLISECOND)

struct promise {
    struct condition kept;
    pthread_mutex_t lock;
    bool done;
};

static void open_promise(struct promise *promise)
{
    promise->done = false;
    CHECK(condition_init(&promise->kept));
    CHECK(pthread_mutex_init(&promise->lock, NULL) == 0);
}

static void close_promise(struct promise *promise)
{
    condition_end(&promise->kept);
    pthread_mutex_destroy(&promise->lock);
}

static void keep(void *arg)
{
    struct promise *promise = arg;

    pthread_mutex_lock(&promise->lock);
    promise->done = true;
    condition_tell(&promise->kept);
    pthread_mutex_unlock(&promise->lock);
}

TEST(condition_wakes_who_waits)
{
    uint64_t deadline_ns = condition_deadline(MINUTE);
    struct promise promise;
    struct thread *thread;
    struct error err;
    bool in_time = true;

    open_promise(&promise);
    pthread_mutex_lock(&promise.lock);
    thread = thread_start("keeper", -1, keep, &promise, &err);
    CHECK(thread != NULL);
    while (!promise.done && in_time)
        in_time = condition_wait(&promise.kept, &promise.lock, deadline_ns);
    pthread_mutex_unlock(&promise.lock);
    thread_join(thread);
    CHECK(in_time);
    close_promise(&promise);
}

TEST(condition_waits_no_longer_than_that)
{
    uint64_t deadline_ns = condition_deadline(MILLISECOND);
    struct promise promise;

    open_promise(&promise);
    pthread_mutex_lock(&promise.lock);
    while (condition_wait(&promise.kept, &promise.lock, deadline_ns))
        ;
    CHECK(condition_deadline(0) >= deadline_ns);
    CHECK(!condition_wait(&promise.kept, &promise.lock, deadline_ns)); /* it is over */
    pthread_mutex_unlock(&promise.lock);
    close_promise(&promise);
}
