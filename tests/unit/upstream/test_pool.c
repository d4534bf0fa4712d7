/* test_pool.c: what a worker's pool keeps: the last used on top, within the caps of all workers together.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/handoff.h"
#include "upstream/pool_cap.h"

#include <pthread.h>
#include <sched.h>

#define RIVALS_NS UINT64_C(10000000000)

enum { CONNS_MAX = 8, FAR_MAX = 64, ROUNDS = 6000, WORKERS = 3 };

/* A worker's pool, and the far ends of its connections. */
struct pool_stage {
    struct world *world;
    struct loop *loop;
    struct pool *pool;
    struct stream *far[FAR_MAX];
    unsigned count;
};

static void stage_open(struct pool_stage *stage, struct hosts *hosts, unsigned worker)
{
    struct error err;

    *stage = (struct pool_stage){.world = linux_world_new(&err)};
    CHECK(stage->world != NULL);
    stage->loop = loop_new(stage->world);
    CHECK(stage->loop != NULL);
    stage->pool = pool_new(stage->loop, NULL, hosts, worker);
    CHECK(stage->pool != NULL);
}

static void turn(struct pool_stage *stage)
{
    loop_turn(stage->loop, 0);
}

static void close_far_ends(struct pool_stage *stage)
{
    while (stage->count > 0)
        stream_close(stage->far[--stage->count], false);
    turn(stage);
}

static void stage_close(struct pool_stage *stage)
{
    pool_free(stage->pool);
    close_far_ends(stage);
    CHECK_EQ(block_pool_out(loop_blocks(stage->loop)), 0);
    loop_free(stage->loop);
    linux_world_free(stage->world);
}

/* A lent connection that was just made. */
static struct pooled *make_conn(struct pool_stage *stage, struct host *host, const struct transport *transport)
{
    struct stream *near;
    struct pooled *pooled;
    struct error err;

    CHECK(stage->count < FAR_MAX);
    CHECK(pair_new(stage->loop, 4096, &near, &stage->far[stage->count++]));
    CHECK(gate_enter(host, 0));
    pooled = pool_adopt(stage->pool, host, transport, near, &err);
    CHECK(pooled != NULL);
    return pooled;
}

static struct hosts *two_hosts(unsigned workers, struct host *host[2])
{
    struct hosts *hosts = hosts_new(workers);
    struct error err;

    CHECK(hosts != NULL);
    host[0] = hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err);
    host[1] = hosts_intern(hosts, &(struct host_key){.url = STR("http://b")}, &err);
    CHECK(host[0] && host[1]);
    return hosts;
}

static void check_counts(const struct host *host, uint64_t opened, uint64_t closed, uint64_t idle, uint64_t active)
{
    struct host_totals totals;

    host_totals(host, &totals);
    CHECK_EQ(totals.connections_opened, opened);
    CHECK_EQ(totals.connections_closed, closed);
    CHECK_EQ(totals.idle, idle);
    CHECK_EQ(totals.active, active);
    CHECK_EQ(atomic_load(&host->idle), idle);
}

TEST(the_last_used_is_lent_first)
{
    static const struct transport transport;
    struct pooled *first, *second;
    struct pool_stage stage;
    struct host *host[2];
    struct hosts *hosts = two_hosts(1, host);

    stage_open(&stage, hosts, 0);
    first = make_conn(&stage, host[0], &transport);
    second = make_conn(&stage, host[0], &transport);
    check_counts(host[0], 2, 0, 0, 2);
    pool_return(first, &transport);
    pool_return(second, &transport);
    turn(&stage);
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
    stage_close(&stage);
    hosts_free(hosts);
}

TEST(a_full_host_and_a_full_pool_drop_what_was_idle_for_longest)
{
    static const struct transport transport = {.max_idle_connections = 2, .max_idle_connections_per_host = 1};
    struct pool_stage stage;
    struct pooled *oldest, *kept;
    struct host *host[2];
    struct hosts *hosts = two_hosts(1, host);
    struct host *third;
    struct error err;

    third = hosts_intern(hosts, &(struct host_key){.url = STR("http://c")}, &err);
    stage_open(&stage, hosts, 0);
    oldest = make_conn(&stage, host[0], &transport);
    kept = make_conn(&stage, host[0], &transport);
    pool_return(oldest, &transport);
    turn(&stage);
    pool_return(kept, &transport);
    check_counts(host[0], 2, 1, 1, 0);
    CHECK(pool_take(stage.pool, host[0], &transport, true) == kept);
    pool_return(kept, &transport);
    pool_return(make_conn(&stage, host[1], &transport), &transport);
    pool_return(make_conn(&stage, third, &transport), &transport);
    check_counts(host[0], 2, 2, 0, 0);
    check_counts(host[1], 1, 0, 1, 0);
    check_counts(third, 1, 0, 1, 0);
    CHECK_EQ(atomic_load(hosts_idle_total(hosts)), 2);
    stage_close(&stage);
    CHECK_EQ(atomic_load(hosts_idle_total(hosts)), 0);
    hosts_free(hosts);
}

TEST(a_negative_cap_keeps_nothing_idle)
{
    static const struct transport transports[] = {{.max_idle_connections = -1}, {.max_idle_connections_per_host = -1}};

    for (size_t i = 0; i < COUNT_OF(transports); i++) {
        struct pool_stage stage;
        struct host *host[2];
        struct hosts *hosts = two_hosts(1, host);

        stage_open(&stage, hosts, 0);
        pool_return(make_conn(&stage, host[0], &transports[i]), &transports[i]);
        check_counts(host[0], 1, 1, 0, 0);
        stage_close(&stage);
        hosts_free(hosts);
    }
}

/* As of a socket whose readiness has not been told yet. */
static enum io read_nothing(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    (void)stream;
    (void)parts;
    (void)count;
    (void)got;
    (void)err;
    return IO_WAIT;
}

/* Keep-alive P3: what a stray answer says must not become the next request's. */
TEST(what_was_idle_for_two_turns_is_looked_at_for_whatever_request)
{
    static const struct transport transport;
    char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    const struct iovec stray = {.iov_base = answer, .iov_len = sizeof(answer) - 1};
    struct pool_stage stage;
    struct stream_ops ops;
    struct pooled *pooled;
    struct host *host[2];
    struct hosts *hosts = two_hosts(1, host);
    struct error err;
    size_t sent;

    stage_open(&stage, hosts, 0);
    pooled = make_conn(&stage, host[0], &transport);
    ops = *pooled->conn->stream->ops;
    ops.readv = read_nothing;
    pooled->conn->stream->ops = &ops;
    pool_return(pooled, &transport);
    turn(&stage);
    turn(&stage);
    CHECK_EQ(stream_writev(stage.far[0], &stray, 1, &sent, &err), IO_OK);
    CHECK(pool_take(stage.pool, host[0], &transport, true) == NULL);
    CHECK_EQ(host[0]->counts[0].stale, 1);
    stage_close(&stage);
    hosts_free(hosts);
}

/* So many idle connections, of which all but the first, the one that was idle for longest, are dead; nobody knows yet.
 */
static void leave_dead(struct pool_stage *stage, struct host *host, unsigned count, struct pooled **alive)
{
    static const struct transport transport;
    struct pooled *pooled[CONNS_MAX];

    for (unsigned i = 0; i < count; i++)
        pooled[i] = make_conn(stage, host, &transport);
    for (unsigned i = 0; i < count; i++)
        pool_return(pooled[i], &transport);
    for (unsigned i = 0; i < 3; i++)
        turn(stage);
    for (unsigned i = 1; i < count; i++) {
        stream_close(stage->far[i], false);
        stage->far[i] = NULL;
    }
    *alive = pooled[0];
}

/* D.3 E0: then it dials, and does not take a third one while it does. Who cannot have a fresh one goes on, and so does
 * who can be sent again. */
TEST(what_must_not_be_sent_twice_meets_two_dead_connections_at_most)
{
    static const struct transport transport;
    struct pool_stage stage;
    struct pooled *alive;
    struct host *host[2];
    struct hosts *hosts = two_hosts(1, host);

    stage_open(&stage, hosts, 0);
    for (unsigned i = 0; i < 5000; i++) /* so that two closes teach nothing */
        idle_limit_survived(host[0]->idle_limit, &(struct idle_end){.idle_ns = 900000000, .requests = 1});
    leave_dead(&stage, host[0], 3, &alive);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(pool_take(stage.pool, host[0], &transport, false) == NULL);
        check_counts(host[0], 3, 2, 1, 0);
        CHECK_EQ(pool_explain(stage.pool, host[0], &transport), REASON_HERD);
    }
    CHECK_EQ(host[0]->counts[0].stale, 2);
    CHECK(pool_take_any(stage.pool, host[0], &transport) == alive);
    check_counts(host[0], 3, 2, 0, 1);
    pool_return(alive, &transport);
    stage_close(&stage);
    hosts_free(hosts);
}

/* So that a warm pool does not end all at once (H.2). */
TEST(ages_differ_by_a_tenth)
{
    static const struct transport transport = {.max_connection_age_ns = INT64_C(1000000000000)};
    uint32_t least = UINT32_MAX, most = 0;
    struct pool_stage stage;
    struct host *host[2];
    struct hosts *hosts = two_hosts(1, host);

    stage_open(&stage, hosts, 0);
    for (unsigned i = 0; i < FAR_MAX; i++) {
        struct pooled *pooled = make_conn(&stage, host[0], &transport);

        least = pooled->old_at_ms < least ? pooled->old_at_ms : least;
        most = pooled->old_at_ms > most ? pooled->old_at_ms : most;
        pool_discard(pooled, REASON_ANSWER_FAILED, SIDE_OURS);
    }
    CHECK(least >= 900000 && least < 950000);
    CHECK(most <= 1100000 && most > 1050000);
    stage_close(&stage);
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
    workers->hosts = two_hosts(WORKERS, workers->host);
    for (unsigned i = 0; i < WORKERS; i++)
        stage_open(&workers->stage[i], workers->hosts, i);
}

static void workers_close(struct workers *workers)
{
    for (unsigned i = 0; i < WORKERS; i++)
        pool_end(workers->stage[i].pool);
    for (unsigned i = 0; i < WORKERS; i++)
        stage_close(&workers->stage[i]);
    CHECK_EQ(atomic_load(hosts_idle_total(workers->hosts)), 0);
    hosts_free(workers->hosts);
}

/* An idle connection of a worker, idle for less long than all before. */
static void add_idle(struct workers *workers, unsigned worker, unsigned host, const struct transport *transport)
{
    struct pool_stage *stage = &workers->stage[worker];

    turn(stage);
    pool_return(make_conn(stage, workers->host[host], transport), transport);
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
        turn(&workers->stage[i]);
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
        turn(&workers.stage[0]);
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
                turn(&workers.stage[k]);
        }
        CHECK_EQ(atomic_load(&workers.host[0]->idle), 6);
        CHECK_EQ(atomic_load(&workers.host[1]->idle), 2);
        for (unsigned i = 0; i < 20; i++) {
            add_idle(&workers, spread ? i % WORKERS : 0, 1, &transport);
            for (unsigned k = 0; k < WORKERS; k++)
                turn(&workers.stage[k]);
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
    turn(&workers.stage[2]);
    add_idle(&workers, 0, 0, &transport);
    CHECK_EQ(evicted_by(&workers, 0, 0), 1); /* its own was the oldest */
    add_idle(&workers, 0, 0, &transport);    /* a letter to worker 1 is under way */
    lent = pool_take(workers.stage[1].pool, workers.host[0], &transport, true);
    CHECK(lent != NULL);
    add_idle(&workers, 0, 0, &transport); /* and one to worker 2 */
    turn(&workers.stage[1]);              /* sends its letter on */
    CHECK_EQ(evicted_by(&workers, 1, 0), 0);
    CHECK_EQ(idle_of(&workers, 0, 0), 3);
    turn(&workers.stage[2]);
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
    turn(&workers.stage[0]);
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
    turn(&workers.stage[0]);
    turn(&workers.stage[1]);
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

    stage_open(&stage, rivals->hosts, rival->worker);
    end_ns = loop_clock_ns(stage.loop) + RIVALS_NS;
    for (unsigned round = 0; goes_on(rivals, &stage, round, end_ns); round++) {
        struct pooled *pooled[CONNS_MAX];

        for (unsigned i = 0; i < CONNS_MAX; i++)
            pooled[i] = make_conn(&stage, rivals->host[rival->worker], rivals->transport);
        meet(rivals);
        for (unsigned i = 0; i < CONNS_MAX; i++)
            pool_return(pooled[i], rivals->transport);
        for (unsigned way = 0; way < 4; way++) { /* letters have been read, and those that were sent on */
            meet(rivals);
            turn(&stage);
        }
        meet(rivals);
        count_kept(rivals);
        meet(rivals);
        pool_flush(stage.pool);
        close_far_ends(&stage);
    }
    stage_close(&stage);
    return NULL;
}

static void check_rivals(const struct transport *transport, bool same_host)
{
    struct rivals rivals = {.transport = transport};
    struct rival both[2] = {{&rivals, 0}, {&rivals, 1}};
    pthread_t other;

    rivals.hosts = two_hosts(2, rivals.host);
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
