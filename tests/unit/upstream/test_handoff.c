/* test_handoff.c: idle connections change workers, and are in one place all the time.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "net/tcp.h"
#include "upstream/handoff.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FAR_MAX = 4 };

/* Two workers whose loops the test turns by hand. */
struct party {
    struct world *world;
    struct loop *loop;
    struct pool *pool;
    struct pool_wish wish;
    struct task task; /* woken by the wish */
    unsigned woken;
};

struct two_sides {
    struct party side[2];
    struct hosts *hosts;
    struct host *host;
    struct stream *far[FAR_MAX];
    unsigned count;
};

static const struct transport plain;

static void note_wake(struct task *task)
{
    container_of(task, struct party, task)->woken++;
}

static void side_open(struct party *side, struct hosts *hosts, unsigned worker)
{
    struct error err;

    *side = (struct party){.world = linux_world_new(&err), .task = {.run = note_wake}};
    CHECK(side->world != NULL);
    side->loop = loop_new(side->world);
    CHECK(side->loop != NULL);
    side->pool = pool_new(side->loop, NULL, hosts, worker);
    CHECK(side->pool != NULL);
    side->wish.task = &side->task;
}

static void side_close(struct party *side)
{
    pool_free(side->pool);
    loop_turn(side->loop, 0);
    CHECK_EQ(block_pool_out(loop_blocks(side->loop)), 0);
    task_forget(side->loop, &side->task);
    loop_free(side->loop);
    linux_world_free(side->world);
}

static void sides_open(struct two_sides *sides)
{
    struct error err;

    *sides = (struct two_sides){.hosts = hosts_new(2)};
    CHECK(sides->hosts != NULL);
    sides->host = hosts_intern(sides->hosts, &(struct host_key){.url = STR("http://a")}, &err);
    CHECK(sides->host != NULL);
    for (unsigned i = 0; i < 2; i++)
        side_open(&sides->side[i], sides->hosts, i);
}

static void turn(struct two_sides *sides, unsigned side)
{
    loop_turn(sides->side[side].loop, 0);
}

/* What each worker has come by it has lost, or has. */
static void check_worker(const struct host_counts *counts)
{
    CHECK_EQ(counts->connections_opened + counts->moved_in,
             counts->connections_closed + counts->idle + counts->active + counts->moved_out);
}

static void sides_close(struct two_sides *sides)
{
    struct host_totals totals;

    for (unsigned i = 0; i < 2; i++)
        pool_end(sides->side[i].pool);
    for (unsigned i = 0; i < 2; i++)
        side_close(&sides->side[i]);
    host_totals(sides->host, &totals);
    CHECK_EQ(totals.connections_opened, totals.connections_closed);
    CHECK_EQ(totals.idle, 0);
    CHECK_EQ(atomic_load(&sides->host->idle), 0);
    CHECK_EQ(atomic_load(&sides->host->open), 0);
    CHECK_EQ(atomic_load(hosts_idle_total(sides->hosts)), 0);
    for (unsigned i = 0; i < 2; i++)
        check_worker(&sides->host->counts[i]);
    while (sides->count > 0)
        stream_close(sides->far[--sides->count], false);
    hosts_free(sides->hosts);
}

/* An idle connection of the first worker; the far end stays with nobody's loop. */
static struct http_conn *make_idle(struct two_sides *sides)
{
    struct pool *pool = sides->side[0].pool;
    struct http_conn *conn;
    struct pooled *pooled;
    struct stream *near;
    struct error err;

    CHECK(sides->count < FAR_MAX);
    demand_miss(sides->host, loop_now_ns(sides->side[0].loop));
    CHECK(gate_enter(sides->host, 0));
    CHECK(pair_new(sides->side[0].loop, 4096, &near, &sides->far[sides->count++]));
    pooled = pool_adopt(pool, sides->host, &plain, near, &err);
    CHECK(pooled != NULL);
    conn = pooled->conn;
    turn(sides, 0);
    pool_return(pooled, &plain);
    turn(sides, 0);
    return conn;
}

static bool ask_first(struct two_sides *sides)
{
    struct party *asker = &sides->side[1];

    return pool_ask(asker->pool, sides->host, &asker->wish, true);
}

static uint64_t idle_in_all(const struct two_sides *sides)
{
    struct host_totals totals;

    host_totals(sides->host, &totals);
    CHECK_EQ(totals.idle, atomic_load(&sides->host->idle));
    CHECK_EQ(totals.connections_opened - totals.connections_closed, totals.idle + totals.active);
    for (unsigned i = 0; i < 2; i++)
        check_worker(&sides->host->counts[i]);
    return totals.idle;
}

static struct pooled *take(struct two_sides *sides, unsigned side)
{
    return pool_take(sides->side[side].pool, sides->host, &plain, true);
}

TEST(an_idle_connection_goes_to_the_worker_that_asks)
{
    struct two_sides sides;
    struct http_conn *conn;
    struct pooled *pooled;

    sides_open(&sides);
    conn = make_idle(&sides);
    CHECK(take(&sides, 1) == NULL);
    CHECK(ask_first(&sides));
    CHECK_EQ(idle_in_all(&sides), 1);
    turn(&sides, 0);
    CHECK_EQ(sides.host->counts[0].moved_out, 1);
    CHECK_EQ(idle_in_all(&sides), 1);
    CHECK(take(&sides, 0) == NULL);
    CHECK_EQ(pool_explain(sides.side[0].pool, sides.host, &plain), REASON_POOL_EMPTY_BURST);
    turn(&sides, 1);
    CHECK_EQ(sides.side[1].woken, 1);
    CHECK(sides.side[1].wish.letter == NULL);
    CHECK_EQ(sides.host->counts[1].moved_in, 1);
    CHECK_EQ(idle_in_all(&sides), 1);
    CHECK_EQ(atomic_load(&sides.host->open), 1);
    pooled = take(&sides, 1);
    CHECK(pooled && pooled->conn == conn);
    CHECK_EQ(pooled->uses, 2);
    CHECK(conn->loop == sides.side[1].loop && conn->stream->loop == sides.side[1].loop);
    pool_return(pooled, &plain);
    /* News of it reaches its new worker. */
    stream_close(sides.far[--sides.count], false);
    turn(&sides, 1);
    CHECK_EQ(sides.host->counts[1].closed_idle, 1);
    sides_close(&sides);
}

TEST(nobody_is_asked_when_nobody_has_any)
{
    struct two_sides sides;
    struct pooled *pooled;

    sides_open(&sides);
    CHECK(!ask_first(&sides));
    make_idle(&sides);
    CHECK(!pool_ask(sides.side[0].pool, sides.host, &sides.side[0].wish, true)); /* they are its own */
    pooled = take(&sides, 0);
    CHECK(!ask_first(&sides));
    pool_return(pooled, &plain);
    sides_close(&sides);
}

TEST(a_donor_whose_connection_went_meanwhile_says_so)
{
    struct two_sides sides;
    struct pooled *pooled;

    sides_open(&sides);
    make_idle(&sides);
    CHECK(ask_first(&sides));
    CHECK(ask_first(&sides)); /* one letter at a time */
    pooled = take(&sides, 0);
    turn(&sides, 0);
    turn(&sides, 1);
    CHECK_EQ(sides.side[1].woken, 1);
    CHECK(sides.side[1].wish.letter == NULL);
    CHECK(take(&sides, 1) == NULL);
    pool_return(pooled, &plain);
    CHECK_EQ(idle_in_all(&sides), 1);
    sides_close(&sides);
}

/* It is not asked again at once: another worker is, or there is a dial. */
TEST(who_had_none_is_not_asked_next)
{
    struct two_sides sides;
    struct pooled *pooled;

    sides_open(&sides);
    make_idle(&sides);
    CHECK(ask_first(&sides));
    CHECK_EQ(sides.side[1].wish.letters, 1);
    pooled = take(&sides, 0);
    turn(&sides, 0);
    pool_return(pooled, &plain);
    turn(&sides, 1);
    CHECK_EQ(sides.side[1].wish.refuser, 1);
    CHECK(!ask_first(&sides));
    sides.side[1].wish.refuser = 0;
    CHECK(ask_first(&sides));
    CHECK_EQ(sides.side[1].wish.letters, 2);
    turn(&sides, 0);
    turn(&sides, 1);
    CHECK_EQ(sides.side[1].wish.refuser, 0);
    CHECK_EQ(sides.host->counts[1].moved_in, 1);
    sides_close(&sides);
}

TEST(the_oldest_goes_unless_the_request_can_bear_no_risk)
{
    for (unsigned repeatable = 0; repeatable < 2; repeatable++) {
        struct two_sides sides;
        struct http_conn *old, *new;
        struct pooled *pooled;

        sides_open(&sides);
        old = make_idle(&sides);
        pooled = take(&sides, 0);
        new = make_idle(&sides);
        pool_return(pooled, &plain); /* returned last: the newest */
        CHECK(pool_ask(sides.side[1].pool, sides.host, &sides.side[1].wish, repeatable != 0));
        turn(&sides, 0);
        turn(&sides, 1);
        pooled = take(&sides, 1);
        CHECK(pooled && pooled->conn == (repeatable ? new : old));
        pool_return(pooled, &plain);
        CHECK_EQ(idle_in_all(&sides), 2);
        sides_close(&sides);
    }
}

TEST(a_dead_connection_is_not_given)
{
    struct two_sides sides;

    sides_open(&sides);
    make_idle(&sides);
    CHECK(ask_first(&sides));
    stream_shutdown_write(sides.far[0]);
    turn(&sides, 0);
    turn(&sides, 1);
    CHECK_EQ(sides.side[1].woken, 1);
    CHECK_EQ(idle_in_all(&sides), 0);
    CHECK_EQ(sides.host->counts[0].connections_closed, 1);
    CHECK_EQ(sides.host->counts[0].moved_out, 0);
    sides_close(&sides);
}

TEST(what_dies_on_the_way_is_found_dead)
{
    struct two_sides sides;

    sides_open(&sides);
    make_idle(&sides);
    CHECK(ask_first(&sides));
    turn(&sides, 0);
    stream_close(sides.far[--sides.count], true);
    turn(&sides, 1);
    CHECK(take(&sides, 1) == NULL);
    CHECK_EQ(idle_in_all(&sides), 0);
    CHECK_EQ(sides.host->counts[1].connections_closed, 1);
    sides_close(&sides);
}

TEST(who_asks_no_more_leaves_the_connection_to_others)
{
    struct two_sides sides;
    struct pooled *pooled;

    sides_open(&sides);
    make_idle(&sides);
    CHECK(ask_first(&sides));
    pool_stop_asking(sides.side[1].pool, &sides.side[1].wish);
    turn(&sides, 0);
    turn(&sides, 1);
    CHECK_EQ(sides.side[1].woken, 0);
    pooled = take(&sides, 1);
    CHECK(pooled != NULL);
    pool_return(pooled, &plain);
    sides_close(&sides);
}

/* Requests came one at a time, and each lost the race between a dial and the letter. */
TEST(what_comes_too_late_to_a_host_with_enough_connections_is_closed)
{
    struct two_sides sides;
    struct host_totals totals;

    sides_open(&sides);
    for (unsigned i = 0; i < 3; i++)
        make_idle(&sides);
    CHECK(ask_first(&sides));
    pool_stop_asking(sides.side[1].pool, &sides.side[1].wish);
    turn(&sides, 0);
    turn(&sides, 1);
    CHECK(take(&sides, 1) == NULL);
    host_totals(sides.host, &totals);
    CHECK_EQ(totals.idle, 2);
    CHECK_EQ(totals.closes_by[REASON_SURPLUS][SIDE_OURS], 1);
    sides_close(&sides);
}

TEST(who_waits_gets_it_however_many_there_are)
{
    struct two_sides sides;
    struct pooled *pooled;

    sides_open(&sides);
    for (unsigned i = 0; i < 3; i++)
        make_idle(&sides);
    CHECK(ask_first(&sides));
    turn(&sides, 0);
    turn(&sides, 1);
    pooled = take(&sides, 1);
    CHECK(pooled != NULL);
    pool_return(pooled, &plain);
    CHECK_EQ(idle_in_all(&sides), 3);
    sides_close(&sides);
}

/* At the cap of a host a connection goes to where requests wait, unasked; at home each of them has the same chance. */
TEST(a_connection_that_becomes_idle_goes_to_who_waits_elsewhere)
{
    struct two_sides sides;
    struct pooled *pooled;
    unsigned went = 0;

    sides_open(&sides);
    host_count_add(&sides.host->counts[1].waiting, 1);
    atomic_store(&sides.host->waiting, 1);
    make_idle(&sides);
    CHECK_EQ(sides.host->counts[0].moved_out, 1);
    turn(&sides, 1);
    host_count_add(&sides.host->counts[0].waiting, 1);
    atomic_store(&sides.host->waiting, 2);
    for (unsigned i = 0, at = 1; i < 200; i++) {
        uint64_t before = sides.host->counts[at].moved_out;

        pooled = take(&sides, at);
        CHECK(pooled != NULL);
        pool_return(pooled, &plain);
        CHECK_EQ(idle_in_all(&sides), 1);
        if (sides.host->counts[at].moved_out > before) {
            at = !at;
            went++;
        }
        turn(&sides, at);
    }
    CHECK(went > 50 && went < 150);
    host_count_add(&sides.host->counts[0].waiting, -1);
    host_count_add(&sides.host->counts[1].waiting, -1);
    atomic_store(&sides.host->waiting, 0);
    sides_close(&sides);
}

/* At each point of a letter's way either worker may end, and its loop turns no more. */
TEST(workers_that_end_leave_nothing_behind)
{
    for (unsigned turns = 0; turns < 3; turns++)
        for (unsigned first = 0; first < 2; first++) {
            struct two_sides sides;

            sides_open(&sides);
            make_idle(&sides);
            CHECK(ask_first(&sides));
            if (turns >= 1)
                turn(&sides, 0);
            if (turns >= 2)
                turn(&sides, 1);
            pool_end(sides.side[first].pool);
            CHECK(!ask_first(&sides) || first == 0);
            idle_in_all(&sides);
            turn(&sides, !first);
            idle_in_all(&sides);
            CHECK(first == 0 || sides.side[1].wish.letter == NULL);
            sides_close(&sides); /* checks that all are closed */
        }
}

TEST(a_connection_with_something_under_way_stays)
{
    struct two_sides sides;
    struct http_stream *stream;
    struct pooled *pooled;
    struct error err;

    sides_open(&sides);
    make_idle(&sides);
    pooled = take(&sides, 0);
    CHECK_EQ(http_open(pooled->conn, &stream, &err), IO_OK);
    CHECK(!http_detach(pooled->conn));
    http_done(stream);
    CHECK(!http_detach(pooled->conn)); /* an exchange was broken off on it */
    pool_return(pooled, &plain);
    sides_close(&sides);
}

/* Real threads. Each connection has a number, which travels in old_at_ms, and at most one holder. */
enum { THREADS = 4, CONNS = 12, NUMBERS_MAX = 1 << 20, LENDS = 4000 };
#define NEVER (POOLED_NEVER - NUMBERS_MAX)

struct crowd {
    struct hosts *hosts;
    struct host *host;
    _Atomic unsigned made, ended;
    pthread_barrier_t start;
    _Atomic int holders[NUMBERS_MAX];
    int far[NUMBERS_MAX];
};

struct member {
    struct crowd *crowd;
    struct party side;
    unsigned worker;
    pthread_t thread;
};

static struct pooled *open_one(struct member *member)
{
    struct crowd *crowd = member->crowd;
    unsigned number = atomic_fetch_add(&crowd->made, 1);
    struct addr nowhere = {.family = ADDR_UNIX};
    struct pooled *pooled;
    struct stream *stream;
    struct error err;
    int ends[2];

    CHECK(number < NUMBERS_MAX);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    crowd->far[number] = ends[1];
    stream = tcp_stream_new(member->side.loop, ends[0], &nowhere, &err);
    CHECK(stream != NULL);
    pooled = pool_adopt(member->side.pool, crowd->host, &plain, stream, &err);
    CHECK(pooled != NULL);
    pooled->old_at_ms = NEVER + number;
    return pooled;
}

static struct pooled *find_one(struct member *member)
{
    struct party *side = &member->side;
    struct host *host = member->crowd->host;
    struct pooled *pooled = pool_take(side->pool, host, &plain, true);

    if (pooled)
        return pooled;
    if (pool_ask(side->pool, host, &side->wish, true))
        for (unsigned i = 0; side->wish.letter && i < 50; i++)
            loop_turn(side->loop, loop_now_ns(side->loop) + 100000);
    if (rng_below(loop_rng(side->loop), 4) == 0)
        pool_stop_asking(side->pool, &side->wish);
    pooled = pool_take(side->pool, host, &plain, true);
    return pooled || !gate_enter(host, CONNS) ? pooled : open_one(member);
}

static void use_one(struct member *member, struct pooled *pooled)
{
    struct crowd *crowd = member->crowd;
    uint32_t number = pooled->old_at_ms - NEVER;

    CHECK_EQ(atomic_fetch_add(&crowd->holders[number], 1), 0);
    if (rng_below(loop_rng(member->side.loop), 2) == 0)
        loop_turn(member->side.loop, 0);
    if (rng_below(loop_rng(member->side.loop), 50) == 0)
        shutdown(crowd->far[number], SHUT_RDWR);
    CHECK_EQ(atomic_fetch_sub(&crowd->holders[number], 1), 1);
    pool_return(pooled, &plain);
    if (rng_below(loop_rng(member->side.loop), 3) == 0)
        loop_turn(member->side.loop, 0);
}

static bool nothing_has_moved(const struct crowd *crowd)
{
    struct host_totals totals;

    host_totals(crowd->host, &totals);
    return totals.moved == 0;
}

/* On a busy machine the threads may run one after another for a while: they go on until they have met. */
static bool goes_on(const struct crowd *crowd, unsigned lends, unsigned tries)
{
    return tries < 20 * LENDS && (lends < LENDS || nothing_has_moved(crowd));
}

static void *run_member(void *arg)
{
    struct member *member = arg;

    pthread_barrier_wait(&member->crowd->start);
    for (unsigned lends = 0, tries = 0; goes_on(member->crowd, lends, tries); tries++) {
        struct pooled *pooled = find_one(member);

        if (pooled)
            use_one(member, pooled);
        else
            loop_turn(member->side.loop, 0);
        lends += pooled != NULL;
    }
    pool_end(member->side.pool);
    return NULL;
}

TEST(threads_never_share_a_connection)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct member members[THREADS];
    struct host_totals totals;
    struct error err;

    CHECK(crowd != NULL);
    crowd->hosts = hosts_new(THREADS);
    CHECK(crowd->hosts != NULL);
    crowd->host = hosts_intern(crowd->hosts, &(struct host_key){.url = STR("http://a")}, &err);
    for (unsigned i = 0; i < THREADS; i++) {
        members[i] = (struct member){.crowd = crowd, .worker = i};
        side_open(&members[i].side, crowd->hosts, i);
    }
    CHECK_EQ(pthread_barrier_init(&crowd->start, NULL, THREADS), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&members[i].thread, NULL, run_member, &members[i]), 0);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_join(members[i].thread, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        side_close(&members[i].side);
        check_worker(&crowd->host->counts[i]);
    }
    host_totals(crowd->host, &totals);
    CHECK_EQ(totals.connections_opened, totals.connections_closed);
    CHECK_EQ(totals.idle, 0);
    CHECK_EQ(atomic_load(&crowd->host->open), 0);
    CHECK_EQ(atomic_load(&crowd->host->idle), 0);
    CHECK(totals.moved > 0);
    for (unsigned i = 0; i < crowd->made; i++)
        close(crowd->far[i]);
    hosts_free(crowd->hosts);
    free(crowd);
}
