/* idle_sim.h: a host that closes idle connections and a pool that obeys the learned limit, in virtual time. Clients are
 * streams: each has at most one idle connection, and a gap between its requests. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_UPSTREAM_IDLE_SIM_H
#define HOLDFAST_TESTS_UNIT_UPSTREAM_IDLE_SIM_H

#include "tests/harness/test.h"
#include "upstream/idle_limit.h"

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

enum { SIM_STREAMS_MAX = 64 };

struct sim_host {
    uint64_t closes_ns, jitter_ns; /* idle limit: closes_ns +- jitter_ns, drawn for each idle period */
    uint64_t uniform_to_ns;        /* not 0: anywhere between closes_ns and this */
    uint64_t rtt_ns, lag_ns;       /* lag_ns: mean delay until a FIN is noticed, exponential */
    int64_t hint_s;                /* -1: none */
    uint32_t requests_max;         /* closes after so many; 0: never */
};

struct sim_traffic {
    unsigned streams, workers;
    uint64_t gap_ns;      /* mean */
    bool periodic;        /* every gap is gap_ns, else exponential */
    uint32_t post_in_100; /* requests that are not idempotent */
    bool looks;           /* the pool looks before use: a FIN that is here is found */
};

struct sim_counts {
    uint64_t requests, reused, made, stale, stale_posts, posts, posts_reused, closes, retired;
};

struct idle_sim;
struct idle_sim *idle_sim_new(uint64_t seed, const struct sim_host *host, const struct sim_traffic *traffic);
void idle_sim_free(struct idle_sim *sim);
struct idle_limit *idle_sim_limit(struct idle_sim *sim);
void idle_sim_change(struct idle_sim *sim, const struct sim_host *host); /* periods that run keep their draw */
void idle_sim_restart(struct idle_sim *sim);                             /* the host closes all connections now */
void idle_sim_run_requests(struct idle_sim *sim, uint64_t requests);
void idle_sim_run_closes(struct idle_sim *sim, uint64_t closes);
void idle_sim_run_ns(struct idle_sim *sim, uint64_t time_ns);
struct sim_counts idle_sim_counts(struct idle_sim *sim); /* since the last call */
void idle_sim_view(struct idle_sim *sim, struct idle_limit_view *view);

#endif
