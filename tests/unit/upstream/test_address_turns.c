/* test_address_turns.c: workers on threads of their own read each other's numbers while they change.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "net/pair.h"
#include "upstream/address_turns.h"
#include "upstream/handoff.h"
#include "upstream/pool_internal.h"

#include <pthread.h>

enum { WORKERS = 3, ADDRESSES = 4, REQUESTS = 8000, STRIDE = 16 };

static const struct transport plain;
static const char *const ips[ADDRESSES] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"};

struct worker {
    struct hosts *hosts;
    struct host *host;
    unsigned number;
    pthread_barrier_t *start;
    pthread_t thread;
    struct world *world;
    struct loop *loop;
    struct pool *pool;
    struct stream *far[ADDRESSES];
    struct address_turns turns;
};

static struct resolved all_addresses(void)
{
    struct resolved answer = {0};

    for (unsigned i = 0; i < ADDRESSES; i++)
        CHECK(addr_parse_ip(str_from(ips[i]), &answer.addrs[answer.count++]));
    return answer;
}

/* One idle connection to each address but the one that the worker's number says. */
static void add_conns(struct worker *worker)
{
    for (unsigned i = 0; i < ADDRESSES; i++) {
        struct pooled *pooled;
        struct stream *near;
        struct error err;

        if (i == worker->number)
            continue;
        CHECK(pair_new(worker->loop, 4096, &near, &worker->far[i]));
        CHECK(addr_parse_ip(str_from(ips[i]), &near->peer));
        CHECK(gate_enter(worker->host, 0));
        pooled = pool_adopt(worker->pool, worker->host, &plain, near, &err);
        CHECK(pooled != NULL);
        pool_return(pooled, &plain);
    }
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    struct resolved addrs = all_addresses();
    struct list *stack = pool_stack(worker->pool, worker->host);

    add_conns(worker);
    turns_begin(&worker->turns, worker->pool, worker->host, &addrs);
    pthread_barrier_wait(worker->start);
    for (unsigned i = 0; i < REQUESTS; i++) {
        struct list_node *node = turns_pick(&worker->turns, stack);

        CHECK(node != NULL);
        turns_given(&worker->turns, container_of(node, struct pooled, by_host));
        if (i % STRIDE > 0)
            continue;
        pthread_barrier_wait(worker->start); /* no thread runs ahead, however busy the machine is */
        turns_look(&worker->turns);
    }
    pthread_barrier_wait(worker->start);
    turns_look(&worker->turns);
    return NULL;
}

static void open_worker(struct worker *worker)
{
    struct error err;

    worker->world = linux_world_new(&err);
    CHECK(worker->world != NULL);
    worker->loop = loop_new(worker->world);
    worker->pool = pool_new(worker->loop, NULL, worker->hosts, worker->number);
    CHECK(worker->loop && worker->pool);
}

static void close_worker(struct worker *worker)
{
    pool_free(worker->pool);
    for (unsigned i = 0; i < ADDRESSES; i++)
        stream_close(worker->far[i], false);
    loop_turn(worker->loop, 0);
    loop_free(worker->loop);
    linux_world_free(worker->world);
}

/* Each lacks another address, and the last is lacked by none: without the others' numbers it would have a third more.
 */
TEST(threads_are_even_together)
{
    struct worker workers[WORKERS];
    struct hosts *hosts = hosts_new(WORKERS);
    struct error err;
    struct host *host = hosts_intern(hosts, &(struct host_key){.url = STR("http://a")}, &err);
    pthread_barrier_t start;
    uint64_t most = 0;

    CHECK(host != NULL);
    CHECK_EQ(pthread_barrier_init(&start, NULL, WORKERS), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.hosts = hosts, .host = host, .number = i, .start = &start};
        open_worker(&workers[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
    for (unsigned i = 0; i < ADDRESSES; i++) {
        uint64_t had = workers[0].turns.had[i] + atomic_load(&workers[0].turns.own->had[i]);

        CHECK_EQ(turns_conns(&workers[0].turns, i), i < WORKERS ? WORKERS - 1 : WORKERS);
        most = had > most ? had : most;
    }
    CHECK(most * ADDRESSES * 100 <= (uint64_t)WORKERS * REQUESTS * 115);
    for (unsigned i = 0; i < WORKERS; i++)
        pool_end(workers[i].pool);
    for (unsigned i = 0; i < WORKERS; i++)
        close_worker(&workers[i]);
    hosts_free(hosts);
    pthread_barrier_destroy(&start);
}
