/* test_keep.c: how long client connections are kept, how they are told to end, and who goes first when room is short.
 * SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "gateway/frontend_internal.h"
#include "harness/test.h"
#include "upstream/budget.h"

#define SECOND UINT64_C(1000000000)

TEST(the_idle_timeout_follows_the_pressure)
{
    static const struct {
        unsigned permille;
        uint64_t seconds;
    } cases[] = {{0, 75}, {500, 75}, {501, 74}, {600, 57}, {700, 40}, {899, 5}, {900, 5}, {1000, 5}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%u", cases[i].permille);
        CHECK_EQ(keep_idle_ns(5 * SECOND, 75 * SECOND, cases[i].permille), cases[i].seconds * SECOND);
    }
    CHECK_EQ(keep_idle_ns(SECOND / 10, SECOND, 700), SECOND / 10 + SECOND * 9 / 20); /* short ones keep their parts */
    CHECK_EQ(keep_idle_ns(7 * SECOND, 7 * SECOND, 700), 7 * SECOND);
}

TEST(memory_is_tight_later_than_other_things)
{
    static const struct {
        unsigned used, permille;
    } cases[] = {{0, 0}, {400, 250}, {800, 500}, {801, 502}, {875, 700}, {949, 897}, {950, 950}, {1000, 1000}};

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%u", cases[i].used);
        CHECK_INT(keep_memory_permille(cases[i].used), cases[i].permille);
    }
}

static void ask(struct caller *caller, struct front_stage *stage)
{
    caller->len = 0;
    caller_say(caller, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
    front_run(stage, SIM_MS);
}

static uint64_t closes(const struct front_stage *stage, enum http_end end)
{
    return stage->frontend->closes_by[0][end];
}

TEST(promises_shrink_under_pressure_and_grow_again)
{
    struct budget budget = {.files_max = 100};
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){0});
    stage.frontend->budget = &budget;
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    CHECK(caller_has_heard(&caller, "Keep-Alive: timeout=75\r\n"));
    budget.sockets = 70;
    front_run(&stage, 2 * SIM_SECOND);
    ask(&caller, &stage);
    CHECK(caller_has_heard(&caller, "Keep-Alive: timeout=40\r\n"));
    budget.sockets = 10;
    front_run(&stage, 2 * SIM_SECOND);
    ask(&caller, &stage);
    CHECK(caller_has_heard(&caller, "Keep-Alive: timeout=75\r\n"));
    caller_close(&caller);
    front_close(&stage);
}

/* The same by memory: first the promises, then the idlest. */
TEST(short_memory_shrinks_promises_and_ends_the_idlest)
{
    struct budget budget = {.files_max = 100000};
    struct front_stage stage;
    struct caller old, young;

    front_open(&stage, &(struct front_settings){.root = "\"read_header_timeout\": \"100s\", "});
    stage.frontend->budget = &budget;
    caller_open(&old, &stage, front_listen(&stage, 80));
    ask(&old, &stage);
    CHECK(caller_has_heard(&old, "Keep-Alive: timeout=75\r\n"));
    budget.memory_permille = 875;
    front_run(&stage, 2 * SIM_SECOND);
    ask(&old, &stage);
    CHECK(caller_has_heard(&old, "Keep-Alive: timeout=40\r\n"));
    front_run(&stage, 6 * SIM_SECOND);
    caller_open(&young, &stage, front_listen(&stage, 81));
    ask(&young, &stage);
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 0);
    budget.memory_permille = 970;
    front_run(&stage, 2 * SIM_SECOND);
    CHECK(caller_is_left(&old));
    CHECK(!caller_is_left(&young)); /* not yet idle for idle_timeout_min */
    ask(&young, &stage);
    CHECK(caller_has_heard(&young, "Keep-Alive: timeout=5\r\n"));
    caller_close(&old);
    caller_close(&young);
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 1);
    front_close(&stage);
}

/* How long the keeper would let its worker sleep. */
static uint64_t sleep_ns(const struct front_stage *stage)
{
    return stage->frontend->keeper.timer.at_ns - loop_now_ns(stage->loop);
}

/* It looks when somebody does something, and a second later, and when it is stirred. */
TEST(a_worker_with_idle_connections_sleeps)
{
    struct budget budget = {.files_max = 100000};
    struct front_stage stage;
    struct caller old, young;
    struct addr addr;
    uint64_t turns;

    front_open(&stage,
               &(struct front_settings){.root = "\"read_header_timeout\": \"300s\", \"idle_timeout\": \"300s\", ",
                                        .server = "\"max_connection_age\": \"1000s\""});
    stage.frontend->budget = &budget;
    addr = front_listen(&stage, 80);
    caller_open(&old, &stage, addr);
    caller_open(&young, &stage, addr);
    ask(&old, &stage);
    CHECK(sleep_ns(&stage) <= SECOND);
    turns = loop_stats(stage.loop)->turns;
    front_run(&stage, 10 * SIM_SECOND);
    CHECK(sleep_ns(&stage) > 880 * SECOND && sleep_ns(&stage) <= 890 * SECOND); /* nobody is old before 900 s */
    CHECK(loop_stats(stage.loop)->turns - turns < 50);
    ask(&young, &stage);
    CHECK(sleep_ns(&stage) <= SECOND);
    front_run(&stage, 10 * SIM_SECOND);
    CHECK(sleep_ns(&stage) > 870 * SECOND);

    budget.memory_permille = 970;
    CHECK(keep_budget_is_tight(&budget));
    for (int i = 0; i < 2; i++) {
        loop_stir(stage.loop); /* as the main thread does each second then */
        front_run(&stage, SIM_SECOND);
    }
    CHECK(caller_is_left(&old));
    CHECK(caller_is_left(&young));
    caller_close(&old);
    caller_close(&young);
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 2);
    front_close(&stage);
}

static void await_sleep(struct front_stage *stage)
{
    for (int i = 0; i < 100 && !stage->frontend->keeper.sleeps; i++)
        front_run(stage, SIM_SECOND / 20);
    CHECK(stage->frontend->keeper.sleeps);
}

/* The second in which the keeper has fallen asleep is over with that. */
TEST(what_happens_right_behind_the_last_look_is_looked_at)
{
    struct budget budget = {.files_max = 100000};
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.root = "\"idle_timeout\": \"300s\", "});
    stage.frontend->budget = &budget;
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    await_sleep(&stage);
    ask(&caller, &stage);
    CHECK(!stage.frontend->keeper.sleeps);
    CHECK(sleep_ns(&stage) <= SECOND);
    caller_close(&caller);
    front_close(&stage);
}

/* A tunnel that has been told goes on for as long as its peers like. */
TEST(who_was_told_of_its_age_keeps_no_worker_awake)
{
    struct budget budget = {.files_max = 100000};
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.root = "\"idle_timeout\": \"300s\", ",
                                                .server = "\"max_connection_age\": \"1000s\""});
    stage.frontend->budget = &budget;
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    await_sleep(&stage);
    CHECK(stage.frontend->keeper.timer.at_ns != TIMER_OFF);
    container_of(list_first(&stage.frontend->clients), struct client, node)->told = HTTP_END_AGE;
    ask(&caller, &stage);
    await_sleep(&stage);
    CHECK(stage.frontend->keeper.timer.at_ns == TIMER_OFF);
    caller_close(&caller);
    front_close(&stage);
}

/* The keeper is not to sleep while somebody is about to go. */
TEST(a_worker_whose_memory_is_short_does_not_sleep)
{
    struct budget budget = {.files_max = 100000, .memory_permille = 949};
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.server = "\"idle_timeout_min\": \"60s\""});
    stage.frontend->budget = &budget;
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    front_run(&stage, 5 * SIM_SECOND);
    CHECK(sleep_ns(&stage) > 1000 * SECOND);
    budget.memory_permille = 950;
    loop_stir(stage.loop);
    front_run(&stage, 5 * SIM_SECOND);
    CHECK(sleep_ns(&stage) <= SECOND);
    caller_close(&caller);
    front_close(&stage);
}

TEST(a_fixed_idle_timeout_stays)
{
    struct budget budget = {.files_max = 100, .sockets = 80};
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.root = "\"idle_timeout\": \"20s\", "});
    stage.frontend->budget = &budget;
    caller_open(&caller, &stage, front_listen(&stage, 80));
    front_run(&stage, 2 * SIM_SECOND);
    ask(&caller, &stage);
    CHECK(caller_has_heard(&caller, "Keep-Alive: timeout=20\r\n"));
    caller_close(&caller);
    front_close(&stage);
}

/* 40 clients, each idle for a second less than the one before; 32 may go at a time. */
TEST(the_idlest_go_first)
{
    enum { CALLERS = 40 };
    struct budget budget = {.files_max = 1000};
    struct caller callers[CALLERS];
    struct front_stage stage;
    struct addr addr;

    front_open(&stage, &(struct front_settings){.root = "\"read_header_timeout\": \"100s\", "});
    stage.frontend->budget = &budget;
    addr = front_listen(&stage, 80);
    for (int i = 0; i < CALLERS; i++)
        caller_open(&callers[i], &stage, addr);
    for (int i = 0; i < CALLERS; i++) {
        ask(&callers[CALLERS - 1 - i], &stage);
        front_run(&stage, SIM_SECOND);
    }
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 0);
    budget.sockets = 920;
    keep_notice_pressure(stage.frontend);
    budget.sockets = 500;
    front_run(&stage, 500 * SIM_MS);
    for (int i = 0; i < CALLERS; i++) {
        test_case_is("caller %d", i);
        CHECK_INT(caller_is_left(&callers[i]), i >= CALLERS - 32);
        caller_close(&callers[i]);
    }
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 32);
    front_close(&stage);
}

/* Before idle_timeout_min nobody goes, and then who never asked for anything goes first. */
TEST(who_is_hardly_idle_goes_last)
{
    struct budget budget = {.files_max = 1000, .sockets = 950};
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.server = "\"idle_timeout_min\": \"3s\""});
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    stage.frontend->budget = &budget;
    front_run(&stage, 2 * SIM_SECOND);
    CHECK(!caller_is_left(&caller));
    front_run(&stage, 2100 * SIM_MS);
    CHECK(caller_is_left(&caller));
    caller_close(&caller);
    front_close(&stage);
}

/* Places are short, and all inside are in use: who came first is told by an answer, and who waits gets the place. It
 * takes idle_timeout_min, and nobody more is told when nobody waits any more. */
TEST(who_waits_gets_the_place_of_who_came_first)
{
    enum { CAP = 4 };
    struct caller callers[CAP], waiting;
    struct front_stage stage;
    struct addr addr;

    front_open(&stage, &(struct front_settings){.server = "\"max_connections\": 4, \"idle_timeout_min\": \"3s\""});
    addr = front_listen(&stage, 80);
    for (int i = 0; i < CAP; i++)
        caller_open(&callers[i], &stage, addr);
    for (int second = 0; second < 10; second++) {
        for (int i = 0; i < CAP; i++)
            ask(&callers[i], &stage);
        front_run(&stage, SIM_SECOND);
    }
    CHECK_EQ(stage.frontend->counts.told, 0); /* full, but nobody waits */
    caller_open(&waiting, &stage, addr);
    caller_say(&waiting, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int half = 0; half < 5; half++) {
        for (int i = 0; i < CAP; i++)
            ask(&callers[i], &stage);
        front_run(&stage, 500 * SIM_MS);
    }
    CHECK_EQ(stage.frontend->counts.told, 0);
    CHECK(!caller_has_heard(&waiting, "HTTP/1.1"));
    for (int tenth = 0; tenth < 20 && stage.frontend->counts.told == 0; tenth++)
        front_run(&stage, 100 * SIM_MS);
    CHECK_EQ(stage.frontend->counts.told, 1);
    ask(&callers[0], &stage);
    CHECK(caller_has_heard(&callers[0], "HTTP/1.1 200 "));
    CHECK(caller_has_heard(&callers[0], "Connection: close\r\n"));
    CHECK(caller_is_left(&callers[0]));
    caller_close(&callers[0]);
    front_run(&stage, 100 * SIM_MS);
    CHECK(caller_has_heard(&waiting, "HTTP/1.1 200 "));
    CHECK(!caller_has_heard(&waiting, "Connection: close\r\n"));
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 1);
    CHECK_EQ(stage.frontend->counts.told_served, 1);
    for (int second = 0; second < 10; second++) {
        for (int i = 1; i < CAP; i++)
            ask(&callers[i], &stage);
        ask(&waiting, &stage);
        front_run(&stage, SIM_SECOND);
    }
    CHECK_EQ(stage.frontend->counts.told, 1);
    for (int i = 1; i < CAP; i++)
        caller_close(&callers[i]);
    caller_close(&waiting);
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_PRESSURE), 1);
    front_close(&stage);
}

/* A queue that does not get shorter: over the window of a drain all have been told, a few each second. */
TEST(those_inside_are_told_over_a_window)
{
    enum { CAP = 60 };
    struct caller callers[CAP], waiting;
    struct front_stage stage;
    uint64_t told_before = 0;
    struct addr addr;

    front_open(&stage, &(struct front_settings){.server = "\"max_connections\": 60, \"idle_timeout_min\": \"10s\", "
                                                          "\"drain_window\": \"9s\"",
                                                .root = "\"read_header_timeout\": \"100s\", "});
    addr = front_listen(&stage, 80);
    for (int i = 0; i < CAP; i++) {
        caller_open(&callers[i], &stage, addr);
        caller_say(&callers[i], "POST /__echo/long HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    }
    caller_open(&waiting, &stage, addr);
    for (int second = 0; second < 22; second++) {
        for (int i = 0; i < CAP; i++)
            for (int piece = 0; piece < 5; piece++) /* as fast as min_body_rate wants it */
                caller_say(&callers[i], "0123456789012345678901234567890123456789012345678901234567890123456789");
        front_run(&stage, SIM_SECOND);
        test_case_is("after %d s", second + 1);
        CHECK(stage.frontend->counts.told - told_before <= CAP / 10 + 1);
        told_before = stage.frontend->counts.told;
    }
    CHECK_EQ(stage.frontend->counts.told, CAP);
    CHECK_EQ(stage.frontend->counts.connections_closed, 0); /* nobody's request is hurt */
    for (int i = 0; i < CAP; i++)
        caller_close(&callers[i]);
    caller_close(&waiting);
    front_close(&stage);
}

enum { LONG_CALLERS = 4 };

/* Uploads that stand still, which these settings bear, and one who waits. */
static void open_uploads(struct front_stage *stage, struct caller *callers, struct caller *waiting, const char *limit)
{
    struct front_settings settings = {.root = "\"read_header_timeout\": \"100s\", "};
    struct addr addr;

    settings.server =
        arena_format(test_arena(),
                     "\"max_connections\": 4, \"idle_timeout_min\": \"3s\", \"min_body_rate\": 0, "
                     "\"body_gap_timeout\": \"1000s\", \"drain_window\": \"10s\", \"drain_limit\": \"%s\"",
                     limit)
            .data;
    front_open(stage, &settings);
    addr = front_listen(stage, 80);
    for (int i = 0; i < LONG_CALLERS; i++) {
        caller_open(&callers[i], stage, addr);
        caller_say(&callers[i], "POST /__echo/long HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    }
    front_run(stage, 100 * SIM_MS);
    caller_open(waiting, stage, addr);
    caller_say(waiting, "GET /__health HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void close_uploads(struct front_stage *stage, struct caller *callers, struct caller *waiting)
{
    for (int i = 0; i < LONG_CALLERS; i++)
        caller_close(&callers[i]);
    caller_close(waiting);
    front_close(stage);
}

/* G.0, the hard limit: they are told from 3 s on, so from 23 s on the first one has had its time; one is enough. */
TEST(who_was_told_and_goes_on_is_cut_while_somebody_waits)
{
    struct caller callers[LONG_CALLERS], waiting;
    struct front_stage stage;

    open_uploads(&stage, callers, &waiting, "20s");
    front_run(&stage, 21 * SIM_SECOND);
    CHECK_EQ(stage.frontend->counts.told, LONG_CALLERS);
    CHECK_EQ(stage.frontend->counts.connections_closed, 0);
    CHECK(!caller_has_heard(&waiting, "HTTP/1.1"));
    front_run(&stage, 6 * SIM_SECOND);
    CHECK(caller_has_heard(&waiting, "HTTP/1.1 200 "));
    CHECK_EQ(closes(&stage, HTTP_END_CUT), 1);
    front_run(&stage, 20 * SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_CUT), 1); /* nobody waits any more */
    close_uploads(&stage, callers, &waiting);
}

TEST(without_a_limit_who_was_told_may_end_what_it_does)
{
    struct caller callers[LONG_CALLERS], waiting;
    struct front_stage stage;

    open_uploads(&stage, callers, &waiting, "0s");
    front_run(&stage, 100 * SIM_SECOND);
    CHECK_EQ(stage.frontend->counts.told, LONG_CALLERS);
    CHECK_EQ(stage.frontend->counts.connections_closed, 0);
    close_uploads(&stage, callers, &waiting);
}

/* 10 s give or take 10 %: told with the next answer, and not before 9 s. */
TEST(old_age_is_announced)
{
    struct front_stage stage;
    struct caller caller;
    int seconds = 0;

    front_open(&stage, &(struct front_settings){.server = "\"max_connection_age\": \"10s\""});
    caller_open(&caller, &stage, front_listen(&stage, 80));
    do {
        ask(&caller, &stage);
        CHECK(caller_has_heard(&caller, "HTTP/1.1 200 OK\r\n"));
        front_run(&stage, SIM_SECOND);
        seconds++;
    } while (!caller_has_heard(&caller, "Connection: close\r\n") && seconds < 20);
    CHECK(seconds >= 9 && seconds <= 14);
    CHECK(caller_is_left(&caller));
    CHECK_EQ(stage.frontend->counts.told, 1);
    caller_close(&caller);
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_AGE), 1);
    CHECK_EQ(stage.frontend->counts.told_served, 1);
    front_close(&stage);
}

/* An idle one that is old is not closed for it: its idle timeout comes. */
TEST(old_age_is_no_surprise)
{
    struct front_stage stage;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.server = "\"max_connection_age\": \"5s\""});
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    front_run(&stage, 60 * SIM_SECOND);
    CHECK(!caller_is_left(&caller));
    ask(&caller, &stage);
    CHECK(caller_has_heard(&caller, "Connection: close\r\n"));
    caller_close(&caller);
    front_close(&stage);
}

TEST(the_hard_age_cuts_whatever_happens)
{
    struct front_stage stage;
    struct caller busy, idle;
    struct addr addr;

    front_open(&stage, &(struct front_settings){.server = "\"max_connection_age_hard\": \"10s\""});
    addr = front_listen(&stage, 80);
    caller_open(&busy, &stage, addr);
    caller_open(&idle, &stage, addr);
    ask(&idle, &stage);
    caller_say(&busy, "POST /__echo/cut HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    front_run(&stage, 9500 * SIM_MS);
    CHECK_EQ(stage.frontend->clients.count, 2);
    front_run(&stage, 1600 * SIM_MS);
    CHECK_EQ(stage.frontend->clients.count, 0);
    CHECK_EQ(closes(&stage, HTTP_END_AGE_HARD), 2);
    caller_close(&busy);
    caller_close(&idle);
    front_close(&stage);
}

/* A limit that rules ask for is one of the listener that they are about; the others have that of the block, or none. */
TEST(the_hard_age_is_that_of_the_listener)
{
    static const char server[] =
        "\"max_connection_age_hard\": \"30s\", \"max_connection_age\": \"0s\", \"listeners\": ["
        "{\"listen\": \"127.0.0.1:80\"},"
        "{\"listen\": \"127.0.0.1:81\", \"max_connection_age_hard\": \"10s\"},"
        "{\"listen\": \"127.0.0.1:82\", \"max_connection_age_hard\": \"0s\"}]";
    static const struct {
        uint64_t after_s;
        unsigned open[3];
    } rows[] = {{9, {1, 1, 1}}, {12, {1, 0, 1}}, {29, {1, 0, 1}}, {32, {0, 0, 1}}, {60, {0, 0, 1}}};
    struct front_stage stage;
    struct caller callers[3];
    uint64_t at_s = 0;

    front_open(&stage, &(struct front_settings){.server = server, .root = "\"idle_timeout\": \"100s\", "});
    for (uint16_t i = 0; i < 3; i++) {
        caller_open(&callers[i], &stage, front_listen_as(&stage, (uint16_t)(80 + i), i));
        ask(&callers[i], &stage);
    }
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        front_run(&stage, (rows[row].after_s - at_s) * SIM_SECOND);
        at_s = rows[row].after_s;
        for (int i = 0; i < 3; i++) {
            test_case_is("listener %d after %d s", i, (int)at_s);
            CHECK_EQ(stage.frontend->open_by[i], rows[row].open[i]);
        }
    }
    CHECK_EQ(stage.frontend->closes_by[0][HTTP_END_AGE_HARD], 1);
    CHECK_EQ(stage.frontend->closes_by[1][HTTP_END_AGE_HARD], 1);
    for (int i = 0; i < 3; i++)
        caller_close(&callers[i]);
    front_close(&stage);
}

TEST(each_close_is_counted_by_reason_requests_and_seconds)
{
    struct front_stage stage;
    struct caller caller;
    uint64_t sum = 0;

    front_open(&stage, &(struct front_settings){0});
    caller_open(&caller, &stage, front_listen(&stage, 80));
    ask(&caller, &stage);
    ask(&caller, &stage);
    front_run(&stage, 20 * SIM_SECOND);
    CHECK(!caller_is_left(&caller));
    caller_close(&caller);
    front_run(&stage, SIM_SECOND);
    CHECK_EQ(closes(&stage, HTTP_END_CLOSED), 1);
    CHECK_EQ(stage.frontend->counts.requests_on_closed, 2);
    CHECK_EQ(stage.frontend->counts.requests_by[2], 1); /* 0, 1, 2 */
    CHECK_EQ(stage.frontend->counts.dwell_ms / 1000, 20);
    CHECK_EQ(stage.frontend->counts.dwell_by[15], 1); /* up to half a minute */
    for (int end = 0; end < HTTP_ENDS; end++)
        sum += stage.frontend->closes_by[0][end];
    CHECK_EQ(sum, stage.frontend->counts.connections_closed);
    front_close(&stage);
}

/* A worker may be given a connection that came by a listener of the next generation, which it takes a moment later. */
TEST(who_came_by_a_listener_that_is_not_known_yet_is_young)
{
    struct front_stage stage;
    struct server_options *server;
    struct caller caller;

    front_open(&stage, &(struct front_settings){.server = "\"max_connection_age\": \"1s\""});
    server = (struct server_options *)(uintptr_t)&generation_service(stage.generation)->server;
    CHECK_EQ(server->listener_count, 1);
    server->listeners =
        (void *)(uintptr_t)guard_copy(str_of((const char *)server->listeners, sizeof(*server->listeners))).data;
    caller_open(&caller, &stage, front_listen_as(&stage, 80, 1));
    ask(&caller, &stage);
    front_run(&stage, 3 * SIM_SECOND);
    ask(&caller, &stage);
    CHECK(caller_has_heard(&caller, "Connection: close\r\n")); /* the age of all holds */
    caller_close(&caller);
    front_close(&stage);
}
