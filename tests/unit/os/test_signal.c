/* test_signal.c: signals as readiness of a loop. The five stay blocked in the test binary afterwards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/signal.h"

#include <signal.h>
#include <unistd.h>

struct listener {
    struct task task;
    struct loop *loop;
    struct signals *signals;
    int heard[8];
    size_t count;
};

static void hear(struct task *task)
{
    struct listener *listener = container_of(task, struct listener, task);
    int number;

    while ((number = signals_next(listener->signals)) != 0 && listener->count < COUNT_OF(listener->heard))
        listener->heard[listener->count++] = number;
}

static struct world *listener_open(struct listener *listener)
{
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    *listener = (struct listener){.task.run = hear, .loop = loop_new(world)};
    CHECK(listener->loop != NULL);
    listener->signals = signals_new(listener->loop, &listener->task, &err);
    CHECK(listener->signals != NULL);
    return world;
}

static void listener_close(struct listener *listener, struct world *world)
{
    signals_free(listener->signals);
    loop_free(listener->loop);
    linux_world_free(world);
}

TEST(each_signal_wakes_the_task_and_is_told_once)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    struct listener listener;
    struct world *world = listener_open(&listener);

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        test_case_is("%s", signal_name(numbers[i]));
        raise(numbers[i]);
        loop_turn(listener.loop, UINT64_MAX);
        CHECK_EQ(listener.count, i + 1);
        CHECK_INT(listener.heard[i], numbers[i]);
        CHECK_INT(signals_next(listener.signals), 0);
    }
    loop_turn(listener.loop, 0);
    CHECK_EQ(listener.count, COUNT_OF(numbers));
    listener_close(&listener, world);
}

TEST(signals_that_came_together_are_all_told)
{
    struct listener listener;
    struct world *world = listener_open(&listener);

    kill(getpid(), SIGHUP);
    kill(getpid(), SIGTERM);
    loop_turn(listener.loop, UINT64_MAX);
    CHECK_EQ(listener.count, 2);
    CHECK(listener.heard[0] != listener.heard[1]);
    CHECK(listener.heard[0] == SIGHUP || listener.heard[0] == SIGTERM);
    CHECK(listener.heard[1] == SIGHUP || listener.heard[1] == SIGTERM);
    listener_close(&listener, world);
}

TEST(a_write_to_a_closed_pipe_kills_nobody)
{
    struct listener listener;
    struct world *world = listener_open(&listener);
    struct sigaction action;

    CHECK(sigaction(SIGPIPE, NULL, &action) == 0);
    CHECK(action.sa_handler == SIG_IGN);
    listener_close(&listener, world);
}

TEST(signals_have_names)
{
    CHECK_CSTR(signal_name(SIGTERM), "SIGTERM");
    CHECK_CSTR(signal_name(SIGINT), "SIGINT");
    CHECK_CSTR(signal_name(SIGHUP), "SIGHUP");
    CHECK_CSTR(signal_name(SIGUSR1), "SIGUSR1");
    CHECK_CSTR(signal_name(SIGUSR2), "SIGUSR2");
    CHECK_CSTR(signal_name(0), "signal");
}

TEST(signals_without_a_descriptor_are_an_error)
{
    struct listener listener;
    struct world *world = listener_open(&listener);
    struct rlimit before = leave_descriptors(0);
    struct error err = {0};
    struct signals *signals = signals_new(listener.loop, &listener.task, &err);

    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(signals == NULL);
    CHECK_EQ(err.code, ERROR_OUT_OF_FILES);
    listener_close(&listener, world);
}

static void make_signals(void *arg)
{
    struct listener *listener = arg;
    struct error err = {0};
    struct signals *signals = signals_new(listener->loop, &listener->task, &err);

    CHECK(signals || err.code == ERROR_OUT_OF_MEMORY);
    signals_free(signals);
}

TEST(signals_bear_having_no_memory)
{
    struct listener listener;
    struct world *world = listener_open(&listener);

    test_every_allocation_fails(make_signals, &listener);
    listener_close(&listener, world);
}
