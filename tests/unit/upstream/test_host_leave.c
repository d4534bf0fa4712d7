/* test_host_leave.c: hosts that SRV records named once leave the pages after a while, and come back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/addresses.h"
#include "upstream/closed_log.h"
#include "upstream/handoff.h"
#include "upstream/host_hold.h"
#include "upstream/host_leave.h"
#include "upstream/watch.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { WORKERS = 2 };
#define LONG_NS   (2 * HOST_FORGET_NS)
#define SECOND_NS UINT64_C(1000000000)

static const struct transport plain;

struct leave_stage {
    struct world *world[WORKERS];
    struct loop *loop[WORKERS];
    struct pool *pool[WORKERS];
    struct hosts *hosts;
    struct host *host;
    struct host_leave_rule rule;
};

static void stage_open(struct leave_stage *stage)
{
    struct error err;

    stage->rule = (struct host_leave_rule){HOST_LEAVE_NS, HOST_FORGET_NS};
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
    hosts_sweep(stage->hosts, &stage->rule, loop_now_ns(stage->loop[0]) + after_ns);
}

static bool is_shown(const struct leave_stage *stage)
{
    return hosts_shown(stage->hosts, 0) != NULL;
}

static bool is_leaving(const struct leave_stage *stage)
{
    return hosts_are_leaving(stage->hosts, &stage->rule);
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

/* What would be known of its addresses finds no memory: names come and go all the same. */
TEST(without_memory_a_host_is_named_and_left_as_often)
{
    struct leave_stage stage;

    stage_open(&stage);
    for (unsigned names = 0; names < 2; names++) { /* the second has memory */
        test_fail_allocation(names == 0 ? 1 : 0);
        addresses_name(stage.pool[0], stage.host, 1);
        test_fail_allocation(0);
        CHECK_EQ(stage.host->named, names + 1);
    }
    for (unsigned left = 2; left > 0; left--) {
        sweep(&stage, LONG_NS);
        CHECK(is_shown(&stage));
        addresses_name(stage.pool[0], stage.host, -1);
        CHECK_EQ(stage.host->named, left - 1);
    }
    sweep(&stage, LONG_NS);
    CHECK(!is_shown(&stage));
    stage_close(&stage);
}

TEST(a_host_that_no_record_names_leaves_after_a_while_and_comes_back)
{
    struct leave_stage stage;

    stage_open(&stage);
    CHECK(!is_leaving(&stage));
    name_it(&stage, 1);
    name_it(&stage, 1); /* by another name */
    name_it(&stage, -1);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(is_shown(&stage) && !is_leaving(&stage));
    name_it(&stage, -1);
    use_it(&stage); /* by requests that had begun before */
    sweep(&stage, HOST_LEAVE_NS / 2);
    CHECK(is_shown(&stage) && is_leaving(&stage));
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(!is_shown(&stage));
    CHECK(is_leaving(&stage)); /* to be forgotten */
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

/* They are about to be used. */
TEST(hosts_that_were_never_used_stay)
{
    struct leave_stage stage;

    stage_open(&stage);
    sweep(&stage, LONG_NS);
    CHECK(is_shown(&stage));
    stage_close(&stage);
}

static void read_letters(struct leave_stage *stage)
{
    for (unsigned i = 0; i < WORKERS; i++)
        loop_turn(stage->loop[i], 0);
}

/* Sweeps with all letters read in between: leaves, is suspected, is given back. */
static void sweep_it_away(struct leave_stage *stage)
{
    for (int i = 0; i < 3; i++) {
        sweep(stage, LONG_NS);
        read_letters(stage);
    }
}

static void name_once(struct leave_stage *stage)
{
    name_it(stage, 1);
    name_it(stage, -1);
}

static struct host *intern(struct leave_stage *stage, const char *url)
{
    struct error err;
    struct host *host = hosts_intern(stage->hosts, &(struct host_key){.url = str_from(url)}, &err);

    CHECK(host != NULL);
    return host;
}

TEST(an_hour_later_its_entry_is_given_back)
{
    struct leave_stage stage;
    struct closed_row rows[2];
    struct host *other, *again;

    stage_open(&stage);
    other = intern(&stage, "http://pod-2:80");
    name_it(&stage, 1);
    use_it(&stage);
    name_it(&stage, -1);
    CHECK_EQ(pool_list_closed(stage.pool[0], rows, COUNT_OF(rows)), 1);
    sweep(&stage, 2 * HOST_LEAVE_NS); /* it has left, and no more, for as long as an hour has not gone by */
    read_letters(&stage);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    read_letters(&stage);
    sweep(&stage, 2 * HOST_LEAVE_NS);
    CHECK(hosts_at(stage.hosts, 0) == stage.host);
    host_count_add(&stage.host->counts[1].handshakes_full, 3);
    host_count_add(&stage.host->counts[0].handshakes_resumed, 4);
    host_count_add(&other->counts[0].handshakes_full, 1);
    sweep(&stage, LONG_NS); /* suspected */
    sweep(&stage, LONG_NS);
    loop_turn(stage.loop[0], 0);
    sweep(&stage, LONG_NS);
    CHECK(hosts_at(stage.hosts, 0) == stage.host); /* one worker has not said that it has nothing to do with it */
    CHECK_EQ(hosts_known(stage.hosts), 2);
    loop_turn(stage.loop[1], 0);
    sweep(&stage, LONG_NS);
    CHECK(hosts_at(stage.hosts, 0) == NULL);
    CHECK(!is_shown(&stage));
    CHECK_EQ(hosts_known(stage.hosts), 1);
    CHECK_EQ(hosts_count(stage.hosts), 2);
    CHECK_EQ(pool_list_closed(stage.pool[0], rows, COUNT_OF(rows)), 0);
    CHECK(hosts_at(stage.hosts, 1) == other);
    CHECK_EQ(hosts_handshakes(stage.hosts).full, 4); /* a sum of all never shrinks */
    CHECK_EQ(hosts_handshakes(stage.hosts).resumed, 4);
    /* When it is named again it is a new one, in the place that was free, by the name that was. */
    again = intern(&stage, "http://pod-1:80");
    CHECK_EQ(again->index, 0);
    CHECK_TEXT(again->label, "http://pod-1:80");
    CHECK_EQ(atomic_load(&again->counts[0].connections_opened), 0);
    CHECK_EQ(intern(&stage, "http://pod-3:80")->index, 2);
    stage.host = again;
    use_it(&stage);
    stage_close(&stage);
}

TEST(when_it_leaves_and_is_given_back_are_settings)
{
    struct leave_stage stage;

    stage_open(&stage);
    stage.rule = (struct host_leave_rule){SECOND_NS, 3 * SECOND_NS};
    name_once(&stage);
    sweep(&stage, SECOND_NS / 2);
    CHECK(is_shown(&stage));
    sweep(&stage, 2 * SECOND_NS);
    CHECK(!is_shown(&stage));
    for (int i = 0; i < 3; i++) {
        read_letters(&stage);
        sweep(&stage, 2 * SECOND_NS);
    }
    CHECK_EQ(hosts_known(stage.hosts), 1);
    for (int i = 0; i < 3; i++) {
        read_letters(&stage);
        sweep(&stage, 4 * SECOND_NS);
    }
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

/* With a host that was named once. */
static void open_forgetting(struct leave_stage *stage, uint64_t forget_ns)
{
    stage_open(stage);
    stage->rule.forget_ns = forget_ns;
    name_once(stage);
}

static void look_thrice(struct leave_stage *stage, uint64_t apart_ns)
{
    for (int i = 0; i < 3; i++) {
        sweep(stage, apart_ns);
        read_letters(stage);
    }
}

/* Sooner forgotten than hidden: with the first look behind that. */
TEST(it_is_given_back_no_sooner_than_it_leaves)
{
    struct leave_stage stage;

    open_forgetting(&stage, 1);
    look_thrice(&stage, HOST_LEAVE_NS / 2);
    CHECK(is_shown(&stage));
    sweep_it_away(&stage);
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

TEST(zero_forgets_nobody)
{
    struct leave_stage stage;

    open_forgetting(&stage, 0);
    look_thrice(&stage, 1000 * LONG_NS);
    CHECK(!is_shown(&stage) && !is_leaving(&stage));
    CHECK_EQ(hosts_known(stage.hosts), 1);
    name_it(&stage, 1);
    sweep(&stage, 0);
    CHECK(is_shown(&stage));
    stage_close(&stage);
}

/* A request whose host is named no more while it goes on, without a connection of its own at that time. */
TEST(a_host_that_a_request_was_led_to_is_not_given_back)
{
    struct leave_stage stage;
    struct host_hold *holds = NULL;

    stage_open(&stage);
    name_it(&stage, 1);
    CHECK(host_hold(&holds, test_arena(), stage.pool[1], stage.host));
    CHECK(host_hold(&holds, test_arena(), stage.pool[1], stage.host)); /* by another leg */
    name_it(&stage, -1);
    sweep_it_away(&stage);
    CHECK(is_shown(&stage));
    CHECK(hosts_at(stage.hosts, 0) == stage.host);
    host_release_all(&holds, stage.pool[1]);
    CHECK(holds == NULL);
    sweep_it_away(&stage);
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

/* No record ever led there. */
TEST(a_host_of_a_redirect_is_given_back_too)
{
    struct leave_stage stage;
    struct host_hold *holds = NULL;

    stage_open(&stage);
    CHECK(host_hold(&holds, test_arena(), stage.pool[0], stage.host));
    host_release_all(&holds, stage.pool[0]);
    sweep(&stage, HOST_LEAVE_NS / 2);
    CHECK(is_shown(&stage));
    sweep_it_away(&stage);
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

/* It is asked for when all workers have let go of it, a moment before it would be freed. */
TEST(a_host_that_the_table_is_asked_for_meanwhile_stays)
{
    struct leave_stage stage;

    stage_open(&stage);
    name_once(&stage);
    sweep(&stage, LONG_NS);
    read_letters(&stage);
    sweep(&stage, LONG_NS);
    read_letters(&stage);
    CHECK(intern(&stage, "http://pod-1:80") == stage.host);
    sweep(&stage, LONG_NS);
    CHECK(hosts_at(stage.hosts, 0) == stage.host);
    name_once(&stage); /* whoever asked for it has used it */
    sweep_it_away(&stage);
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

TEST(a_worker_that_has_to_do_with_it_keeps_it)
{
    struct leave_stage stage;
    struct host_hold *holds = NULL;

    stage_open(&stage);
    name_once(&stage);
    sweep(&stage, LONG_NS);
    read_letters(&stage);
    sweep(&stage, LONG_NS); /* suspected; and before the letters are read: */
    CHECK(host_hold(&holds, test_arena(), stage.pool[1], stage.host));
    read_letters(&stage);
    host_release_all(&holds, stage.pool[1]);
    sweep(&stage, LONG_NS);
    CHECK(hosts_at(stage.hosts, 0) == stage.host);
    sweep_it_away(&stage); /* but not for ever */
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

TEST(hosts_that_a_page_is_made_of_stay)
{
    struct leave_stage stage;

    stage_open(&stage);
    name_once(&stage);
    hosts_pin(stage.hosts);
    sweep_it_away(&stage);
    CHECK(hosts_at(stage.hosts, 0) == stage.host);
    hosts_unpin(stage.hosts);
    sweep_it_away(&stage);
    CHECK_EQ(hosts_known(stage.hosts), 0);
    stage_close(&stage);
}

/* Names of pods are not told twice, and there is no end of them. */
TEST(ten_thousand_hosts_that_come_and_go_take_the_place_of_few)
{
    struct leave_stage stage;

    stage_open(&stage);
    name_once(&stage);
    for (int i = 0; i < 10000; i++) {
        char url[64];

        if (i % 16 == 0)
            sweep_it_away(&stage);
        snprintf(url, sizeof(url), "http://pod-%d:80", i);
        stage.host = intern(&stage, url);
        name_once(&stage);
    }
    CHECK(hosts_count(stage.hosts) <= 32);
    stage_close(&stage);
}

/* A worker uses the host all the time, under records that come and go, while the main thread sweeps and reads. */
struct leave_race {
    struct leave_stage stage;
    _Atomic bool over;
};

#define FINDER_NS UINT64_C(15000000000)

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
    now_ns = loop_now_ns(race.stage.loop[1]) + 2 * HOST_LEAVE_NS; /* not long enough to be forgotten */
    CHECK_EQ(pthread_create(&worker, NULL, run_worker, &race), 0);
    while (!atomic_load(&race.over)) {
        hosts_sweep(race.stage.hosts, &race.stage.rule, now_ns);
        loop_turn(race.stage.loop[1], 0); /* this worker is the test's */
        view = (struct whatif_view){0};
        if (is_shown(&race.stage))
            watch_whatif(race.stage.host, &view);
    }
    CHECK_EQ(pthread_join(worker, NULL), 0);
    loop_turn(race.stage.loop[0], 0); /* the last letter */
    name_it(&race.stage, 1);
    hosts_sweep(race.stage.hosts, &race.stage.rule, now_ns);
    CHECK(is_shown(&race.stage));
    name_it(&race.stage, -1);
    stage_close(&race.stage);
}

/* One worker asks the table for hosts, uses them and lets go, as redirects and SRV records do, while the main thread
 * gives back whatever it can: thousands of times the two meet at every step, less often where others take the
 * processor.
 */
static void *run_finder(void *arg)
{
    struct leave_race *race = arg;
    struct leave_stage *stage = &race->stage;
    struct pool *pool = stage->pool[0];
    uint64_t end_ns = loop_clock_ns(stage->loop[0]) + FINDER_NS;

    for (unsigned round = 0; round < 10 * ROUNDS && loop_clock_ns(stage->loop[0]) < end_ns; round++) {
        struct arena *arena = arena_new(NULL, SIZE_MAX);
        struct host *host = intern(stage, round % 2 ? "http://pod-1:80" : "http://pod-2:80");
        struct host_hold *holds = NULL;
        struct pooled *pooled;
        struct stream *near, *far;
        struct error err;

        CHECK(arena && host_hold(&holds, arena, pool, host));
        if (round % 3 == 0)
            addresses_name(pool, host, 1);
        loop_turn(stage->loop[0], 0);
        CHECK(pair_new(stage->loop[0], 4096, &near, &far));
        CHECK(gate_enter(host, 0));
        pooled = pool_adopt(pool, host, &plain, near, &err);
        CHECK(pooled != NULL);
        loop_turn(stage->loop[0], 0);
        pool_discard(pooled, REASON_ANSWER_FAILED, SIDE_OURS);
        stream_close(far, false);
        if (round % 3 == 0)
            addresses_name(pool, host, -1);
        loop_turn(stage->loop[0], 0);
        host_release_all(&holds, pool);
        arena_free(arena);
        for (int i = 0; i < (int)(round % 4); i++) {
            sched_yield();
            loop_turn(stage->loop[0], 0);
        }
    }
    atomic_store(&race->over, true);
    return NULL;
}

TEST(hosts_are_given_back_while_they_are_asked_for)
{
    struct leave_race race = {.over = false};
    uint64_t now_ns, given_back = 0;
    pthread_t worker;

    stage_open(&race.stage);
    name_once(&race.stage);
    now_ns = loop_now_ns(race.stage.loop[1]) + LONG_NS;
    CHECK_EQ(pthread_create(&worker, NULL, run_finder, &race), 0);
    while (!atomic_load(&race.over)) {
        uint32_t before = hosts_known(race.stage.hosts);

        hosts_sweep(race.stage.hosts, &race.stage.rule, now_ns);
        given_back += hosts_known(race.stage.hosts) < before;
        loop_turn(race.stage.loop[1], 0); /* this worker is the test's */
    }
    CHECK_EQ(pthread_join(worker, NULL), 0);
    CHECK(given_back > 0);
    sweep_it_away(&race.stage);
    CHECK_EQ(hosts_known(race.stage.hosts), 0);
    stage_close(&race.stage);
}
