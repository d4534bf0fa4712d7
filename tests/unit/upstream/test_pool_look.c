/* test_pool_look.c: what a pool finds when it looks at connections before their use, and when it does not look.
 * SPDX-License-Identifier: Apache-2.0 */
#include "pool_stage.h"

enum { CONNS_MAX = 8 };

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

/* A clock that stands still between two turns. */
static uint64_t stage_clock_ns;

static uint64_t read_stage_clock(struct world *world)
{
    (void)world;
    return stage_clock_ns;
}

static void stop_clock(struct pool_stage *stage, struct world_ops *ops)
{
    struct world *world = loop_world(stage->loop);

    stage_clock_ns = loop_clock_ns(stage->loop);
    *ops = *world->ops;
    ops->now_ns = read_stage_clock;
    world->ops = ops;
}

/* As many as a turn takes, so that more may be ready. */
static int tell_a_part(struct world *world, struct watch **ready, int count_max, uint64_t until_ns)
{
    static struct watch nobody;

    (void)world;
    (void)until_ns;
    for (int i = 0; i < count_max; i++)
        ready[i] = &nobody;
    return count_max;
}

enum { MOMENT_NS = 100000 };

struct stray_case {
    uint64_t later_ns; /* than the loop was told of news */
    bool in_part;      /* it was not told of all */
    bool repeatable;
    bool finds_it;
};

/* Keep-alive P3: what a stray answer says must not become the next request's. Who may be sent again spares the look
 * while all news are a moment old. */
static void take_behind_a_stray(const struct stray_case *what)
{
    static const struct transport transport;
    char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
    const struct iovec stray = {.iov_base = answer, .iov_len = sizeof(answer) - 1};
    struct pool_stage stage;
    struct stream_ops ops;
    struct world_ops world_ops;
    struct pooled *pooled;
    struct host *host[2];
    struct hosts *hosts = pool_stage_hosts(1, host);
    struct error err;
    size_t sent;

    pool_stage_open(&stage, hosts, 0);
    stop_clock(&stage, &world_ops);
    pooled = pool_stage_conn(&stage, host[0], &transport);
    ops = *pooled->conn->stream->ops;
    ops.readv = read_nothing;
    pooled->conn->stream->ops = &ops;
    pool_return(pooled, &transport);
    pool_stage_turn(&stage);
    if (what->in_part)
        world_ops.wait = tell_a_part;
    pool_stage_turn(&stage);
    CHECK_EQ(stream_writev(stage.far[0], &stray, 1, &sent, &err), IO_OK);
    stage_clock_ns += what->later_ns;
    CHECK_EQ(pool_take(stage.pool, host[0], &transport, what->repeatable) == NULL, what->finds_it);
    CHECK_EQ(host[0]->counts[0].stale, what->finds_it);
    if (!what->finds_it)
        pool_discard(pooled, REASON_AGE, SIDE_OURS);
    pool_stage_close(&stage);
    hosts_free(hosts);
}

TEST(what_was_idle_for_two_turns_is_looked_at_for_whatever_request)
{
    take_behind_a_stray(&(struct stray_case){.later_ns = MOMENT_NS + 1, .repeatable = true, .finds_it = true});
    take_behind_a_stray(&(struct stray_case){.in_part = true, .repeatable = true, .finds_it = true});
    take_behind_a_stray(&(struct stray_case){.finds_it = true});
}

TEST(what_may_be_sent_again_does_not_ask_twice_in_a_moment)
{
    take_behind_a_stray(&(struct stray_case){.later_ns = MOMENT_NS, .repeatable = true});
}

/* So many idle connections, of which all but the first, the one that was idle for longest, are dead; nobody knows yet.
 */
static void leave_dead(struct pool_stage *stage, struct host *host, unsigned count, struct pooled **alive)
{
    static const struct transport transport;
    struct pooled *pooled[CONNS_MAX];

    for (unsigned i = 0; i < count; i++)
        pooled[i] = pool_stage_conn(stage, host, &transport);
    for (unsigned i = 0; i < count; i++)
        pool_return(pooled[i], &transport);
    for (unsigned i = 0; i < 3; i++)
        pool_stage_turn(stage);
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
    struct hosts *hosts = pool_stage_hosts(1, host);

    pool_stage_open(&stage, hosts, 0);
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
    pool_stage_close(&stage);
    hosts_free(hosts);
}
