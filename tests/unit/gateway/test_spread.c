/* test_spread.c: two workers, of which one accepts all that comes. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "gateway/spread.h"
#include "harness/test.h"

#include <stdlib.h>

/* A second worker beside the stage's own, without a listener. */
struct two_fronts {
    struct front_stage stage;
    struct loop *loop;
    struct frontend *other;
    struct frontend *all[2];
};

static void fronts_open(struct two_fronts *fronts, const char *server)
{
    front_open(&fronts->stage, &(struct front_settings){.server = server, .workers = 2});
    fronts->loop = sim_loop_new(fronts->stage.sim, "gateway");
    fronts->other = frontend_new(&(struct frontend_options){.loop = fronts->loop,
                                                            .pool = fronts->stage.pool,
                                                            .generation = fronts->stage.generation,
                                                            .worker = 1,
                                                            .workers = 2});
    CHECK(fronts->other != NULL);
    fronts->all[0] = fronts->stage.frontend;
    fronts->all[1] = fronts->other;
    for (int i = 0; i < 2; i++)
        frontend_meet(fronts->all[i], fronts->all, 2);
}

static void fronts_close(struct two_fronts *fronts)
{
    frontend_end(fronts->stage.frontend);
    frontend_end(fronts->other);
    frontend_free(fronts->other);
    sim_loop_free(fronts->stage.sim, fronts->loop);
    front_close(&fronts->stage);
}

TEST(far_ahead_is_more_than_chance)
{
    static const struct {
        uint64_t count, fewest;
        bool uneven;
    } cases[] = {{0, 0, false},      {16, 0, false},      {17, 0, true},      {24, 8, false},    {26, 8, true},
                 {1000, 990, false}, {1141, 1000, false}, {1142, 1000, true}, {500, 1000, false}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%llu and %llu", (unsigned long long)cases[i].count, (unsigned long long)cases[i].fewest);
        CHECK_INT(spread_is_uneven(cases[i].count, cases[i].fewest), cases[i].uneven);
    }
}

static void ask(struct caller *caller, struct two_fronts *fronts)
{
    caller->len = 0;
    caller_say(caller, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
    front_run(&fronts->stage, SIM_MS);
    CHECK(caller_has_heard(caller, "\"status\":\"ok\""));
}

/* Whoever accepts, none is lost, all are served, and what is open stays. */
TEST(a_worker_far_ahead_gives_what_it_accepts)
{
    enum { CALLERS = 100 };
    struct caller *callers = calloc(CALLERS, sizeof(*callers));
    struct two_fronts fronts;
    struct addr addr;

    CHECK(callers != NULL);
    fronts_open(&fronts, NULL);
    addr = front_listen(&fronts.stage, 80);
    for (int i = 0; i < CALLERS; i++) {
        caller_open(&callers[i], &fronts.stage, addr);
        ask(&callers[i], &fronts);
    }
    CHECK_EQ(fronts.all[0]->clients.count + fronts.all[1]->clients.count, CALLERS);
    CHECK(fronts.all[0]->clients.count <= CALLERS / 2 + SPREAD_SLACK);
    CHECK_EQ(fronts.all[0]->counts.passed, fronts.all[1]->clients.count);
    CHECK_EQ(fronts.all[1]->counts.connections_opened, fronts.all[1]->clients.count);
    for (int i = 0; i < CALLERS; i++) {
        test_case_is("caller %d again", i);
        ask(&callers[i], &fronts);
    }
    for (int i = 0; i < CALLERS; i++)
        caller_close(&callers[i]);
    front_run(&fronts.stage, SIM_SECOND);
    CHECK(frontend_is_empty(fronts.all[0]));
    CHECK(frontend_is_empty(fronts.all[1]));
    CHECK_EQ(fronts.all[0]->counts.load, 0);
    CHECK_EQ(fronts.all[1]->counts.load, 0);
    fronts_close(&fronts);
    free(callers);
}

/* All at once: what is on its way counts, so that the other does not get more than it should. */
TEST(a_burst_is_shared)
{
    enum { CALLERS = 60 };
    struct caller callers[CALLERS];
    struct two_fronts fronts;
    struct addr addr;

    fronts_open(&fronts, NULL);
    addr = front_listen(&fronts.stage, 80);
    for (int i = 0; i < CALLERS; i++)
        caller_open(&callers[i], &fronts.stage, addr);
    front_run(&fronts.stage, SIM_MS);
    CHECK_EQ(fronts.all[0]->clients.count + fronts.all[1]->clients.count, CALLERS);
    CHECK(fronts.all[1]->clients.count <= CALLERS / 2);
    CHECK(fronts.all[1]->clients.count >= CALLERS / 2 - SPREAD_SLACK);
    CHECK_EQ(fronts.all[1]->counts.load, fronts.all[1]->clients.count);
    CHECK_EQ(fronts.all[1]->counts.coming, 0);
    for (int i = 0; i < CALLERS; i++)
        caller_close(&callers[i]);
    fronts_close(&fronts);
}

/* A worker that was held up finds a full box and a full backlog: what it accepts stands behind what it was given. */
TEST(what_is_on_its_way_here_counts_as_here)
{
    struct two_fronts fronts;
    struct caller caller;

    fronts_open(&fronts, NULL);
    fronts.all[0]->counts.coming = SPREAD_SLACK + 1;
    caller_open(&caller, &fronts.stage, front_listen(&fronts.stage, 80));
    ask(&caller, &fronts);
    CHECK_EQ(fronts.all[1]->clients.count, 1);
    fronts.all[0]->counts.coming = 0;
    caller_close(&caller);
    fronts_close(&fronts);
}

/* max_connections is the process's: a place that another worker has is a place. */
TEST(a_full_worker_gives_what_another_has_room_for)
{
    enum { CALLERS = 5 };
    struct caller callers[CALLERS];
    struct two_fronts fronts;
    struct addr addr;

    fronts_open(&fronts, "\"max_connections\": 4");
    addr = front_listen(&fronts.stage, 80);
    for (int i = 0; i < CALLERS; i++) {
        caller_open(&callers[i], &fronts.stage, addr);
        caller_say(&callers[i], "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
        front_run(&fronts.stage, SIM_MS);
    }
    CHECK_EQ(fronts.all[0]->clients.count, 2);
    CHECK_EQ(fronts.all[1]->clients.count, 2);
    for (int i = 0; i < CALLERS; i++)
        CHECK_INT(caller_has_heard(&callers[i], "\"status\":\"ok\""), i < 4);
    caller_close(&callers[3]); /* of the other worker */
    front_run(&fronts.stage, 2 * SIM_SECOND);
    CHECK(caller_has_heard(&callers[4], "\"status\":\"ok\""));
    for (int i = 0; i < CALLERS; i++)
        if (i != 3)
            caller_close(&callers[i]);
    fronts_close(&fronts);
}

TEST(nothing_is_given_to_a_worker_that_has_ended)
{
    enum { CALLERS = 40 };
    struct caller callers[CALLERS];
    struct two_fronts fronts;
    struct addr addr;

    fronts_open(&fronts, NULL);
    addr = front_listen(&fronts.stage, 80);
    frontend_end(fronts.other);
    for (int i = 0; i < CALLERS; i++) {
        caller_open(&callers[i], &fronts.stage, addr);
        ask(&callers[i], &fronts);
    }
    CHECK_EQ(fronts.all[0]->clients.count, CALLERS);
    CHECK_EQ(fronts.all[0]->counts.passed, 0);
    for (int i = 0; i < CALLERS; i++)
        caller_close(&callers[i]);
    fronts_close(&fronts);
}
