/* test_rest.c: how often the main thread looks, while workers do something and when all of them sleep. Each loop has a
 * fake world; a look shows by what it tells of memory. SPDX-License-Identifier: Apache-2.0 */
#include "../os/fake_world.h"
#include "app/rest.h"
#include "harness/test.h"
#include "os/process.h"
#include "os/thread.h"

#include <sched.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

enum { WORKERS = 2, NOT_LOOKED = 5000, SECONDS_TO_REST = 20, RACE_TURNS = 3000, MUCH_PART = 4 };

struct rest_stage {
    struct fake_world main_world, worlds[WORKERS];
    struct loop *loop;
    struct frontend *frontends[WORKERS];
    struct hosts *hosts;
    struct tls_refresh tls;
    struct rest rest;
};

static void open_stage(struct rest_stage *stage)
{
    *stage = (struct rest_stage){0};
    fake_world_init(&stage->main_world);
    stage->main_world.now_ns = 100 * SECOND;
    stage->loop = loop_new(&stage->main_world.world);
    stage->hosts = hosts_new(WORKERS);
    CHECK(stage->loop && stage->hosts);
    for (int i = 0; i < WORKERS; i++) {
        fake_world_init(&stage->worlds[i]);
        stage->worlds[i].now_ns = 100 * SECOND;
        stage->frontends[i] = calloc(1, sizeof(struct frontend));
        CHECK(stage->frontends[i] != NULL);
        stage->frontends[i]->loop = loop_new(&stage->worlds[i].world);
        CHECK(stage->frontends[i]->loop != NULL);
    }
    CHECK(rest_start(&stage->rest, &(struct rest_options){
                                       .loop = stage->loop,
                                       .frontends = (const struct frontend *const *)stage->frontends,
                                       .workers = WORKERS,
                                       .hosts = stage->hosts,
                                       .leave_rule = {HOST_LEAVE_NS, HOST_FORGET_NS},
                                       .tls = &stage->tls,
                                       .memory_max = MUCH_PART * process_resident_bytes(),
                                   }));
    stage->rest.memory.start_bytes = 0;
    stage->rest.trim.resident_bytes = UINT64_MAX; /* what else this program has grown by is not to be given back */
}

static struct host *open_stage_with_host(struct rest_stage *stage)
{
    const struct host_key key = {.url = STR("http://a.test")};
    struct error err;
    struct host *host;

    open_stage(stage);
    host = hosts_intern(stage->hosts, &key, &err);
    CHECK(host != NULL);
    return host;
}

static void close_stage(struct rest_stage *stage)
{
    rest_stop(&stage->rest);
    for (int i = 0; i < WORKERS; i++) {
        loop_free(stage->frontends[i]->loop);
        free(stage->frontends[i]);
    }
    hosts_free(stage->hosts);
    loop_free(stage->loop);
}

/* A turn of the main thread after so long; does it look? */
static bool looks_after(struct rest_stage *stage, uint64_t passed_ns)
{
    _Atomic unsigned *told = &hosts_budget(stage->hosts)->memory_permille;

    atomic_store(told, NOT_LOOKED);
    stage->main_world.now_ns += passed_ns;
    loop_turn(stage->loop, 0);
    return atomic_load(told) != NOT_LOOKED;
}

static void worker_turns(struct rest_stage *stage, int worker)
{
    stage->worlds[worker].now_ns = stage->main_world.now_ns;
    loop_turn(stage->frontends[worker]->loop, 0);
}

/* Seconds of sleep until it rests: memory that has grown since the start of the process is given back first. */
static unsigned await_rest(struct rest_stage *stage)
{
    unsigned seconds = 0;

    while (!stage->rest.rests && seconds < SECONDS_TO_REST) {
        CHECK(looks_after(stage, SECOND));
        seconds++;
    }
    CHECK(stage->rest.rests);
    return seconds;
}

TEST(a_gateway_that_works_looks_once_a_second)
{
    struct rest_stage stage;

    open_stage(&stage);
    CHECK(looks_after(&stage, 0));
    for (int i = 0; i < 20; i++) {
        worker_turns(&stage, i % WORKERS);
        CHECK(!looks_after(&stage, SECOND - 1));
        CHECK(looks_after(&stage, 1));
        CHECK(!stage.rest.rests);
    }
    close_stage(&stage);
}

TEST(who_has_taken_much_of_the_memory_looks_twice_a_minute_at_rest)
{
    struct rest_stage stage;

    open_stage(&stage);
    CHECK(looks_after(&stage, 0));
    CHECK(await_rest(&stage) >= 2);
    for (int i = 0; i < 3; i++) {
        CHECK(!looks_after(&stage, 30 * SECOND - 1));
        CHECK(looks_after(&stage, 1));
        CHECK(stage.rest.rests);
    }
    close_stage(&stage);
}

TEST(nothing_wakes_who_has_taken_little_at_rest)
{
    struct rest_stage stage;
    bool light;

    open_stage(&stage);
    stage.rest.memory.limit_bytes = 0;
    CHECK(looks_after(&stage, 0));
    light = memory_watch_is_light(&stage.rest.memory); /* so it is, but on a very small machine */
    await_rest(&stage);
    CHECK_EQ(looks_after(&stage, 30 * SECOND), !light);
    CHECK_EQ(looks_after(&stage, 86400 * SECOND), !light);
    worker_turns(&stage, 0);
    CHECK(looks_after(&stage, 0)); /* the last one is long ago */
    CHECK(!stage.rest.rests);
    CHECK(looks_after(&stage, SECOND));
    close_stage(&stage);
}

TEST(who_has_hosts_that_leave_looks_twice_a_minute_until_they_have_left)
{
    struct rest_stage stage;
    struct host *host = open_stage_with_host(&stage);
    bool light;

    stage.rest.memory.limit_bytes = 0;
    stage.rest.ports.rule.forget_ns = 0;
    host_configure(host, true, stage.main_world.now_ns);
    host_configure(host, false, stage.main_world.now_ns);
    CHECK(looks_after(&stage, 0));
    light = memory_watch_is_light(&stage.rest.memory);
    await_rest(&stage);
    for (unsigned i = 0; hosts_shown(stage.hosts, 0); i++) {
        CHECK(i < HOST_LEAVE_NS / (30 * SECOND) + 5); /* hosts are looked at each fifth time */
        CHECK(looks_after(&stage, 30 * SECOND));
    }
    CHECK(stage.rest.rests);
    CHECK_EQ(looks_after(&stage, 86400 * SECOND), !light);
    close_stage(&stage);
}

TEST(what_a_process_has_taken_is_little_or_not)
{
    uint64_t resident_bytes = process_resident_bytes();
    struct budget budget = {0};
    struct memory_watch watch = {.budget = &budget, .least_bytes = resident_bytes * 40};

    CHECK(memory_watch_is_light(&watch));
    watch.least_bytes = resident_bytes * 20;
    CHECK(!memory_watch_is_light(&watch));
    watch.least_bytes = UINT64_MAX;
    CHECK(memory_watch_is_light(&watch));
    watch.least_bytes = resident_bytes * 40;
    budget.sockets = (int64_t)(resident_bytes / 4096); /* the kernel keeps as much again */
    CHECK(!memory_watch_is_light(&watch));
    watch.start_bytes = resident_bytes / 2;
    watch.least_bytes = resident_bytes * 56; /* half of it, and the kernel's */
    CHECK(memory_watch_is_light(&watch));
}

/* A look at them forgets what was counted, as there are far fewer connections in TIME_WAIT than ports. */
TEST(ports_are_not_counted_while_nobody_dials)
{
    struct rest_stage stage;
    struct host *host = open_stage_with_host(&stage);

    CHECK(looks_after(&stage, 0));
    await_rest(&stage);
    atomic_store(&host->ports.time_waits, 7);
    CHECK(looks_after(&stage, 30 * SECOND));
    CHECK_EQ(atomic_load(&host->ports.time_waits), 7);
    worker_turns(&stage, 0);
    CHECK(looks_after(&stage, SECOND));
    CHECK_EQ(atomic_load(&host->ports.time_waits), 0);
    close_stage(&stage);
}

/* Within the seconds between two of these looks. */
static void look_at_ports(struct rest_stage *stage)
{
    for (int i = 0; i < 5; i++) {
        worker_turns(stage, 0);
        CHECK(looks_after(stage, SECOND));
    }
}

/* What a look forgets, as above, tells whether there was one. */
TEST(ports_are_counted_while_connections_are_made_or_some_wait)
{
    struct rest_stage stage;
    struct host *host = open_stage_with_host(&stage);

    atomic_store(&host->ports.blocked, 7);
    look_at_ports(&stage);
    CHECK_EQ(atomic_load(&host->ports.blocked), 0); /* others may have left some */
    atomic_store(&host->ports.blocked, 7);
    look_at_ports(&stage);
    CHECK_EQ(atomic_load(&host->ports.blocked), 7);
    atomic_fetch_add(&host->counts[1].connections_opened, 1);
    look_at_ports(&stage);
    CHECK_EQ(atomic_load(&host->ports.blocked), 0);
    atomic_store(&host->ports.time_waits, 7);
    look_at_ports(&stage);
    CHECK_EQ(atomic_load(&host->ports.time_waits), 0);
    atomic_store(&host->ports.blocked, 7);
    for (int i = 0; i < 11; i++)
        look_at_ports(&stage);
    CHECK_EQ(atomic_load(&host->ports.blocked), 7);
    look_at_ports(&stage);
    CHECK_EQ(atomic_load(&host->ports.blocked), 0); /* a minute later */
    close_stage(&stage);
}

TEST(a_worker_that_wakes_ends_the_rest)
{
    struct rest_stage stage;

    open_stage(&stage);
    CHECK(looks_after(&stage, 0));
    await_rest(&stage);
    CHECK(!looks_after(&stage, 7 * SECOND));
    stage.main_world.wakes = 0;
    worker_turns(&stage, 1);
    worker_turns(&stage, 0);
    CHECK_EQ(stage.main_world.wakes, 1); /* once for each rest */
    CHECK(looks_after(&stage, 0));
    CHECK(!stage.rest.rests);
    CHECK(looks_after(&stage, SECOND));
    CHECK_INT((int)await_rest(&stage), 2); /* the looks at 1, 2 and 3 s were quiet */
    worker_turns(&stage, 0);
    CHECK_EQ(stage.main_world.wakes, 2);
    close_stage(&stage);
}

TEST(a_rest_of_a_moment_ends_with_the_second)
{
    struct rest_stage stage;

    open_stage(&stage);
    CHECK(looks_after(&stage, 0));
    await_rest(&stage);
    stage.main_world.now_ns += SECOND / 2;
    worker_turns(&stage, 0);
    CHECK(!looks_after(&stage, 0));
    CHECK(!stage.rest.rests);
    CHECK(looks_after(&stage, SECOND / 2));
    close_stage(&stage);
}

TEST(what_a_crowd_has_left_is_given_back_before_the_rest)
{
    struct frontend_counts *counts;
    struct rest_stage stage;

    open_stage(&stage);
    counts = &stage.frontends[0]->counts;
    CHECK(looks_after(&stage, 0));
    await_rest(&stage);
    counts->connections_opened = 1000;
    worker_turns(&stage, 0);
    CHECK(looks_after(&stage, 2 * SECOND));
    CHECK_EQ(stage.rest.trim.most, 1000);
    counts->connections_closed = 1000;
    worker_turns(&stage, 0);
    while (stage.rest.trim.looks == 0)
        CHECK(looks_after(&stage, SECOND));
    while (stage.rest.trim.looks > 0) {
        CHECK(!stage.rest.rests);
        CHECK(looks_after(&stage, SECOND));
    }
    CHECK_EQ(stage.rest.trim.most, 0); /* given back */
    CHECK(await_rest(&stage) <= 1);
    close_stage(&stage);
}

/* A worker's task during which the main thread looks. */
struct long_turn {
    struct task task;
    struct rest_stage *stage;
};

static void look_meanwhile(struct task *task)
{
    struct rest_stage *stage = container_of(task, struct long_turn, task)->stage;

    for (int i = 0; i < SECONDS_TO_REST; i++)
        CHECK(looks_after(stage, SECOND));
}

TEST(who_is_still_in_its_turn_keeps_the_process_from_resting)
{
    struct long_turn turn = {.task.run = look_meanwhile};
    struct rest_stage stage;

    open_stage(&stage);
    turn.stage = &stage;
    CHECK(looks_after(&stage, 0));
    task_wake(stage.frontends[1]->loop, &turn.task);
    worker_turns(&stage, 1);
    CHECK(!stage.rest.rests);
    await_rest(&stage);
    close_stage(&stage);
}

TEST(workers_hear_while_descriptors_are_short)
{
    struct rest_stage stage;

    open_stage(&stage);
    CHECK(looks_after(&stage, 0));
    await_rest(&stage);
    CHECK_EQ(stage.worlds[0].wakes, 0);
    hosts_budget(stage.hosts)->files_max = 100;
    hosts_budget(stage.hosts)->sockets = 89;
    CHECK(looks_after(&stage, 30 * SECOND));
    CHECK_EQ(stage.worlds[0].wakes, 0);
    hosts_budget(stage.hosts)->sockets = 90;
    CHECK(looks_after(&stage, 30 * SECOND));
    CHECK_EQ(stage.worlds[0].wakes, 1);
    CHECK_EQ(stage.worlds[1].wakes, 1);
    close_stage(&stage);
}

/* A worker's thread turns as it likes while the main thread goes to rest and wakes. */
struct busy {
    struct rest_stage *stage;
    atomic_bool over;
};

static void turn_now_and_then(void *arg)
{
    struct busy *busy = arg;

    for (int i = 0; i < RACE_TURNS; i++) {
        busy->stage->worlds[0].now_ns += 2 * SECOND;
        loop_turn(busy->stage->frontends[0]->loop, 0);
        for (int pause = 0; pause < i % 7; pause++)
            sched_yield();
    }
    atomic_store(&busy->over, true);
}

TEST(no_turn_of_another_thread_is_slept_through)
{
    struct busy busy = {0};
    struct rest_stage stage;
    struct thread *thread;
    struct error err;

    open_stage(&stage);
    busy.stage = &stage;
    CHECK(looks_after(&stage, 0));
    await_rest(&stage);
    thread = thread_start("busy", -1, turn_now_and_then, &busy, &err);
    CHECK(thread != NULL);
    while (!atomic_load(&busy.over))
        (void)looks_after(&stage, SECOND);
    thread_join(thread);
    (void)looks_after(&stage, SECOND); /* what was told last is heard */
    await_rest(&stage);
    CHECK_EQ(stage.rest.seconds, RACE_TURNS);
    CHECK(stage.rest.hung);
    worker_turns(&stage, 1);
    CHECK(looks_after(&stage, SECOND));
    CHECK(!stage.rest.rests);
    close_stage(&stage);
}
