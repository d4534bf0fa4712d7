/* test_pool.c: what a worker's pool keeps: the last used on top, within the caps of all workers together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool_stage.h"
#include "upstream/pool_cap.h"

#include <pthread.h>
#include <sched.h>

#define RIVALS_NS UINT64_C(10000000000)

enum { CONNS_MAX = 8, ROUNDS = 6000, WORKERS = 3 };

TEST(the_last_used_is_lent_first)
{
    static const struct transport transport;
    struct pooled *first, *second;
    struct pool_stage stage;
    struct host *host[2];
    struct hosts *hosts = pool_stage_hosts(1, host);

    pool_stage_open(&stage, hosts, 0);
    first = pool_stage_conn(&stage, host[0], &transport);
    second = pool_stage_conn(&stage, host[0], &transport);
    check_counts(host[0], 2, 0, 0, 2);
    pool_return(first, &transport);
    pool_return(second, &transport);
    pool_stage_turn(&stage);
    check_counts(host[0], 2, 0, 2, 0);
    CHECK(pool_take(stage.pool, host[1], &transport, true) == NULL);
    CHECK(pool_take(stage.pool, host[0], &transport, true) == second);
    CHECK(pool_take(stage.pool, host[0], &transport, true) == first);
    CHECK(pool_take(stage.pool, host[0], &transport, true) == NULL);
    CHECK_EQ(second->uses, 2);
    pool_return(first, &transport);
    pool_return(second, &transport);
    pool_flush(stage.pool);
    check_counts(host[0], 2, 2, 0, 0);
    pool_stage_close(&stage);
    hosts_free(hosts);
}

TEST(a_full_host_and_a_full_pool_drop_what_was_idle_for_longest)
{
    static const struct transport transport = {.max_idle_connections = 2, .max_idle_connections_per_host = 1};
    struct pool_stage stage;
    struct pooled *oldest, *kept;
    struct host *host[2];
    struct hosts *hosts = pool_stage_hosts(1, host);
    struct host *third;
    struct error err;

    third = hosts_intern(hosts, &(struct host_key){.url = STR("http://c")}, &err);
    pool_stage_open(&stage, hosts, 0);
    oldest = pool_stage_conn(&stage, host[0], &transport);
    kept = pool_stage_conn(&stage, host[0], &transport);
    pool_return(oldest, &transport);
    pool_stage_turn(&stage);
    pool_return(kept, &transport);
    check_counts(host[0], 2, 1, 1, 0);
    CHECK(pool_take(stage.pool, host[0], &transport, true) == kept);
    pool_return(kept, &transport);
    pool_return(pool_stage_conn(&stage, host[1], &transport), &transport);
    pool_return(pool_stage_conn(&stage, third, &transport), &transport);
    check_counts(host[0], 2, 2, 0, 0);
    check_counts(host[1], 1, 0, 1, 0);
    check_counts(third, 1, 0, 1, 0);
    CHECK_EQ(atomic_load(hosts_idle_total(hosts)), 2);
    pool_stage_close(&stage);
    CHECK_EQ(atomic_load(hosts_idle_total(hosts)), 0);
    hosts_free(hosts);
}

TEST(a_negative_cap_keeps_nothing_idle)
{
    static const struct transport transports[] = {{.max_idle_connections = -1}, {.max_idle_connections_per_host = -1}};

    for (size_t i = 0; i < COUNT_OF(transports); i++) {
        struct pool_stage stage;
        struct host *host[2];
        struct hosts *hosts = pool_stage_hosts(1, host);

        pool_stage_open(&stage, hosts, 0);
        pool_return(pool_stage_conn(&stage, host[0], &transports[i]), &transports[i]);
        check_counts(host[0], 1, 1, 0, 0);
        pool_stage_close(&stage);
        hosts_free(hosts);
    }
}

/* So that a warm pool does not end all at once (H.2). */
TEST(ages_differ_by_a_tenth)
{
    static const struct transport transport = {.max_connection_age_ns = INT64_C(1000000000000)};
    uint32_t least = UINT32_MAX, most = 0;
    struct pool_stage stage;
    struct host *host[2];
    struct hosts *hosts = pool_stage_hosts(1, host);

    pool_stage_open(&stage, hosts, 0);
    for (unsigned i = 0; i < FAR_MAX; i++) {
        struct pooled *pooled = pool_stage_conn(&stage, host[0], &transport);

        least = pooled->old_at_ms < least ? pooled->old_at_ms : least;
        most = pooled->old_at_ms > most ? pooled->old_at_ms : most;
        pool_discard(pooled, REASON_ANSWER_FAILED, SIDE_OURS);
    }
    CHECK(least >= 900000 && least < 950000);
    CHECK(most <= 1100000 && most > 1050000);
    pool_stage_close(&stage);
    hosts_free(hosts);
}

/* Workers whose loops the test turns by hand. */
struct workers {
    struct hosts *hosts;
    struct host *host[2];
    struct pool_stage stage[WORKERS];
};

static void workers_open(struct workers *workers)
{
    workers->hosts = pool_stage_hosts(WORKERS, workers->host);
    for (unsigned i = 0; i < WORKERS; i++)
        pool_stage_open(&workers->stage[i], workers->hosts, i);
}

static void workers_close(struct workers *workers)
{
    for (unsigned i = 0; i < WORKERS; i++)
        pool_end(workers->stage[i].pool);
    for (unsigned i = 0; i < WORKERS; i++)
        pool_stage_close(&workers->stage[i]);
    CHECK_EQ(atomic_load(hosts_idle_total(workers->hosts)), 0);
    hosts_free(workers->hosts);
}

/* An idle connection of a worker, idle for less long than all before. */
static void add_idle(struct workers *workers, unsigned worker, unsigned host, const struct transport *transport)
{
    struct pool_stage *stage = &workers->stage[worker];

    pool_stage_turn(stage);
    pool_return(pool_stage_conn(stage, workers->host[host], transport), transport);
}

static uint64_t idle_of(const struct workers *workers, unsigned worker, unsigned host)
{
    return atomic_load(&workers->host[host]->counts[worker].idle);
}

static uint64_t evicted_by(const struct workers *workers, unsigned worker, unsigned host)
{
    return atomic_load(&workers->host[host]->counts[worker].ledger.closes_by[REASON_CAP_EVICTED][SIDE_OURS]);
}

/* Each worker has returned a connection, the first one to the other host; all letters have been read. */
static void open_with_one_each(struct workers *workers, const struct transport *transport)
{
    workers_open(workers);
    for (unsigned i = 0; i < WORKERS; i++)
        add_idle(workers, i, i == 0, transport);
    for (unsigned i = 0; i < WORKERS; i++)
        pool_stage_turn(&workers->stage[i]);
}

/* Of two workers' connections the other one's is older. */
TEST(the_oldest_of_all_workers_makes_place)
{
    static const struct transport caps[] = {{.max_idle_connections = 2}, {.max_idle_connections_per_host = 2}};

    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        struct workers workers;

        workers_open(&workers);
        add_idle(&workers, 0, 0, &caps[i]);
        add_idle(&workers, 1, 0, &caps[i]);
        add_idle(&workers, 1, 0, &caps[i]);
        CHECK_EQ(idle_of(&workers, 1, 0), 2);
        CHECK_EQ(idle_of(&workers, 0, 0), 1); /* until its worker has read the letter */
        pool_stage_turn(&workers.stage[0]);
        CHECK_EQ(idle_of(&workers, 0, 0), 0);
        CHECK_EQ(idle_of(&workers, 1, 0), 2);
        CHECK_EQ(evicted_by(&workers, 0, 0), 1);
        CHECK_EQ(evicted_by(&workers, 1, 0), 0);
        workers_close(&workers);
    }
}

/* A rush to one host, after which both have been idle: the other one has its two still. Then it has a rush itself, and
 * takes what is more than the first one's share. */
TEST(a_rush_to_one_host_leaves_another_its_share)
{
    static const struct transport transport = {.max_idle_connections = 8};

    for (unsigned spread = 0; spread < 2; spread++) {
        struct workers workers;

        test_case_is(spread ? "over the workers" : "in one worker");
        workers_open(&workers);
        add_idle(&workers, 0, 1, &transport);
        add_idle(&workers, 0, 1, &transport);
        for (unsigned i = 0; i < 20; i++) {
            add_idle(&workers, spread ? i % WORKERS : 0, 0, &transport);
            for (unsigned k = 0; k < WORKERS; k++)
                pool_stage_turn(&workers.stage[k]);
        }
        CHECK_EQ(atomic_load(&workers.host[0]->idle), 6);
        CHECK_EQ(atomic_load(&workers.host[1]->idle), 2);
        for (unsigned i = 0; i < 20; i++) {
            add_idle(&workers, spread ? i % WORKERS : 0, 1, &transport);
            for (unsigned k = 0; k < WORKERS; k++)
                pool_stage_turn(&workers.stage[k]);
        }
        CHECK_EQ(atomic_load(&workers.host[0]->idle), 4);
        CHECK_EQ(atomic_load(&workers.host[1]->idle), 4);
        CHECK_EQ(atomic_load(hosts_with_idle(workers.hosts)), 2);
        workers_close(&workers);
    }
}

/* The cap of one host says nothing of what is idle to another. */
TEST(a_full_host_drops_its_own)
{
    static const struct transport transport = {.max_idle_connections_per_host = 1};
    struct workers workers;

    open_with_one_each(&workers, &transport);
    CHECK_EQ(idle_of(&workers, 0, 1), 1);
    CHECK_EQ(idle_of(&workers, 1, 0), 0);
    CHECK_EQ(idle_of(&workers, 2, 0), 1);
    workers_close(&workers);
}

/* Both caps are full: one goes, not two. */
TEST(one_makes_place_for_one)
{
    static const struct transport transport = {.max_idle_connections = 2, .max_idle_connections_per_host = 1};
    struct workers workers;

    open_with_one_each(&workers, &transport);
    CHECK_EQ(atomic_load(hosts_idle_total(workers.hosts)), 2);
    CHECK_EQ(evicted_by(&workers, 1, 0), 1);
    workers_close(&workers);
}

/* While the letter was on its way its reader's oldest was lent, so that another's is the oldest now. */
TEST(the_letter_goes_on_to_who_has_the_oldest_now)
{
    static const struct transport transport = {.max_idle_connections = 3, .pick_fifo = true};
    struct workers workers;
    struct pooled *lent;

    workers_open(&workers);
    add_idle(&workers, 0, 0, &transport);
    add_idle(&workers, 1, 0, &transport);
    add_idle(&workers, 2, 0, &transport);
    pool_stage_turn(&workers.stage[2]);
    add_idle(&workers, 0, 0, &transport);
    CHECK_EQ(evicted_by(&workers, 0, 0), 1); /* its own was the oldest */
    add_idle(&workers, 0, 0, &transport);    /* a letter to worker 1 is under way */
    lent = pool_take(workers.stage[1].pool, workers.host[0], &transport, true);
    CHECK(lent != NULL);
    add_idle(&workers, 0, 0, &transport); /* and one to worker 2 */
    pool_stage_turn(&workers.stage[1]);   /* sends its letter on */
    CHECK_EQ(evicted_by(&workers, 1, 0), 0);
    CHECK_EQ(idle_of(&workers, 0, 0), 3);
    pool_stage_turn(&workers.stage[2]);
    CHECK_EQ(evicted_by(&workers, 2, 0), 1);
    CHECK_EQ(idle_of(&workers, 0, 0), 3);
    pool_discard(lent, REASON_ANSWER_FAILED, SIDE_OURS);
    workers_close(&workers);
}

/* What was too many has been lent meanwhile. */
TEST(a_letter_that_comes_late_ends_nothing)
{
    static const struct transport transport = {.max_idle_connections = 1};
    struct workers workers;
    struct pooled *lent;

    workers_open(&workers);
    add_idle(&workers, 0, 0, &transport);
    add_idle(&workers, 1, 0, &transport);
    lent = pool_take(workers.stage[1].pool, workers.host[0], &transport, true);
    CHECK(lent != NULL);
    pool_stage_turn(&workers.stage[0]);
    CHECK_EQ(idle_of(&workers, 0, 0), 1);
    CHECK_EQ(evicted_by(&workers, 0, 0), 0);
    pool_discard(lent, REASON_ANSWER_FAILED, SIDE_OURS);
    workers_close(&workers);
}

/* It reads no letters; the others may go over the cap a little only. */
TEST(a_worker_that_is_stuck_lets_the_cap_slip_by_little)
{
    static const struct transport transport = {.max_idle_connections = 1};
    struct workers workers;

    workers_open(&workers);
    add_idle(&workers, 0, 0, &transport);
    for (unsigned i = 0; i < 40; i++) {
        add_idle(&workers, 1, 0, &transport);
        CHECK(atomic_load(hosts_idle_total(workers.hosts)) <= 1 + POOL_CAP_OVER_MAX);
    }
    CHECK_EQ(atomic_load(hosts_idle_total(workers.hosts)), 1 + POOL_CAP_OVER_MAX);
    pool_stage_turn(&workers.stage[0]);
    pool_stage_turn(&workers.stage[1]);
    CHECK_EQ(atomic_load(hosts_idle_total(workers.hosts)), 1);
    CHECK_EQ(idle_of(&workers, 1, 0), 1);
    workers_close(&workers);
}

TEST(who_has_ended_is_written_to_no_more)
{
    static const struct transport transport = {.max_idle_connections = 1};
    struct workers workers;

    workers_open(&workers);
    add_idle(&workers, 0, 0, &transport);
    pool_end(workers.stage[0].pool);
    add_idle(&workers, 1, 0, &transport);
    CHECK_EQ(idle_of(&workers, 1, 0), 1);
    add_idle(&workers, 1, 0, &transport);
    CHECK_EQ(idle_of(&workers, 1, 0), 1);
    CHECK_EQ(atomic_load(hosts_idle_total(workers.hosts)), 1);
    workers_close(&workers);
}

/* Two workers that give back their connections at the same moment, again and again. */
struct rivals {
    _Atomic unsigned arrived;
    struct hosts *hosts;
    struct host *host[2];
    const struct transport *transport;
    _Atomic uint64_t kept_most;
    _Atomic bool over;
};

struct rival {
    struct rivals *rivals;
    unsigned worker;
};

/* Both go on at once; a barrier of the system would wake one after the other. */
static void meet(struct rivals *rivals)
{
    unsigned goal = (atomic_fetch_add(&rivals->arrived, 1) / 2 + 1) * 2;

    while (atomic_load(&rivals->arrived) < goal)
        sched_yield();
}

/* Both leave behind the same round; soon where processors are few and busy, as each meeting waits for others there. */
static bool goes_on(struct rivals *rivals, const struct pool_stage *stage, unsigned round, uint64_t end_ns)
{
    if (round >= ROUNDS || (round > 0 && loop_clock_ns(stage->loop) >= end_ns))
        atomic_store(&rivals->over, true);
    meet(rivals);
    return !atomic_load(&rivals->over);
}

/* All idle connections of the process, while nobody changes them. */
static void count_kept(struct rivals *rivals)
{
    uint64_t kept = 0;

    for (uint32_t i = 0; i < hosts_count(rivals->hosts); i++) {
        struct host_totals totals;

        host_totals(hosts_at(rivals->hosts, i), &totals);
        kept += totals.idle;
    }
    if (kept > atomic_load(&rivals->kept_most))
        atomic_store(&rivals->kept_most, kept);
}

static void *run_rival(void *arg)
{
    struct rival *rival = arg;
    struct rivals *rivals = rival->rivals;
    struct pool_stage stage;
    uint64_t end_ns;

    pool_stage_open(&stage, rivals->hosts, rival->worker);
    end_ns = loop_clock_ns(stage.loop) + RIVALS_NS;
    for (unsigned round = 0; goes_on(rivals, &stage, round, end_ns); round++) {
        struct pooled *pooled[CONNS_MAX];

        for (unsigned i = 0; i < CONNS_MAX; i++)
            pooled[i] = pool_stage_conn(&stage, rivals->host[rival->worker], rivals->transport);
        meet(rivals);
        for (unsigned i = 0; i < CONNS_MAX; i++)
            pool_return(pooled[i], rivals->transport);
        for (unsigned way = 0; way < 4; way++) { /* letters have been read, and those that were sent on */
            meet(rivals);
            pool_stage_turn(&stage);
        }
        meet(rivals);
        count_kept(rivals);
        meet(rivals);
        pool_flush(stage.pool);
        pool_stage_close_far_ends(&stage);
    }
    pool_stage_close(&stage);
    return NULL;
}

static void check_rivals(const struct transport *transport, bool same_host)
{
    struct rivals rivals = {.transport = transport};
    struct rival both[2] = {{&rivals, 0}, {&rivals, 1}};
    pthread_t other;

    rivals.hosts = pool_stage_hosts(2, rivals.host);
    if (same_host)
        rivals.host[1] = rivals.host[0];
    CHECK_EQ(pthread_create(&other, NULL, run_rival, &both[1]), 0);
    run_rival(&both[0]);
    CHECK_EQ(pthread_join(other, NULL), 0);
    CHECK_EQ(atomic_load(&rivals.kept_most), CONNS_MAX);
    CHECK_EQ(atomic_load(hosts_idle_total(rivals.hosts)), 0);
    hosts_free(rivals.hosts);
}

TEST(workers_together_keep_no_more_than_the_caps_allow)
{
    check_rivals(&(struct transport){.max_idle_connections = CONNS_MAX}, false);
    check_rivals(&(struct transport){.max_idle_connections_per_host = CONNS_MAX}, true);
}
