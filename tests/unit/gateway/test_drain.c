/* test_drain.c: how a worker's client side ends. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "harness/test.h"

struct ended {
    struct task task;
    unsigned runs;
};

static void run_ended(struct task *task)
{
    container_of(task, struct ended, task)->runs++;
}

static const char get[] = "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n";

static void say(struct caller *caller, struct front_stage *stage)
{
    caller->len = 0;
    caller_say(caller, get);
    front_run(stage, SIM_MS);
}

TEST(over_the_window_all_are_told)
{
    enum { CALLERS = 100 };
    struct caller callers[CALLERS];
    struct ended ended = {.task.run = run_ended};
    struct front_stage stage;
    struct addr addr;

    front_open(&stage, &(struct front_settings){0});
    addr = front_listen(&stage, 80);
    for (int i = 0; i < CALLERS; i++)
        caller_open(&callers[i], &stage, addr);
    front_run(&stage, SIM_MS);
    frontend_drain(stage.frontend, 8 * SIM_SECOND, &ended.task);
    for (uint64_t second = 1; second <= 5; second++) {
        uint64_t due;

        front_run(&stage, SIM_SECOND);
        due = CALLERS * second / 6; /* three quarters of the window are for telling */
        test_case_is("after %d s", (int)second);
        CHECK(stage.frontend->counts.told + 3 >= due && stage.frontend->counts.told <= due + 3);
        CHECK_EQ(stage.frontend->counts.connections_closed, 0);
    }
    front_run(&stage, 1100 * SIM_MS);
    CHECK_EQ(stage.frontend->counts.told, CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        say(&callers[i], &stage);
        CHECK(caller_has_heard(&callers[i], "HTTP/1.1 503 "));
        CHECK(caller_has_heard(&callers[i], "Connection: close\r\n"));
        caller_close(&callers[i]);
    }
    CHECK_EQ(ended.runs, 0);
    front_run(&stage, 100 * SIM_MS);
    CHECK(ended.runs > 0); /* before the window is over */
    CHECK_EQ(stage.frontend->counts.told_served, CALLERS);
    CHECK_EQ(stage.frontend->closes_by[0][HTTP_END_DRAIN], CALLERS);
    task_forget(stage.loop, &ended.task);
    front_close(&stage);
}

TEST(newcomers_are_served_once_while_the_window_lasts)
{
    struct ended ended = {.task.run = run_ended};
    struct caller first, second;
    struct front_stage stage;
    struct addr addr;

    front_open(&stage, &(struct front_settings){0});
    addr = front_listen(&stage, 80);
    caller_open(&first, &stage, addr);
    front_run(&stage, SIM_MS);
    frontend_drain(stage.frontend, 4 * SIM_SECOND, &ended.task);
    front_run(&stage, SIM_MS);
    caller_open(&second, &stage, addr);
    say(&second, &stage);
    CHECK(caller_has_heard(&second, "Connection: close\r\n"));
    front_run(&stage, 5 * SIM_SECOND);
    CHECK(caller_is_left(&first));
    caller_close(&first);
    caller_close(&second);
    front_run(&stage, SIM_SECOND);
    CHECK(ended.runs > 0);
    task_forget(stage.loop, &ended.task);
    front_close(&stage);
}

TEST(without_a_window_idle_ones_close_at_once)
{
    struct ended ended = {.task.run = run_ended};
    struct front_stage stage;
    struct caller idle;

    front_open(&stage, &(struct front_settings){0});
    caller_open(&idle, &stage, front_listen(&stage, 80));
    say(&idle, &stage);
    frontend_drain(stage.frontend, 0, &ended.task);
    front_run(&stage, 100 * SIM_MS);
    CHECK(caller_is_left(&idle));
    caller_close(&idle);
    front_run(&stage, 3 * SIM_SECOND);
    CHECK(ended.runs > 0);
    task_forget(stage.loop, &ended.task);
    front_close(&stage);
}
