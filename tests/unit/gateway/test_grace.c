/* test_grace.c: the grace behind a promise grows by what clients were late, within bounds, and forgets.
 * SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "gateway/grace.h"
#include "harness/test.h"

static void note(struct grace *grace, unsigned times, uint64_t late_ns)
{
    for (unsigned i = 0; i < times; i++)
        grace_note(grace, late_ns);
}

TEST(the_grace_is_what_ninety_nine_of_a_hundred_need)
{
    static const struct {
        unsigned idle_closes; /* without a late request */
        struct {
            unsigned times;
            uint64_t late_ms;
        } late[3];
        uint64_t grace_ms;
    } cases[] = {
        {0, {{0}}, 1000},
        {1000, {{0}}, 1000},
        {1000, {{1, 900}}, 1000},
        {1000, {{1, 1100}}, 1250},
        {1000, {{1, 1250}}, 1250},
        {1000, {{1, 1251}}, 1500},
        {1000, {{1, 4500}}, 5000},
        {1000, {{1, 60000}}, 5000},
        {1000, {{99, 1100}, {1, 4500}}, 1250},
        {1000, {{97, 1100}, {3, 4500}}, 5000},
        {1000, {{50, 1100}, {50, 1900}}, 2000},
        {99998, {{1, 2400}}, 2500},
        {100000, {{1, 2400}}, 1000}, /* rare */
        {100000, {{2, 2400}}, 2500},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct grace grace = {0};

        test_case_is("%zu", i);
        note(&grace, cases[i].idle_closes, 0);
        for (size_t j = 0; j < COUNT_OF(cases[i].late); j++)
            note(&grace, cases[i].late[j].times, cases[i].late[j].late_ms * SIM_MS);
        CHECK_EQ(grace_ns(&grace), cases[i].grace_ms * SIM_MS);
    }
}

TEST(old_news_fades)
{
    struct grace grace = {0};

    note(&grace, 10, 3500 * SIM_MS);
    CHECK_EQ(grace_ns(&grace), 4000 * SIM_MS);
    note(&grace, 300000, 0);
    CHECK_EQ(grace_ns(&grace), 4000 * SIM_MS); /* still more than one in 100,000 */
    note(&grace, 600000, 0);
    CHECK_EQ(grace_ns(&grace), 1000 * SIM_MS);
}

static void ask(struct caller *caller, struct front_stage *stage)
{
    caller->len = 0;
    caller_say(caller, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
    front_run(stage, SIM_MS);
}

/* 50 ms behind the close, one and a half seconds behind the promise: who comes then is waited for from now on. */
TEST(a_late_request_makes_the_grace_longer)
{
    struct front_stage stage;
    struct caller late, next;
    struct addr addr;

    front_open(&stage, &(struct front_settings){.root = "\"idle_timeout\": \"5s\", "});
    addr = front_listen(&stage, 80);
    CHECK_EQ(stage.frontend->counts.idle_grace_ns, 1000 * SIM_MS);
    caller_open(&late, &stage, addr);
    ask(&late, &stage);
    front_run(&stage, 6 * SIM_SECOND + 20 * SIM_MS);
    CHECK(caller_is_left(&late));
    ask(&late, &stage);
    front_run(&stage, 2 * SIM_SECOND);
    CHECK_EQ(stage.frontend->counts.races, 1);
    CHECK_EQ(stage.frontend->counts.idle_grace_ns, 1250 * SIM_MS);
    caller_close(&late);
    caller_open(&next, &stage, addr);
    ask(&next, &stage);
    CHECK(caller_has_heard(&next, "Keep-Alive: timeout=5\r\n")); /* what is promised stays */
    front_run(&stage, 6 * SIM_SECOND + 150 * SIM_MS);
    CHECK(!caller_is_left(&next));
    ask(&next, &stage);
    CHECK(caller_has_heard(&next, "HTTP/1.1 200 OK\r\n"));
    caller_close(&next);
    front_close(&stage);
}

TEST(without_a_promise_there_is_no_grace)
{
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.root = "\"idle_timeout\": \"5s\", ",
                                                .server = "\"keep_alive_header\": false"});
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    front_run(&stage, 5 * SIM_SECOND + 20 * SIM_MS);
    CHECK(caller_is_left(&caller));
    ask(&caller, &stage);
    front_run(&stage, 2 * SIM_SECOND);
    CHECK_EQ(stage.frontend->counts.races, 1);
    CHECK_EQ(stage.frontend->counts.idle_grace_ns, 0);
    CHECK_EQ(stage.frontend->conn_options.idle_grace_ns, 0);
    caller_close(&caller);
    front_close(&stage);
}
