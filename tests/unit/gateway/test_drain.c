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

/* Its request is on its way when the window ends. */
TEST(who_came_just_before_the_end_of_the_window_is_served)
{
    static const uint64_t windows_ns[] = {0, 2 * SIM_SECOND};

    for (size_t i = 0; i < COUNT_OF(windows_ns); i++) {
        struct ended ended = {.task.run = run_ended};
        struct caller old, fresh, silent;
        struct front_stage stage;
        struct addr addr;

        test_case_is("a window of %d s", (int)(windows_ns[i] / SIM_SECOND));
        front_open(&stage, &(struct front_settings){0});
        addr = front_listen(&stage, 80);
        caller_open(&old, &stage, addr);
        front_run(&stage, 2 * SIM_SECOND);
        if (windows_ns[i] > 0)
            frontend_drain(stage.frontend, windows_ns[i], &ended.task);
        front_run(&stage, windows_ns[i] > 0 ? windows_ns[i] - 100 * SIM_MS : 0);
        caller_open(&fresh, &stage, addr);
        caller_open(&silent, &stage, addr);
        front_run(&stage, SIM_MS);
        if (windows_ns[i] == 0)
            frontend_drain(stage.frontend, 0, &ended.task);
        front_run(&stage, 500 * SIM_MS);
        CHECK(caller_is_left(&old));
        CHECK(!caller_is_left(&fresh));
        CHECK(front_refuses(&stage, addr));
        say(&fresh, &stage);
        CHECK(caller_has_heard(&fresh, "HTTP/1.1 503 "));
        CHECK(caller_has_heard(&fresh, "Connection: close\r\n"));
        CHECK(!caller_is_left(&silent));
        front_run(&stage, 600 * SIM_MS);
        CHECK(caller_is_left(&silent));
        caller_close(&old);
        caller_close(&fresh);
        caller_close(&silent);
        front_run(&stage, 3 * SIM_SECOND);
        CHECK(ended.runs > 0);
        task_forget(stage.loop, &ended.task);
        front_close(&stage);
    }
}

/* Its PROXY header, or its handshake, ends behind the window: it is fresh when the gateway knows it as a client. */
TEST(who_was_still_greeted_at_the_end_of_the_window_has_a_second)
{
    static const char header[] = "PROXY TCP4 10.1.1.1 10.1.1.2 1 2\r\n";
    struct door_options door = {.proxy_protocol = PROXY_REQUIRE};
    struct ended ended = {.task.run = run_ended};
    struct caller asking, silent;
    struct front_stage stage;
    struct addr addr;
    struct error err;

    front_open(&stage, &(struct front_settings){0});
    addr = sim_addr(stage.sim, "gateway", 80);
    CHECK(frontend_listen(stage.frontend, &addr, &(struct listen_options){.backlog = 64}, &door, &err));
    caller_open(&asking, &stage, addr);
    caller_open(&silent, &stage, addr);
    CHECK_EQ(stage.frontend->greetings.count, 2);
    frontend_drain(stage.frontend, 0, &ended.task);
    front_run(&stage, 1200 * SIM_MS);
    CHECK_EQ(stage.frontend->greetings.count, 2);
    caller_say(&asking, header);
    caller_say(&silent, header);
    front_run(&stage, 700 * SIM_MS);
    say(&asking, &stage);
    CHECK(caller_has_heard(&asking, "HTTP/1.1 503 "));
    CHECK(caller_has_heard(&asking, "Connection: close\r\n"));
    CHECK(!caller_is_left(&silent));
    front_run(&stage, 400 * SIM_MS);
    CHECK(caller_is_left(&silent));
    caller_close(&asking);
    caller_close(&silent);
    front_run(&stage, 3 * SIM_SECOND);
    CHECK(ended.runs > 0);
    task_forget(stage.loop, &ended.task);
    front_close(&stage);
}

static const char two_listeners[] = "\"listeners\": [{\"listen\": \"127.0.0.1:80\"}, {\"listen\": \"127.0.0.1:81\"}]";

TEST(one_listener_ends_while_the_other_goes_on)
{
    enum { CALLERS = 30 };
    struct caller going[CALLERS], staying[CALLERS];
    struct front_stage stage;
    struct addr gone, other;

    front_open(&stage, &(struct front_settings){.server = two_listeners});
    gone = front_listen_as(&stage, 80, 0);
    other = front_listen_as(&stage, 81, 1);
    for (int i = 0; i < CALLERS; i++) {
        caller_open(&going[i], &stage, gone);
        caller_open(&staying[i], &stage, other);
    }
    CHECK_EQ(stage.frontend->open_by[0], CALLERS);
    frontend_drain_door(stage.frontend, 0, 8 * SIM_SECOND, 20 * SIM_SECOND);
    front_run(&stage, 3 * SIM_SECOND);
    CHECK(front_refuses(&stage, gone));
    CHECK(stage.frontend->counts.told + 3 >= CALLERS / 2 && stage.frontend->counts.told <= CALLERS / 2 + 3);
    front_run(&stage, 3100 * SIM_MS);
    CHECK_EQ(stage.frontend->counts.told, CALLERS);
    for (int i = 0; i < CALLERS; i++) {
        say(&going[i], &stage);
        CHECK(caller_has_heard(&going[i], "HTTP/1.1 200 ")); /* readiness is of the whole */
        CHECK(caller_has_heard(&going[i], "Connection: close\r\n"));
        caller_close(&going[i]);
        say(&staying[i], &stage);
        CHECK(caller_has_heard(&staying[i], "HTTP/1.1 200 "));
        CHECK(!caller_has_heard(&staying[i], "Connection: close\r\n"));
    }
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(stage.frontend->open_by[0], 0);
    CHECK_EQ(stage.frontend->open_by[1], CALLERS);
    CHECK_EQ(stage.frontend->closes_by[0][HTTP_END_DRAIN], CALLERS);
    front_run(&stage, 20 * SIM_SECOND); /* beyond its limit */
    for (int i = 0; i < CALLERS; i++) {
        say(&staying[i], &stage);
        CHECK(caller_has_heard(&staying[i], "HTTP/1.1 200 "));
        caller_close(&staying[i]);
    }
    front_close(&stage);
}

TEST(a_listener_that_goes_cuts_who_is_busy_at_its_limit)
{
    static const char part[] = "GET /__health HTTP/1.1\r\nHo";
    struct caller going, staying, idle;
    struct front_stage stage;
    struct addr gone, other;

    front_open(&stage,
               &(struct front_settings){.root = "\"read_header_timeout\": \"100s\", ",
                                        .server = "\"min_header_rate\": 0, \"listeners\": ["
                                                  "{\"listen\": \"127.0.0.1:80\"}, {\"listen\": \"127.0.0.1:81\"}]"});
    gone = front_listen_as(&stage, 80, 0);
    other = front_listen_as(&stage, 81, 1);
    caller_open(&going, &stage, gone);
    caller_open(&idle, &stage, gone);
    caller_open(&staying, &stage, other);
    say(&idle, &stage);
    caller_say(&going, part);
    caller_say(&staying, part);
    front_run(&stage, SIM_MS);
    frontend_drain_door(stage.frontend, 0, 2 * SIM_SECOND, 5 * SIM_SECOND);
    frontend_drain_door(stage.frontend, 0, 9 * SIM_SECOND, 9 * SIM_SECOND); /* once more changes nothing */
    front_run(&stage, 3 * SIM_SECOND);
    CHECK(caller_is_left(&idle)); /* with the window */
    CHECK_EQ(stage.frontend->open_by[0], 1);
    caller_close(&idle);
    front_run(&stage, 1900 * SIM_MS);
    CHECK_EQ(stage.frontend->open_by[0], 1);
    front_run(&stage, 200 * SIM_MS);
    CHECK_EQ(stage.frontend->open_by[0], 0);
    CHECK_EQ(stage.frontend->closes_by[0][HTTP_END_CUT], 1);
    CHECK_EQ(stage.frontend->open_by[1], 1);
    caller_close(&going);
    caller_close(&staying);
    front_close(&stage);
}

TEST(who_waits_in_the_queue_of_a_listener_that_goes_is_served)
{
    struct caller first, second;
    struct front_stage stage;
    struct addr addr;

    front_open(&stage, &(struct front_settings){.server = "\"max_connections\": 1"});
    addr = front_listen(&stage, 80);
    caller_open(&first, &stage, addr);
    say(&first, &stage);
    caller_open(&second, &stage, addr); /* connected, not accepted */
    caller_say(&second, get);
    front_run(&stage, SIM_MS);
    frontend_drain_door(stage.frontend, 0, 4 * SIM_SECOND, 9 * SIM_SECOND);
    front_run(&stage, SIM_SECOND);
    CHECK(!caller_has_heard(&second, "HTTP/1.1"));
    caller_close(&first);
    front_run(&stage, SIM_SECOND);
    CHECK(caller_has_heard(&second, "Connection: close\r\n"));
    caller_close(&second);
    front_run(&stage, SIM_SECOND);
    CHECK(front_refuses(&stage, addr));
    front_close(&stage);
}

TEST(a_drain_of_all_ends_behind_that_of_a_listener)
{
    struct ended ended = {.task.run = run_ended};
    struct caller going, staying;
    struct front_stage stage;
    struct addr gone, other;

    front_open(&stage, &(struct front_settings){.server = two_listeners});
    gone = front_listen_as(&stage, 80, 0);
    other = front_listen_as(&stage, 81, 1);
    caller_open(&going, &stage, gone);
    caller_open(&staying, &stage, other);
    frontend_drain_door(stage.frontend, 0, 8 * SIM_SECOND, 0);
    front_run(&stage, SIM_SECOND);
    frontend_drain(stage.frontend, 4 * SIM_SECOND, &ended.task);
    front_run(&stage, 3500 * SIM_MS);
    CHECK_EQ(stage.frontend->counts.told, 2); /* each once */
    say(&going, &stage);
    say(&staying, &stage);
    CHECK(caller_has_heard(&going, "HTTP/1.1 503 ") && caller_has_heard(&going, "Connection: close\r\n"));
    CHECK(caller_has_heard(&staying, "Connection: close\r\n"));
    caller_close(&going);
    caller_close(&staying);
    front_run(&stage, SIM_SECOND);
    CHECK(ended.runs > 0);
    task_forget(stage.loop, &ended.task);
    front_close(&stage);
}
