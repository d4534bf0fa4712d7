/* idle_sim.c: the model behind the statistical tests of the learned idle limit. Start with step.
 * SPDX-License-Identifier: Apache-2.0 */
#include "idle_sim.h"

#include <math.h>
#include <stdlib.h>

#define NEVER UINT64_MAX

struct sim_conn {
    bool open;
    uint64_t made_ns, idle_since_ns, survived_ns;
    uint64_t closes_ns; /* when the host's FIN leaves it, in our clock plus half a round trip */
    uint64_t seen_ns;   /* when we notice */
    uint32_t requests, generation;
    unsigned worker;
};

struct idle_sim {
    struct rng rng;
    struct sim_host host;
    struct sim_traffic traffic;
    struct idle_limit *limit;
    uint64_t now_ns;
    uint64_t arrives_ns[SIM_STREAMS_MAX];
    struct sim_conn conns[SIM_STREAMS_MAX];
    struct sim_conn sentinels[IDLE_SENTINELS_MAX];
    struct sim_counts counts;
};

static double uniform(struct idle_sim *sim)
{
    return ((double)(rng_next(&sim->rng) >> 11) + 0.5) / 9007199254740992.0;
}

static uint64_t exponential(struct idle_sim *sim, uint64_t mean_ns)
{
    return (uint64_t)(-log(uniform(sim)) * (double)mean_ns);
}

static uint64_t draw_close(struct idle_sim *sim, const struct sim_conn *conn)
{
    const struct sim_host *host = &sim->host;

    if (host->requests_max && conn->requests >= host->requests_max)
        return 0;
    if (host->uniform_to_ns)
        return host->closes_ns + (uint64_t)(uniform(sim) * (double)(host->uniform_to_ns - host->closes_ns));
    return host->closes_ns - host->jitter_ns + (uint64_t)(uniform(sim) * 2 * (double)host->jitter_ns);
}

static void draw_arrival(struct idle_sim *sim, unsigned stream)
{
    const struct sim_traffic *traffic = &sim->traffic;

    sim->arrives_ns[stream] =
        sim->now_ns + (traffic->periodic ? traffic->gap_ns : exponential(sim, traffic->gap_ns)) + 1;
}

struct idle_sim *idle_sim_new(uint64_t seed, const struct sim_host *host, const struct sim_traffic *traffic)
{
    struct idle_sim *sim = calloc(1, sizeof(*sim));

    CHECK(sim != NULL);
    CHECK(traffic->streams <= SIM_STREAMS_MAX);
    rng_init(&sim->rng, seed);
    sim->host = *host;
    sim->traffic = *traffic;
    sim->now_ns = 1000 * SEC;
    sim->limit = idle_limit_new(traffic->workers);
    CHECK(sim->limit != NULL);
    for (unsigned i = 0; i < traffic->streams; i++)
        draw_arrival(sim, i);
    return sim;
}

void idle_sim_free(struct idle_sim *sim)
{
    idle_limit_free(sim->limit);
    free(sim);
}

struct idle_limit *idle_sim_limit(struct idle_sim *sim)
{
    return sim->limit;
}

void idle_sim_change(struct idle_sim *sim, const struct sim_host *host)
{
    sim->host = *host;
}

static uint32_t open_conns(const struct idle_sim *sim)
{
    uint32_t count = 0;

    for (unsigned i = 0; i < sim->traffic.streams; i++)
        count += sim->conns[i].open;
    return count;
}

static struct idle_end end_of(const struct idle_sim *sim, const struct sim_conn *conn, bool sentinel)
{
    return (struct idle_end){
        .now_ns = sim->now_ns,
        .idle_ns = sim->now_ns - conn->idle_since_ns,
        .age_ns = sim->now_ns - conn->made_ns,
        .worker = conn->worker,
        .requests = conn->requests,
        .idle_conns = open_conns(sim),
        .sentinel = sentinel,
    };
}

static bool is_sentinel(const struct idle_sim *sim, const struct sim_conn *conn)
{
    return conn >= sim->sentinels && conn < sim->sentinels + IDLE_SENTINELS_MAX;
}

static void peer_closes(struct idle_sim *sim, struct sim_conn *conn)
{
    struct idle_end end;

    conn->open = false;
    end = end_of(sim, conn, is_sentinel(sim, conn));
    idle_limit_closed(sim->limit, &end);
    sim->counts.closes++;
}

static void retire(struct idle_sim *sim, struct sim_conn *conn)
{
    struct idle_end end = end_of(sim, conn, is_sentinel(sim, conn));

    if (!is_sentinel(sim, conn) && idle_limit_wants_sentinel(sim->limit)) {
        struct sim_conn *free_place = sim->sentinels[0].open ? &sim->sentinels[1] : &sim->sentinels[0];

        CHECK(!free_place->open);
        *free_place = *conn;
    } else {
        idle_limit_retired(sim->limit, &end);
        sim->counts.retired++;
    }
    conn->open = false;
}

/* The answer ended: the idle clocks of both sides start, half a round trip apart. */
static void make_idle(struct idle_sim *sim, struct sim_conn *conn)
{
    conn->requests++;
    conn->idle_since_ns = sim->now_ns;
    conn->closes_ns = sim->now_ns + draw_close(sim, conn);
    conn->seen_ns = conn->closes_ns + (sim->host.lag_ns ? exponential(sim, sim->host.lag_ns) : 0);
    conn->generation = idle_limit_generation(sim->limit);
    if (sim->host.lag_ns && !sim->traffic.looks)
        idle_limit_lag(sim->limit, conn->worker, exponential(sim, sim->host.lag_ns));
    if (sim->host.rtt_ns)
        idle_limit_rtt(sim->limit, conn->worker, sim->host.rtt_ns);
    if (!idle_limit_hint(sim->limit, sim->host.hint_s, -1) ||
        idle_limit_is_spent(sim->limit, conn->worker, conn->requests))
        conn->open = false;
}

static void make_conn(struct idle_sim *sim, unsigned stream)
{
    sim->conns[stream] =
        (struct sim_conn){.open = true, .made_ns = sim->now_ns, .worker = stream % sim->traffic.workers};
    sim->counts.made++;
    make_idle(sim, &sim->conns[stream]);
}

/* True: the answer came on the kept connection. */
static bool reuse(struct idle_sim *sim, struct sim_conn *conn, bool post)
{
    struct idle_end end = end_of(sim, conn, false);

    if (sim->now_ns + sim->host.rtt_ns >= conn->closes_ns) {
        conn->open = false;
        idle_limit_stale(sim->limit, &end);
        sim->counts.stale++;
        sim->counts.stale_posts += post;
        return false;
    }
    idle_limit_survived(sim->limit, &end);
    if (end.idle_ns > conn->survived_ns)
        conn->survived_ns = end.idle_ns;
    sim->counts.reused++;
    sim->counts.posts_reused += post;
    make_idle(sim, conn);
    return true;
}

static void arrive(struct idle_sim *sim, unsigned stream)
{
    struct sim_conn *conn = &sim->conns[stream];
    bool post = rng_below(&sim->rng, 100) < sim->traffic.post_in_100;
    struct idle_pick pick = {
        .idle_ns = sim->now_ns - conn->idle_since_ns,
        .survived_ns = conn->survived_ns,
        .generation = conn->generation,
        .idempotent = !post,
    };

    sim->counts.requests++;
    sim->counts.posts += post;
    if (sim->traffic.looks && conn->open && conn->closes_ns <= sim->now_ns)
        peer_closes(sim, conn);
    draw_arrival(sim, stream);
    if (conn->open && idle_limit_may_use(sim->limit, &pick) == IDLE_USE_YES && reuse(sim, conn, post))
        return;
    if (conn->open)
        retire(sim, conn);
    make_conn(sim, stream);
}

/* When something happens to an idle connection by itself. */
static uint64_t conn_event_ns(const struct sim_conn *conn, uint64_t limit_ns)
{
    uint64_t leaves_ns = conn->idle_since_ns + limit_ns;

    if (!conn->open)
        return NEVER;
    return leaves_ns < conn->seen_ns ? leaves_ns : conn->seen_ns;
}

static void conn_event(struct idle_sim *sim, struct sim_conn *conn)
{
    if (conn->seen_ns <= sim->now_ns)
        peer_closes(sim, conn);
    else
        retire(sim, conn);
}

/* The next event of all. */
static void step(struct idle_sim *sim)
{
    uint64_t retire_ns = idle_limit_retire_after_ns(sim->limit);
    uint64_t until_ns = idle_limit_sentinel_until_ns(sim->limit);
    uint64_t first_ns = NEVER;
    struct sim_conn *conn = NULL;
    unsigned stream = 0;

    for (unsigned i = 0; i < sim->traffic.streams; i++) {
        uint64_t at_ns = conn_event_ns(&sim->conns[i], retire_ns);

        if (at_ns < first_ns) {
            first_ns = at_ns;
            conn = &sim->conns[i];
        }
        if (sim->arrives_ns[i] < first_ns) {
            first_ns = sim->arrives_ns[i];
            conn = NULL;
            stream = i;
        }
    }
    for (unsigned i = 0; i < IDLE_SENTINELS_MAX; i++) {
        uint64_t at_ns = conn_event_ns(&sim->sentinels[i], until_ns);

        if (at_ns < first_ns) {
            first_ns = at_ns;
            conn = &sim->sentinels[i];
        }
    }
    if (first_ns > sim->now_ns)
        sim->now_ns = first_ns;
    if (conn)
        conn_event(sim, conn);
    else
        arrive(sim, stream);
}

void idle_sim_restart(struct idle_sim *sim)
{
    for (unsigned i = 0; i < sim->traffic.streams; i++)
        if (sim->conns[i].open)
            peer_closes(sim, &sim->conns[i]);
    for (unsigned i = 0; i < IDLE_SENTINELS_MAX; i++)
        if (sim->sentinels[i].open)
            peer_closes(sim, &sim->sentinels[i]);
}

void idle_sim_run_requests(struct idle_sim *sim, uint64_t requests)
{
    for (uint64_t end = sim->counts.requests + requests; sim->counts.requests < end;)
        step(sim);
}

void idle_sim_run_closes(struct idle_sim *sim, uint64_t closes)
{
    for (uint64_t end = sim->counts.closes + closes; sim->counts.closes < end;)
        step(sim);
}

void idle_sim_run_ns(struct idle_sim *sim, uint64_t time_ns)
{
    for (uint64_t end = sim->now_ns + time_ns; sim->now_ns < end;)
        step(sim);
}

struct sim_counts idle_sim_counts(struct idle_sim *sim)
{
    struct sim_counts counts = sim->counts;

    sim->counts = (struct sim_counts){0};
    return counts;
}

void idle_sim_view(struct idle_sim *sim, struct idle_limit_view *view)
{
    idle_limit_view(sim->limit, view);
}
