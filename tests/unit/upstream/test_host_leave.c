/* test_host_leave.c: hosts that SRV records named once leave the pages after a while, and come back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/addresses.h"
#include "upstream/handoff.h"
#include "upstream/host_leave.h"
#include "upstream/watch.h"

#include <pthread.h>
#include <sched.h>

enum { WORKERS = 2 };

static const struct transport plain;

struct leave_stage {
    struct world *world[WORKERS];
    struct loop *loop[WORKERS];
    struct pool *pool[WORKERS];
    struct hosts *hosts;
    struct host *host;
};

static void stage_open(struct leave_stage *stage)
{
    struct error err;

    stage->hosts = hosts_new(WORKERS);
    CHECK(stage->hosts != NULL);
    stage->host = hosts_intern(stage->hosts, &(struct host_key){.url = STR("http://pod-1:80")}, &err);
    CHECK(stage->host != NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        stage->world[i] = linux_world_new(&err);
        CHECK(stage->world[i] != NULL);
        stage->loop[i] = loop_new(stage->world[i]);
        CHECK(stage->loop[i] != NULL);
        stage->pool[i] = pool_new(stage->loop[i], NULL, stage->hosts, i);
        CHECK(stage->pool[i] != NULL);
    }
}

static void stage_close(struct leave_stage *stage)
{
    for (unsigned i = 0; i < WORKERS; i++)
        pool_end(stage->pool[i]);
    for (unsigned i = 0; i < WORKERS; i++) {
        pool_free(stage->pool[i]);
        loop_turn(stage->loop[i], 0);
        loop_free(stage->loop[i]);
        linux_world_free(stage->world[i]);
    }
    hosts_free(stage->hosts);
}

static void name_it(struct leave_stage *stage, int change)
{
    for (unsigned i = 0; i < WORKERS; i++)
        addresses_name(stage->pool[i], stage->host, change);
}

static void sweep(struct leave_stage *stage, uint64_t after_ns)
{
    hosts_sweep(stage->hosts, loop_now_ns(stage->loop[0]) + after_ns);
}

static bool is_shown(const struct leave_stage *stage)
{
    return hosts_shown(stage->hosts, 0) != NULL;
}

static bool is_watched(const struct leave_stage *stage, unsigned worker)
{
    return atomic_load(&stage->host->counts[worker].watch) != NULL;
}

/* A connection that comes and goes in each worker, so that there is something to give back. */
static void use_it(struct leave_stage *stage)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        struct stream *near, *far;
        struct pooled *pooled;
        struct error err;

        CHECK(pair_new(stage->loop[i], 4096, &near, &far));
        CHECK(gate_enter(stage->host, 0));
        pooled = pool_adopt(stage->pool[i], stage->host, &plain, near, &err);
        CHECK(pooled != NULL);
        sweep(stage, 2 * HOST_LEAVE_NS);
        CHECK(is_shown(stage)); /* it has a connection */
        pool_discard(pooled, REASON_ANSWER_FAILED, SIDE_OURS);
        stream_close(far, false);
        CHECK(is_watched(stage, i));
    }
}

TEST(a_host_that_no_record_names_leaves_after_a_while_and_comes_back)
{
    struct leave_stage stage;

    stage_open(&stage);
    name_it(&stage, 1);
    name_it(&stage, 1); /* by another name */
    name_it(&stage, -1);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(is_shown(&stage));
    name_it(&stage, -1);
    use_it(&stage); /* by requests that had begun before */
    sweep(&stage, HOST_LEAVE_NS / 2);
    CHECK(is_shown(&stage));
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(!is_shown(&stage));
    CHECK(hosts_at(stage.hosts, 0) == stage.host);
    /* One worker has not read its letter when it is named again: what that will take must not be shown. */
    loop_turn(stage.loop[0], 0);
    CHECK(!is_watched(&stage, 0));
    name_it(&stage, 1);
    sweep(&stage, 0);
    CHECK(!is_shown(&stage));
    loop_turn(stage.loop[1], 0);
    CHECK(!is_watched(&stage, 1));
    sweep(&stage, 0);
    CHECK(is_shown(&stage));
    use_it(&stage);
    CHECK_EQ(atomic_load(&stage.host->counts[0].connections_opened), 2); /* its counters are as they were */
    name_it(&stage, -1);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(!is_shown(&stage));
    stage_close(&stage); /* with letters that nobody has read */
}

TEST(hosts_of_a_configuration_stay)
{
    struct leave_stage stage;

    stage_open(&stage);
    atomic_store(&stage.host->configured, true);
    name_it(&stage, 1);
    name_it(&stage, -1);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(is_shown(&stage));
    stage_close(&stage);
}

/* Hosts to which no SRV record ever led: redirects did. */
TEST(hosts_that_were_never_named_stay)
{
    struct leave_stage stage;

    stage_open(&stage);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(is_shown(&stage));
    stage_close(&stage);
}

/* A worker uses the host all the time, under records that come and go, while the main thread sweeps and reads. */
struct leave_race {
    struct leave_stage stage;
    _Atomic bool over;
};

enum { ROUNDS = 300 };

static void *run_worker(void *arg)
{
    struct leave_race *race = arg;
    struct leave_stage *stage = &race->stage;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct stream *near, *far;
        struct pooled *pooled;
        struct error err;

        addresses_name(stage->pool[0], stage->host, 1);
        CHECK(pair_new(stage->loop[0], 4096, &near, &far));
        CHECK(gate_enter(stage->host, 0));
        pooled = pool_adopt(stage->pool[0], stage->host, &plain, near, &err);
        CHECK(pooled != NULL);
        pool_return(pooled, &plain);
        loop_turn(stage->loop[0], 0);
        addresses_name(stage->pool[0], stage->host, -1);
        stream_close(far, false);
        loop_turn(stage->loop[0], 0);
        sched_yield();
        loop_turn(stage->loop[0], 0);
    }
    atomic_store(&race->over, true);
    return NULL;
}

TEST(a_host_may_leave_and_come_back_while_it_is_used)
{
    struct leave_race race = {.over = false};
    struct whatif_view view;
    uint64_t now_ns;
    pthread_t worker;

    stage_open(&race.stage);
    now_ns = loop_now_ns(race.stage.loop[1]) + 2 * HOST_LEAVE_NS;
    CHECK_EQ(pthread_create(&worker, NULL, run_worker, &race), 0);
    while (!atomic_load(&race.over)) {
        hosts_sweep(race.stage.hosts, now_ns);
        loop_turn(race.stage.loop[1], 0); /* this worker is the test's */
        view = (struct whatif_view){0};
        if (is_shown(&race.stage))
            watch_whatif(race.stage.host, &view);
    }
    CHECK_EQ(pthread_join(worker, NULL), 0);
    loop_turn(race.stage.loop[0], 0); /* the last letter */
    name_it(&race.stage, 1);
    hosts_sweep(race.stage.hosts, now_ns);
    CHECK(is_shown(&race.stage));
    name_it(&race.stage, -1);
    stage_close(&race.stage);
}
