/* test_loop.c: what runs when, on a world without a kernel. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "stage.h"

#include <stdlib.h>

static void wake_next(struct actor *actor)
{
    task_wake(actor->stage->loop, stage_task(actor->stage, (char)(actor->name + 1)));
}

static void wake_self(struct actor *actor)
{
    task_wake(actor->stage->loop, &actor->task);
}

static void wake_self_once(struct actor *actor)
{
    if (actor->runs == 1)
        task_wake(actor->stage->loop, &actor->task);
}

static void forget_next(struct actor *actor)
{
    task_forget(actor->stage->loop, stage_task(actor->stage, (char)(actor->name + 1)));
}

TEST(idle_connections_are_looked_at_before_the_rest_of_the_batch)
{
    static const struct {
        const char *batch; /* in the order in which the world tells; upper case: marked first */
        const char *woken; /* before the turn */
        const char *trace;
    } cases[] = {
        {"abc", "", "abc"},   {"aBc", "", "bac"},  {"abC", "", "cab"}, {"ABC", "", "abc"}, {"aBcD", "", "bdac"},
        {"aB", "cd", "bcda"}, {"aB", "cb", "bca"}, {"", "ab", "ab"},   {"AA", "", "a"},    {"abcdefGH", "", "ghabcdef"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct stage stage;

        test_case_is("%s woken %s", cases[i].batch, cases[i].woken);
        stage_open(&stage);
        for (const char *c = cases[i].woken; *c; c++)
            task_wake(stage.loop, stage_task(&stage, *c));
        for (const char *c = cases[i].batch; *c; c++) {
            struct watch *watch = &stage_actor(&stage, (char)(*c | 0x20))->watch;

            watch->first = (*c & 0x20) == 0;
            fake_world_ready(&stage.fake, watch);
        }
        stage_turn(&stage);
        CHECK_STR(stage_trace(&stage), str_from(cases[i].trace));
        stage_close(&stage);
    }
}

TEST(whom_an_idle_connection_wakes_runs_before_the_rest_too)
{
    struct stage stage;

    stage_open(&stage);
    task_wake(stage.loop, stage_task(&stage, 'e'));
    task_wake(stage.loop, stage_task(&stage, 'd')); /* queued behind e, yet pulled forward */
    stage_actor(&stage, 'b')->watch.first = true;
    stage_actor(&stage, 'b')->act = wake_next;
    stage_actor(&stage, 'c')->act = wake_next;
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'a')->watch);
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'b')->watch);
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "bcdea");
    stage_close(&stage);
}

TEST(a_watch_without_a_task_wakes_nobody)
{
    struct stage stage;
    struct watch watch = {.fd = 3};

    stage_open(&stage);
    fake_world_ready(&stage.fake, &watch);
    stage_turn(&stage);
    CHECK_EQ(stage.traced, 0);
    CHECK_EQ(watch.ready, READY_READ);
    stage_close(&stage);
}

TEST(watching_is_the_worlds_business)
{
    struct stage stage;
    struct watch good = {.fd = 3}, bad = {.fd = -1};
    struct error err;

    stage_open(&stage);
    CHECK(loop_watch(stage.loop, &good, &err));
    CHECK_EQ(stage.fake.watches, 1);
    CHECK(!loop_watch(stage.loop, &bad, &err));
    CHECK_EQ(err.code, ERROR_SYSTEM);
    loop_unwatch(stage.loop, &good);
    CHECK_EQ(stage.fake.watches, 0);
    CHECK(loop_watch(stage.loop, &good, &err));
    loop_forget(stage.loop, &good);
    CHECK_EQ(stage.fake.watches, 0);
    CHECK(loop_world(stage.loop) == &stage.fake.world);
    stage_close(&stage);
}

TEST(a_task_woken_twice_runs_once)
{
    struct stage stage;

    stage_open(&stage);
    task_wake(stage.loop, stage_task(&stage, 'a'));
    task_wake(stage.loop, stage_task(&stage, 'b'));
    task_wake(stage.loop, stage_task(&stage, 'a'));
    task_wake(stage.loop, NULL);
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "ab");
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "ab");
    stage_close(&stage);
}

TEST(a_task_may_wake_itself_and_others_while_it_runs)
{
    struct stage stage;

    stage_open(&stage);
    stage_actor(&stage, 'a')->act = wake_self_once;
    stage_actor(&stage, 'b')->act = wake_next;
    task_wake(stage.loop, stage_task(&stage, 'a'));
    task_wake(stage.loop, stage_task(&stage, 'b'));
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "abac");
    stage_close(&stage);
}

TEST(a_forgotten_task_does_not_run)
{
    struct stage stage;

    stage_open(&stage);
    task_wake(stage.loop, stage_task(&stage, 'a'));
    task_wake(stage.loop, stage_task(&stage, 'b'));
    task_forget(stage.loop, stage_task(&stage, 'a'));
    task_forget(stage.loop, stage_task(&stage, 'c')); /* never woken: fine */
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "b");
    stage_close(&stage);
}

TEST(a_task_may_be_forgotten_by_the_one_before_it)
{
    struct stage stage;

    for (int first = 0; first < 2; first++) { /* in either queue */
        test_case_is("first %d", first);
        stage_open(&stage);
        stage_actor(&stage, 'a')->act = forget_next;
        stage_actor(&stage, 'a')->watch.first = true;
        stage_actor(&stage, 'b')->watch.first = first != 0;
        for (char name = 'a'; name <= 'c'; name++)
            fake_world_ready(&stage.fake, &stage_actor(&stage, name)->watch);
        stage_turn(&stage);
        CHECK_TEXT(stage_trace(&stage), "ac");
        stage_close(&stage);
    }
}

struct mortal {
    struct task task;
    unsigned *deaths;
};

static void die(struct task *task)
{
    struct mortal *mortal = container_of(task, struct mortal, task);

    (*mortal->deaths)++;
    free(mortal);
}

TEST(a_task_may_free_itself)
{
    struct stage stage;
    unsigned deaths = 0;

    stage_open(&stage);
    for (int i = 0; i < 3; i++) {
        struct mortal *mortal = calloc(1, sizeof(*mortal));

        CHECK(mortal != NULL);
        *mortal = (struct mortal){.task.run = die, .deaths = &deaths};
        task_wake(stage.loop, &mortal->task);
    }
    stage_turn(&stage);
    CHECK_EQ(deaths, 3);
    stage_close(&stage);
}

TEST(a_task_that_wakes_itself_for_ever_does_not_starve_sockets_and_timers)
{
    struct stage stage;

    stage_open(&stage);
    stage_actor(&stage, 'a')->act = wake_self;
    task_wake(stage.loop, stage_task(&stage, 'a'));
    stage_turn(&stage);
    CHECK(stage_actor(&stage, 'a')->runs >= 1000);
    CHECK_EQ(stage_actor(&stage, 'b')->runs, 0);

    fake_world_ready(&stage.fake, &stage_actor(&stage, 'b')->watch);
    timer_set(stage.loop, stage_timer(&stage, 'c'), stage.fake.now_ns);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 0); /* tasks are left, so it does not sleep */
    CHECK_EQ(stage_actor(&stage, 'b')->runs, 1);
    CHECK_EQ(stage_actor(&stage, 'c')->runs, 1);
    stage_close(&stage);
}

TEST(an_idle_connection_that_wakes_itself_for_ever_does_not_starve_the_rest)
{
    struct stage stage;

    stage_open(&stage);
    stage_actor(&stage, 'a')->act = wake_self;
    stage_actor(&stage, 'a')->watch.first = true;
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'a')->watch);
    for (unsigned i = 1; i <= 3; i++) {
        fake_world_ready(&stage.fake, &stage_actor(&stage, 'b')->watch);
        stage_turn(&stage);
        CHECK_EQ(stage_actor(&stage, 'b')->runs, i);
        CHECK(stage_actor(&stage, 'a')->runs >= i * 1000);
    }
    stage_close(&stage);
}

static void move_clocks(struct actor *actor)
{
    struct stage *stage = actor->stage;

    stage->fake.now_ns += 7000;
    stage->fake.wall_ns += 7000;
    CHECK_EQ(loop_now_ns(stage->loop), 1000);
    CHECK_EQ(loop_wall_ns(stage->loop), 12000); /* first asked here */
    stage->fake.wall_ns += 1;
    CHECK_EQ(loop_wall_ns(stage->loop), 12000);
}

TEST(clocks_stand_still_within_a_turn_and_the_calendar_is_read_only_when_asked)
{
    struct stage stage;

    stage_open(&stage);
    stage_turn(&stage);
    CHECK_EQ(stage.fake.wall_reads, 0);
    stage_actor(&stage, 'a')->act = move_clocks;
    task_wake(stage.loop, stage_task(&stage, 'a'));
    stage_turn(&stage);
    CHECK_EQ(stage_actor(&stage, 'a')->runs, 1);
    CHECK_EQ(stage.fake.wall_reads, 1);
    stage_turn(&stage);
    CHECK_EQ(loop_now_ns(stage.loop), 8000);
    CHECK_EQ(loop_wall_ns(stage.loop), 12001);
    stage_close(&stage);
}

/* A wait that brings as many as a batch has room for may have left some: they were ready before it. */
TEST(a_loop_knows_since_when_news_may_have_waited)
{
    static const struct {
        unsigned ready; /* in the first of two turns, which begin at 1100 and 1200 */
        uint64_t told_ns;
    } rows[] = {{0, 1100}, {1, 1100}, {FAKE_READY_MAX - 1, 1100}, {FAKE_READY_MAX, 1000}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct stage stage;

        stage_open(&stage);
        stage_turn(&stage);
        stage.fake.now_ns = 1100;
        for (unsigned n = 0; n < rows[i].ready; n++)
            fake_world_ready(&stage.fake, &stage_actor(&stage, 'a')->watch);
        stage_turn(&stage);
        CHECK_EQ(loop_told_ns(stage.loop), 1000);
        stage.fake.now_ns = 1200;
        stage_turn(&stage);
        CHECK_EQ(loop_told_ns(stage.loop), rows[i].told_ns);
        stage_close(&stage);
    }
}

TEST(the_loop_counts_what_it_does)
{
    struct stage stage;
    const struct loop_stats *stats;

    stage_open(&stage);
    stats = loop_stats(stage.loop);
    stage_turn(&stage);
    stage_actor(&stage, 'a')->act = move_clocks;
    timer_set(stage.loop, stage_timer(&stage, 'b'), 500);
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'a')->watch);
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'c')->watch);
    stage_turn(&stage);
    CHECK_EQ(stats->turns, 2);
    CHECK_EQ(stats->events, 2);
    CHECK_EQ(stats->timers_fired, 1);
    CHECK_EQ(stats->tasks_run, 3);
    CHECK_EQ(stats->longest_turn_ns, 7000);
    CHECK_EQ(stage.fake.waits, 2); /* one wait a turn */
    stage_close(&stage);
}

static void stop(struct actor *actor)
{
    loop_stop(actor->stage->loop);
}

static void stop_at_the_third(struct actor *actor)
{
    if (actor->runs == 3)
        loop_stop(actor->stage->loop);
    timer_set(actor->stage->loop, &actor->timer, actor->stage->fake.now_ns + 10);
}

TEST(a_loop_runs_until_it_is_stopped_and_ends_its_turn)
{
    struct stage stage;

    stage_open(&stage);
    stage_actor(&stage, 'a')->act = stop;
    task_wake(stage.loop, stage_task(&stage, 'a'));
    task_wake(stage.loop, stage_task(&stage, 'b'));
    loop_run(stage.loop);
    CHECK_TEXT(stage_trace(&stage), "ab");

    stage_actor(&stage, 'c')->act = stop_at_the_third; /* it can run again, over several turns */
    timer_set(stage.loop, stage_timer(&stage, 'c'), stage.fake.now_ns + 10);
    loop_run(stage.loop);
    CHECK_TEXT(stage_trace(&stage), "abccc");
    stage_close(&stage);
}

TEST(a_loop_that_was_stopped_before_does_not_turn)
{
    struct stage stage;

    stage_open(&stage);
    loop_stop(stage.loop);
    loop_run(stage.loop);
    CHECK_EQ(stage.fake.waits, 0);
    stage_close(&stage);
}

TEST(a_loop_has_memory_and_chance_of_its_own)
{
    struct stage a, b;
    void *page;

    stage_open(&a);
    stage_open(&b);
    CHECK_EQ(block_pool_out(loop_blocks(a.loop)), 0);
    CHECK_EQ(slab_object_bytes(loop_pages(a.loop)), 4096);
    page = slab_take(loop_pages(a.loop));
    CHECK(page != NULL);
    slab_give(loop_pages(a.loop), page);
    pieces_give(loop_pieces(a.loop), pieces_take(loop_pieces(a.loop), 100));
    CHECK_EQ(rng_next(loop_rng(a.loop)), rng_next(loop_rng(b.loop))); /* the same world->random, the same numbers */
    stage_close(&a);
    stage_close(&b);
}

static void make_loop(void *arg)
{
    struct fake_world *fake = arg;

    loop_free(loop_new(&fake->world));
}

TEST(a_loop_bears_having_no_memory)
{
    struct fake_world fake;

    fake_world_init(&fake);
    test_every_allocation_fails(make_loop, &fake);
    loop_free(NULL);
}
