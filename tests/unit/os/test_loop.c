/* test_loop.c: what runs when, on a world without a kernel. SPDX-License-Identifier: Apache-2.0 */
#include "fake_world.h"
#include "harness/test.h"
#include "os/loop.h"

#include <stdlib.h>

enum { ACTORS = 8 };

struct stage;

/* A task that writes its name into the trace and then does what the test wants. */
struct actor {
    struct task task;
    struct watch watch;
    struct timer timer;
    struct stage *stage;
    char name;
    void (*act)(struct actor *actor); /* NULL: nothing more */
    unsigned runs;
};

struct stage {
    struct fake_world fake;
    struct loop *loop;
    struct actor actors[ACTORS]; /* 'a', 'b', ... */
    char trace[64];
    size_t traced;
};

static void actor_run(struct task *task)
{
    struct actor *actor = container_of(task, struct actor, task);
    struct stage *stage = actor->stage;

    actor->runs++;
    if (stage->traced < sizeof(stage->trace))
        stage->trace[stage->traced++] = actor->name;
    if (actor->act)
        actor->act(actor);
}

static void stage_open(struct stage *stage)
{
    *stage = (struct stage){0};
    fake_world_init(&stage->fake);
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *actor = &stage->actors[i];

        *actor = (struct actor){.task.run = actor_run, .stage = stage, .name = (char)('a' + i)};
        actor->watch.task = actor->timer.task = &actor->task;
    }
}

static void stage_close(struct stage *stage)
{
    for (int i = 0; i < ACTORS; i++) {
        task_forget(stage->loop, &stage->actors[i].task);
        timer_clear(stage->loop, &stage->actors[i].timer);
    }
    loop_free(stage->loop);
}

static struct actor *actor_of(struct stage *stage, char name)
{
    return &stage->actors[name - 'a'];
}

static struct task *task_of(struct stage *stage, char name)
{
    return &actor_of(stage, name)->task;
}

static struct timer *timer_of(struct stage *stage, char name)
{
    return &actor_of(stage, name)->timer;
}

static struct str trace(const struct stage *stage)
{
    return str_of(stage->trace, stage->traced);
}

static void turn(struct stage *stage) /* one that does not sleep */
{
    loop_turn(stage->loop, 0);
}

static void wake_next(struct actor *actor)
{
    task_wake(actor->stage->loop, task_of(actor->stage, (char)(actor->name + 1)));
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
    task_forget(actor->stage->loop, task_of(actor->stage, (char)(actor->name + 1)));
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
            task_wake(stage.loop, task_of(&stage, *c));
        for (const char *c = cases[i].batch; *c; c++) {
            struct watch *watch = &actor_of(&stage, (char)(*c | 0x20))->watch;

            watch->first = (*c & 0x20) == 0;
            fake_world_ready(&stage.fake, watch);
        }
        turn(&stage);
        CHECK_STR(trace(&stage), str_from(cases[i].trace));
        stage_close(&stage);
    }
}

TEST(whom_an_idle_connection_wakes_runs_before_the_rest_too)
{
    struct stage stage;

    stage_open(&stage);
    task_wake(stage.loop, task_of(&stage, 'e'));
    task_wake(stage.loop, task_of(&stage, 'd')); /* queued behind e, yet pulled forward */
    actor_of(&stage, 'b')->watch.first = true;
    actor_of(&stage, 'b')->act = wake_next;
    actor_of(&stage, 'c')->act = wake_next;
    fake_world_ready(&stage.fake, &actor_of(&stage, 'a')->watch);
    fake_world_ready(&stage.fake, &actor_of(&stage, 'b')->watch);
    turn(&stage);
    CHECK_TEXT(trace(&stage), "bcdea");
    stage_close(&stage);
}

TEST(a_watch_without_a_task_wakes_nobody)
{
    struct stage stage;
    struct watch watch = {.fd = 3};

    stage_open(&stage);
    fake_world_ready(&stage.fake, &watch);
    turn(&stage);
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
    CHECK(loop_world(stage.loop) == &stage.fake.world);
    stage_close(&stage);
}

TEST(a_task_woken_twice_runs_once)
{
    struct stage stage;

    stage_open(&stage);
    task_wake(stage.loop, task_of(&stage, 'a'));
    task_wake(stage.loop, task_of(&stage, 'b'));
    task_wake(stage.loop, task_of(&stage, 'a'));
    task_wake(stage.loop, NULL);
    turn(&stage);
    CHECK_TEXT(trace(&stage), "ab");
    turn(&stage);
    CHECK_TEXT(trace(&stage), "ab");
    stage_close(&stage);
}

TEST(a_task_may_wake_itself_and_others_while_it_runs)
{
    struct stage stage;

    stage_open(&stage);
    actor_of(&stage, 'a')->act = wake_self_once;
    actor_of(&stage, 'b')->act = wake_next;
    task_wake(stage.loop, task_of(&stage, 'a'));
    task_wake(stage.loop, task_of(&stage, 'b'));
    turn(&stage);
    CHECK_TEXT(trace(&stage), "abac");
    stage_close(&stage);
}

TEST(a_forgotten_task_does_not_run)
{
    struct stage stage;

    stage_open(&stage);
    task_wake(stage.loop, task_of(&stage, 'a'));
    task_wake(stage.loop, task_of(&stage, 'b'));
    task_forget(stage.loop, task_of(&stage, 'a'));
    task_forget(stage.loop, task_of(&stage, 'c')); /* never woken: fine */
    turn(&stage);
    CHECK_TEXT(trace(&stage), "b");
    stage_close(&stage);
}

TEST(a_task_may_be_forgotten_by_the_one_before_it)
{
    struct stage stage;

    for (int first = 0; first < 2; first++) { /* in either queue */
        test_case_is("first %d", first);
        stage_open(&stage);
        actor_of(&stage, 'a')->act = forget_next;
        actor_of(&stage, 'a')->watch.first = true;
        actor_of(&stage, 'b')->watch.first = first != 0;
        for (char name = 'a'; name <= 'c'; name++)
            fake_world_ready(&stage.fake, &actor_of(&stage, name)->watch);
        turn(&stage);
        CHECK_TEXT(trace(&stage), "ac");
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
    turn(&stage);
    CHECK_EQ(deaths, 3);
    stage_close(&stage);
}

TEST(a_task_that_wakes_itself_for_ever_does_not_starve_sockets_and_timers)
{
    struct stage stage;

    stage_open(&stage);
    actor_of(&stage, 'a')->act = wake_self;
    task_wake(stage.loop, task_of(&stage, 'a'));
    turn(&stage);
    CHECK(actor_of(&stage, 'a')->runs >= 1000);
    CHECK_EQ(actor_of(&stage, 'b')->runs, 0);

    fake_world_ready(&stage.fake, &actor_of(&stage, 'b')->watch);
    timer_set(stage.loop, timer_of(&stage, 'c'), stage.fake.now_ns);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 0); /* tasks are left, so it does not sleep */
    CHECK_EQ(actor_of(&stage, 'b')->runs, 1);
    CHECK_EQ(actor_of(&stage, 'c')->runs, 1);
    stage_close(&stage);
}

TEST(an_idle_connection_that_wakes_itself_for_ever_does_not_starve_the_rest)
{
    struct stage stage;

    stage_open(&stage);
    actor_of(&stage, 'a')->act = wake_self;
    actor_of(&stage, 'a')->watch.first = true;
    fake_world_ready(&stage.fake, &actor_of(&stage, 'a')->watch);
    for (unsigned i = 1; i <= 3; i++) {
        fake_world_ready(&stage.fake, &actor_of(&stage, 'b')->watch);
        turn(&stage);
        CHECK_EQ(actor_of(&stage, 'b')->runs, i);
        CHECK(actor_of(&stage, 'a')->runs >= i * 1000);
    }
    stage_close(&stage);
}

TEST(a_timer_fires_at_its_time_and_only_once)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = timer_of(&stage, 'a');
    timer_set(stage.loop, timer, 2000);
    CHECK(!timer->fired);
    loop_turn(stage.loop, 1999);
    CHECK_EQ(stage.traced, 0);
    CHECK(!timer->fired);
    CHECK_EQ(loop_now_ns(stage.loop), 1999);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 2000);
    CHECK_TEXT(trace(&stage), "a");
    CHECK(timer->fired);
    CHECK_EQ(timer->at_ns, TIMER_OFF);
    loop_turn(stage.loop, 9000);
    CHECK_EQ(stage.traced, 1);
    CHECK(timer->fired); /* until it is set or cleared */
    timer_clear(stage.loop, timer);
    CHECK(!timer->fired);
    stage_close(&stage);
}

TEST(timers_fire_in_the_order_of_their_times)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, timer_of(&stage, 'a'), 1300);
    timer_set(stage.loop, timer_of(&stage, 'b'), 1100);
    timer_set(stage.loop, timer_of(&stage, 'c'), 1200);
    stage.fake.now_ns = 1250;
    turn(&stage);
    CHECK_TEXT(trace(&stage), "bc");
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_TEXT(trace(&stage), "bca");
    stage_close(&stage);
}

TEST(readiness_runs_before_timers_of_the_same_turn)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, timer_of(&stage, 'a'), 500);
    fake_world_ready(&stage.fake, &actor_of(&stage, 'b')->watch);
    turn(&stage);
    CHECK_TEXT(trace(&stage), "ba");
    stage_close(&stage);
}

TEST(setting_a_timer_later_does_not_touch_the_heap)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = timer_of(&stage, 'a');
    timer_set(stage.loop, timer, 2000);
    timer_set(stage.loop, timer, 3000);
    timer_set(stage.loop, timer, 5000);
    CHECK_EQ(timer->queued_ns, 2000);
    loop_turn(stage.loop, UINT64_MAX); /* its old time comes up: put right, nothing runs */
    CHECK_EQ(stage.fake.now_ns, 2000);
    CHECK_EQ(stage.traced, 0);
    CHECK_EQ(timer->queued_ns, 5000);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.now_ns, 5000);
    CHECK_TEXT(trace(&stage), "a");
    stage_close(&stage);
}

TEST(a_timer_set_earlier_fires_earlier)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, timer_of(&stage, 'a'), 9000);
    timer_set(stage.loop, timer_of(&stage, 'b'), 3000);
    timer_set(stage.loop, timer_of(&stage, 'a'), 2000);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.now_ns, 2000);
    CHECK_TEXT(trace(&stage), "a");
    stage_close(&stage);
}

TEST(a_cleared_timer_does_not_fire)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, timer_of(&stage, 'a'), 2000);
    timer_set(stage.loop, timer_of(&stage, 'b'), 3000);
    timer_clear(stage.loop, timer_of(&stage, 'a'));
    timer_clear(stage.loop, timer_of(&stage, 'c')); /* never set: fine */
    CHECK_EQ(timer_of(&stage, 'a')->at_ns, TIMER_OFF);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 3000);
    CHECK_TEXT(trace(&stage), "b");
    stage_close(&stage);
}

TEST(a_timer_that_is_set_off_does_not_fire_and_can_be_set_again)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = timer_of(&stage, 'a');
    timer_set(stage.loop, timer, TIMER_OFF); /* while it is not in the heap */
    CHECK_EQ(timer->slot, 0);
    timer_set(stage.loop, timer, 2000);
    timer_set(stage.loop, timer, TIMER_OFF);
    loop_turn(stage.loop, 2500);
    CHECK_EQ(stage.traced, 0);
    CHECK(!timer->fired);
    timer_set(stage.loop, timer, 4000);
    loop_turn(stage.loop, 2600); /* the rest of its old place, if any, goes */
    CHECK_EQ(stage.traced, 0);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.now_ns, 4000);
    CHECK_TEXT(trace(&stage), "a");
    stage_close(&stage);
}

TEST(setting_a_timer_again_takes_back_that_it_has_fired)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = timer_of(&stage, 'a');
    timer_set(stage.loop, timer, 2000);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK(timer->fired);
    timer_set(stage.loop, timer, 3000);
    CHECK(!timer->fired);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK(timer->fired);
    CHECK_TEXT(trace(&stage), "aa");
    stage_close(&stage);
}

TEST(a_timer_without_memory_fires_at_once_rather_than_never)
{
    enum { MANY = 1024 };
    struct timer *timers = calloc(MANY, sizeof(*timers));
    struct stage stage;
    size_t early = 0;

    CHECK(timers != NULL);
    stage_open(&stage);
    test_fail_allocation(1);
    for (size_t i = 0; i < MANY; i++) {
        timers[i].task = task_of(&stage, 'a');
        timer_set(stage.loop, &timers[i], 2000);
        early += timers[i].fired;
    }
    test_fail_allocation(0);
    CHECK_EQ(early, 1);
    turn(&stage);
    CHECK_TEXT(trace(&stage), "a");
    for (size_t i = 0; i < MANY; i++)
        timer_clear(stage.loop, &timers[i]);
    stage_close(&stage);
    free(timers);
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
    turn(&stage);
    CHECK_EQ(stage.fake.wall_reads, 0);
    actor_of(&stage, 'a')->act = move_clocks;
    task_wake(stage.loop, task_of(&stage, 'a'));
    turn(&stage);
    CHECK_EQ(actor_of(&stage, 'a')->runs, 1);
    CHECK_EQ(stage.fake.wall_reads, 1);
    turn(&stage);
    CHECK_EQ(loop_now_ns(stage.loop), 8000);
    CHECK_EQ(loop_wall_ns(stage.loop), 12001);
    stage_close(&stage);
}

TEST(the_loop_counts_what_it_does)
{
    struct stage stage;
    const struct loop_stats *stats;

    stage_open(&stage);
    stats = loop_stats(stage.loop);
    turn(&stage);
    actor_of(&stage, 'a')->act = move_clocks;
    timer_set(stage.loop, timer_of(&stage, 'b'), 500);
    fake_world_ready(&stage.fake, &actor_of(&stage, 'a')->watch);
    fake_world_ready(&stage.fake, &actor_of(&stage, 'c')->watch);
    turn(&stage);
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
    actor_of(&stage, 'a')->act = stop;
    task_wake(stage.loop, task_of(&stage, 'a'));
    task_wake(stage.loop, task_of(&stage, 'b'));
    loop_run(stage.loop);
    CHECK_TEXT(trace(&stage), "ab");

    actor_of(&stage, 'c')->act = stop_at_the_third; /* it can run again, over several turns */
    timer_set(stage.loop, timer_of(&stage, 'c'), stage.fake.now_ns + 10);
    loop_run(stage.loop);
    CHECK_TEXT(trace(&stage), "abccc");
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
