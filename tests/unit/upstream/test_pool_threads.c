/* test_pool_threads.c: what workers share of the pool, by real threads at once: caps whose letters go to whoever has
 * the oldest connection, hand-offs, rebalancing, and counts that another thread reads meanwhile. What each of them does
 * is shown by test_pool.c, test_handoff.c, test_rebalance.c and test_time_wait.c; here nothing may be in two places and
 * nothing may be lost, and ThreadSanitizer looks on. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/tcp.h"
#include "upstream/handoff.h"
#include "upstream/pool_cap.h"
#include "upstream/rebalance.h"
#include "upstream/time_wait.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 4, HOSTS = 2, HELD_MAX = 6, FAR_MAX = 512, ROUNDS = 800, NUMBERS_MAX = 1 << 20 };
#define NEVER (POOLED_NEVER - NUMBERS_MAX)

static const struct transport capped = {.max_idle_connections = 8, .max_idle_connections_per_host = 5};

/* Each connection has a number, which travels in old_at_ms, and at most one holder. */
struct crowd {
    struct hosts *hosts;
    struct host *host[HOSTS];
    struct resolved addrs; /* where both hosts are */
    pthread_barrier_t start;
    _Atomic unsigned made, over;
    _Atomic int holders[NUMBERS_MAX];
};

struct member {
    struct crowd *crowd;
    struct world *world;
    struct loop *loop;
    struct pool *pool;
    struct pool_wish wish;
    struct task task; /* woken by the wish */
    unsigned worker;
    pthread_t thread;
    int far[FAR_MAX]; /* of the connections it made */
    unsigned far_count;
    struct address_turns turns[HOSTS];
};

static void note_wake(struct task *task)
{
    (void)task;
}

static void member_open(struct member *member, struct crowd *crowd, unsigned worker)
{
    struct error err;

    *member = (struct member){.crowd = crowd, .worker = worker, .task = {.run = note_wake}};
    member->world = linux_world_new(&err);
    CHECK(member->world != NULL);
    member->loop = loop_new(member->world);
    CHECK(member->loop != NULL);
    member->pool = pool_new(member->loop, NULL, crowd->hosts, worker);
    CHECK(member->pool != NULL);
    member->wish.task = &member->task;
}

static void member_close(struct member *member)
{
    pool_free(member->pool);
    loop_turn(member->loop, 0);
    CHECK_EQ(block_pool_out(loop_blocks(member->loop)), 0);
    task_forget(member->loop, &member->task);
    loop_free(member->loop);
    linux_world_free(member->world);
    while (member->far_count > 0)
        close(member->far[--member->far_count]);
}

static uint64_t dice(const struct member *member, uint64_t sides)
{
    return rng_below(loop_rng(member->loop), sides);
}

/* Far ends whose connection was closed, in whichever worker. */
static void reap(struct member *member)
{
    for (unsigned i = 0; i < member->far_count;) {
        char byte;

        if (recv(member->far[i], &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN) {
            i++;
            continue;
        }
        close(member->far[i]);
        member->far[i] = member->far[--member->far_count];
    }
}

/* Most go to the first address, so that there is something to even out. */
static struct pooled *open_one(struct member *member, struct host *host)
{
    struct crowd *crowd = member->crowd;
    const struct addr *peer = &crowd->addrs.addrs[dice(member, 10) == 0];
    unsigned number = atomic_fetch_add(&crowd->made, 1);
    struct pooled *pooled;
    struct stream *stream;
    struct error err;
    int ends[2];

    CHECK(number < NUMBERS_MAX);
    CHECK(gate_enter(host, 0));
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    reap(member);
    CHECK(member->far_count < FAR_MAX);
    member->far[member->far_count++] = ends[1];
    stream = tcp_stream_new(member->loop, ends[0], peer, &err);
    CHECK(stream != NULL);
    pooled = pool_adopt(member->pool, host, &capped, stream, &err);
    CHECK(pooled != NULL);
    pooled->old_at_ms = NEVER + number;
    return pooled;
}

static struct pooled *find_one(struct member *member, struct host *host)
{
    struct pooled *pooled = pool_take(member->pool, host, &capped, true);

    if (pooled || dice(member, 2) == 0)
        return pooled;
    if (pool_ask(member->pool, host, &member->wish, true))
        for (unsigned i = 0; member->wish.letter && i < 20; i++)
            loop_turn(member->loop, loop_now_ns(member->loop) + 100000);
    if (dice(member, 4) == 0)
        pool_stop_asking(member->pool, &member->wish);
    return pool_take(member->pool, host, &capped, true);
}

static struct pooled *get_one(struct member *member, struct host *host)
{
    struct pooled *pooled = find_one(member, host);

    if (!pooled)
        pooled = open_one(member, host);
    CHECK_EQ(atomic_fetch_add(&member->crowd->holders[pooled->old_at_ms - NEVER], 1), 0);
    return pooled;
}

static void give_back(struct member *member, struct pooled *pooled)
{
    CHECK_EQ(atomic_fetch_sub(&member->crowd->holders[pooled->old_at_ms - NEVER], 1), 1);
    pool_return(pooled, &capped);
}

/* A rush of requests to one host, which end together. */
static void use_some(struct member *member, struct host *host)
{
    struct pooled *held[HELD_MAX];
    unsigned count = 1 + (unsigned)dice(member, HELD_MAX);

    for (unsigned i = 0; i < count; i++)
        held[i] = get_one(member, host);
    if (dice(member, 2) == 0)
        loop_turn(member->loop, 0);
    for (unsigned i = 0; i < count; i++)
        give_back(member, held[i]);
}

static bool all_has_happened(const struct crowd *crowd)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        struct host_totals totals;

        host_totals(crowd->host[i], &totals);
        if (totals.moved == 0 || totals.closes_by[REASON_CAP_EVICTED][SIDE_OURS] == 0 ||
            totals.closes_by[REASON_REBALANCED][SIDE_OURS] == 0)
            return false;
    }
    return true;
}

/* On a busy machine the threads may run one after another for a while. */
static bool goes_on(const struct crowd *crowd, unsigned rounds)
{
    return rounds < ROUNDS || (rounds < 20 * ROUNDS && !all_has_happened(crowd));
}

static void even_out(struct member *member, unsigned number)
{
    struct address_turns *turns = &member->turns[number];

    turns_begin(turns, member->pool, member->crowd->host[number], &member->crowd->addrs);
    (void)rebalance_step(turns);
}

static void *run_member(void *arg)
{
    struct member *member = arg;
    struct crowd *crowd = member->crowd;

    pthread_barrier_wait(&crowd->start);
    for (unsigned rounds = 0; goes_on(crowd, rounds); rounds++) {
        unsigned number = (unsigned)dice(member, HOSTS);

        use_some(member, crowd->host[number]);
        if (dice(member, 8) == 0)
            even_out(member, number);
        loop_turn(member->loop, 0);
    }
    for (unsigned i = 0; i < HOSTS; i++)
        turns_end(&member->turns[i]);
    pool_end(member->pool);
    atomic_fetch_add(&crowd->over, 1);
    return NULL;
}

/* Reads while they write: the main thread's part in a process. */
static void watch_them(const struct crowd *crowd)
{
    const struct addr *peer = &crowd->addrs.addrs[0];
    struct host_totals totals;

    do {
        struct time_wait_count *count = time_wait_begin(crowd->hosts, TIME_WAIT_BLOCKS);

        CHECK(count != NULL);
        time_wait_see(count, &crowd->addrs.addrs[1], peer);
        time_wait_end(count);
        for (unsigned i = 0; i < HOSTS; i++) {
            host_totals(crowd->host[i], &totals);
            CHECK(totals.time_waits <= 1);
            /* One more in each worker that has counted its own and not made place yet. */
            CHECK(atomic_load(&crowd->host[i]->idle) <= 5 + POOL_CAP_OVER_MAX + WORKERS);
        }
        sched_yield();
    } while (atomic_load(&crowd->over) < WORKERS);
}

static void crowd_open(struct crowd *crowd)
{
    static const char *const urls[HOSTS] = {"http://a", "http://b"};
    struct error err;

    crowd->hosts = hosts_new(WORKERS);
    CHECK(crowd->hosts != NULL);
    for (unsigned i = 0; i < HOSTS; i++) {
        crowd->host[i] = hosts_intern(crowd->hosts, &(struct host_key){.url = str_from(urls[i])}, &err);
        CHECK(crowd->host[i] != NULL);
    }
    CHECK(addr_parse_ip(STR("10.0.0.1"), &crowd->addrs.addrs[0]));
    CHECK(addr_parse_ip(STR("10.0.0.2"), &crowd->addrs.addrs[1]));
    crowd->addrs.count = 2;
    CHECK_EQ(pthread_barrier_init(&crowd->start, NULL, WORKERS), 0);
}

/* What was opened is closed, with one reason each; each worker's own account is even. */
static void check_account(const struct host *host)
{
    struct host_totals totals;
    uint64_t closes = 0;

    host_totals(host, &totals);
    for (unsigned i = 0; i < REASONS; i++)
        closes += totals.closes_by[i][SIDE_OURS] + totals.closes_by[i][SIDE_PEER];
    CHECK_EQ(totals.connections_opened, totals.connections_closed);
    CHECK_EQ(totals.connections_closed, closes);
    CHECK_EQ(totals.idle, 0);
    CHECK_EQ(atomic_load(&host->idle), 0);
    CHECK_EQ(atomic_load(&host->open), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(host->counts[i].connections_opened + host->counts[i].moved_in,
                 host->counts[i].connections_closed + host->counts[i].moved_out);
}

TEST(caps_hand_offs_rebalancing_and_counts_bear_each_other)
{
    struct crowd *crowd = calloc(1, sizeof(*crowd));
    struct member *members = calloc(WORKERS, sizeof(*members));

    CHECK(crowd && members);
    crowd_open(crowd);
    for (unsigned i = 0; i < WORKERS; i++)
        member_open(&members[i], crowd, i);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(pthread_create(&members[i].thread, NULL, run_member, &members[i]), 0);
    watch_them(crowd);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(pthread_join(members[i].thread, NULL), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        member_close(&members[i]);
    for (unsigned i = 0; i < HOSTS; i++)
        check_account(crowd->host[i]);
    CHECK(all_has_happened(crowd));
    CHECK_EQ(atomic_load(hosts_idle_total(crowd->hosts)), 0);
    CHECK_EQ(atomic_load(hosts_with_idle(crowd->hosts)), 0);
    pthread_barrier_destroy(&crowd->start);
    hosts_free(crowd->hosts);
    free(members);
    free(crowd);
}

/* Workers find hosts by SRV records, and connect, while the main thread counts. */
enum { FINDERS = 3, FOUND = 300 };

struct finders {
    struct hosts *hosts;
    _Atomic unsigned over;
};

static struct host *find_host(struct finders *finders, unsigned number)
{
    char url[32];
    struct host *host;
    struct error err;

    snprintf(url, sizeof(url), "http://h%u", number);
    host = hosts_intern(finders->hosts, &(struct host_key){.url = str_from(url)}, &err);
    CHECK(host != NULL);
    return host;
}

static struct addr place_of(unsigned number)
{
    struct addr addr;
    struct error err;
    char text[32];

    snprintf(text, sizeof(text), "10.0.%u.%u:80", number / 250, 1 + number % 250);
    CHECK(addr_parse(str_from(text), &addr, &err));
    return addr;
}

static void *run_finder(void *arg)
{
    struct finders *finders = arg;

    for (unsigned i = 0; i < FOUND; i++) {
        struct addr place = place_of(i);

        time_wait_peer(find_host(finders, i), &place);
    }
    atomic_fetch_add(&finders->over, 1);
    return NULL;
}

/* A connection in TIME_WAIT to each place. */
static void count_all(struct finders *finders)
{
    struct time_wait_count *count = time_wait_begin(finders->hosts, TIME_WAIT_BLOCKS);
    struct addr ours = place_of(FOUND);

    CHECK(count != NULL);
    for (unsigned i = 0; i < FOUND; i++) {
        struct addr place = place_of(i);

        time_wait_see(count, &ours, &place);
    }
    time_wait_end(count);
}

TEST(time_waits_are_counted_while_hosts_join)
{
    struct finders finders = {.hosts = hosts_new(FINDERS)};
    pthread_t threads[FINDERS];

    CHECK(finders.hosts != NULL);
    for (unsigned i = 0; i < FINDERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_finder, &finders), 0);
    do
        count_all(&finders);
    while (atomic_load(&finders.over) < FINDERS);
    for (unsigned i = 0; i < FINDERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    count_all(&finders);
    CHECK_EQ(hosts_count(finders.hosts), FOUND);
    for (unsigned i = 0; i < FOUND; i++) {
        CHECK_EQ(find_host(&finders, i)->ports.time_waits, 1);
        CHECK_EQ(find_host(&finders, i)->ports.blocked, 1);
    }
    hosts_free(finders.hosts);
}
