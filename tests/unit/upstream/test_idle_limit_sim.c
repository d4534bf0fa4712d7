/* test_idle_limit_sim.c: the learned idle limit against simulated hosts (idle_sim.h): what share of requests finds a
 * closed connection, how near the estimate comes, how fast it follows. Each world runs with several seeds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "idle_sim.h"

enum { SEEDS = 3 };

static const struct sim_host five_seconds = {
    .closes_ns = 5 * SEC, .jitter_ns = 50 * MS, .rtt_ns = 20 * MS, .lag_ns = MS / 5, .hint_s = -1};
static const struct sim_traffic poisson = {.streams = 4, .workers = 2, .gap_ns = 4 * SEC, .post_in_100 = 30};

static uint64_t seed_of(unsigned round)
{
    test_case_is("seed %u", round + 1);
    return round + 1;
}

static struct idle_limit_view view_of(struct idle_sim *sim)
{
    struct idle_limit_view view;

    idle_sim_view(sim, &view);
    return view;
}

static void check_within(uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low || value > high)
        test_fail(__FILE__, __LINE__, "%llu is not within %llu and %llu", (unsigned long long)value,
                  (unsigned long long)low, (unsigned long long)high);
}

/* Per cent, rounded down. */
static uint64_t reuse_of(const struct sim_counts *counts)
{
    return counts->reused * 100 / counts->requests;
}

/* F-1: a million idle periods, no hint. */
TEST(after_fifty_closes_hardly_a_request_meets_a_closed_connection)
{
    for (unsigned round = 0; round < SEEDS; round++) {
        struct idle_sim *sim = idle_sim_new(seed_of(round), &five_seconds, &poisson);
        struct sim_counts counts;

        idle_sim_run_closes(sim, 50);
        idle_sim_counts(sim);
        for (unsigned look = 0; look < 10; look++) {
            idle_sim_run_requests(sim, round ? 10000 : 100000);
            check_within(view_of(sim).learned_ns, 4850 * MS, 5000 * MS);
        }
        counts = idle_sim_counts(sim);
        CHECK(counts.stale * 100000 <= counts.reused);
        CHECK_EQ(counts.stale_posts, 0);
        /* Of gaps with mean 4 s, 70 % are below what is usable of 5 s; proven, for posts, is a bucket less. */
        check_within(reuse_of(&counts), 68, 71);
        check_within(counts.posts_reused * 100 / counts.posts, 65, 71);
        idle_sim_free(sim);
    }
}

TEST(a_limit_that_falls_is_noticed_within_five_stale_hits)
{
    static const struct {
        uint64_t to_ns;
        bool periodic;
    } falls[] = {{2 * SEC, false}, {2 * SEC, true}, {4 * SEC, true}, {200 * MS, true}};

    for (size_t i = 0; i < COUNT_OF(falls); i++) {
        struct sim_host host = five_seconds;
        struct sim_traffic traffic = poisson;
        struct idle_sim *sim;

        seed_of((unsigned)i);
        /* The worst client comes just before the new limit, again and again. */
        traffic.streams = falls[i].periodic ? 16 : 4;
        traffic.periodic = falls[i].periodic;
        traffic.gap_ns = falls[i].periodic ? falls[i].to_ns - 5 * MS : 4 * SEC;
        sim = idle_sim_new(i + 1, &host, &traffic);
        idle_sim_run_requests(sim, 50000);
        idle_sim_counts(sim);
        host.closes_ns = falls[i].to_ns;
        host.jitter_ns = 0;
        idle_sim_change(sim, &host);
        idle_sim_run_requests(sim, 20000);
        check_within(idle_sim_counts(sim).stale, falls[i].periodic, 5);
        check_within(view_of(sim).learned_ns, falls[i].to_ns - 20 * MS, falls[i].to_ns + 2 * MS);
        idle_sim_free(sim);
    }
}

TEST(a_limit_that_rises_is_used_within_fifteen_minutes)
{
    for (unsigned round = 0; round < SEEDS; round++) {
        struct sim_host host = five_seconds;
        struct idle_sim *sim = idle_sim_new(seed_of(round), &host, &poisson);
        struct sim_counts counts;

        idle_sim_run_requests(sim, 50000);
        host.closes_ns = 60 * SEC;
        idle_sim_change(sim, &host);
        idle_sim_run_ns(sim, 900 * SEC);
        idle_sim_counts(sim);
        idle_sim_run_ns(sim, 300 * SEC);
        counts = idle_sim_counts(sim);
        check_within(reuse_of(&counts), 97, 100);
        CHECK(view_of(sim).usable_ns > 17 * SEC);
        idle_sim_free(sim);
    }
}

TEST(a_host_that_stops_closing_is_used_up_to_the_ceiling)
{
    struct sim_host host = five_seconds;
    struct sim_traffic traffic = {.streams = 16, .workers = 1, .gap_ns = 40 * SEC};
    struct idle_sim *sim = idle_sim_new(1, &host, &traffic);

    idle_sim_run_requests(sim, 2000);
    host.closes_ns = 100000 * SEC;
    idle_sim_change(sim, &host);
    idle_sim_run_ns(sim, 7200 * SEC);
    CHECK_EQ(view_of(sim).learned_ns, 0);
    CHECK_EQ(view_of(sim).usable_ns, IDLE_CEILING_NS);
    idle_sim_free(sim);
}

TEST(a_hint_that_promises_too_much_loses_its_trust)
{
    for (unsigned round = 0; round < SEEDS; round++) {
        struct sim_host host = five_seconds;
        struct idle_sim *sim;
        struct sim_counts counts;

        host.hint_s = 60;
        sim = idle_sim_new(seed_of(round), &host, &poisson);
        idle_sim_run_closes(sim, 50);
        idle_sim_counts(sim);
        CHECK(!view_of(sim).hint_trusted);
        idle_sim_run_requests(sim, 200000);
        counts = idle_sim_counts(sim);
        CHECK(counts.stale * 100000 <= counts.reused);
        check_within(view_of(sim).learned_ns, 4850 * MS, 5000 * MS);
        check_within(reuse_of(&counts), 68, 71);
        idle_sim_free(sim);
    }
}

/* The hint says 60 s all the time, while the truth changes as in the tests above. */
TEST(a_lying_hint_changes_nothing_when_the_limit_moves)
{
    for (unsigned round = 0; round < SEEDS; round++) {
        struct sim_host host = five_seconds;
        struct idle_sim *sim;
        struct sim_counts counts;

        host.hint_s = 60;
        sim = idle_sim_new(seed_of(round), &host, &poisson);
        idle_sim_run_requests(sim, 50000);
        idle_sim_counts(sim);
        host.closes_ns = 2 * SEC;
        host.jitter_ns = 0;
        idle_sim_change(sim, &host);
        idle_sim_run_requests(sim, 20000);
        check_within(idle_sim_counts(sim).stale, 0, 5);
        check_within(view_of(sim).learned_ns, 1940 * MS, 2002 * MS);
        host.closes_ns = 60 * SEC;
        idle_sim_change(sim, &host);
        idle_sim_run_ns(sim, 900 * SEC);
        idle_sim_counts(sim);
        idle_sim_run_ns(sim, 300 * SEC);
        counts = idle_sim_counts(sim);
        check_within(reuse_of(&counts), 97, 100);
        idle_sim_free(sim);
    }
}

/* A hint that promises too little costs reuse, never a request: it is what the host asks for. */
TEST(a_hint_that_promises_too_little_is_obeyed)
{
    struct sim_host host = five_seconds;
    struct idle_sim *sim;
    struct sim_counts counts;

    host.hint_s = 1;
    sim = idle_sim_new(1, &host, &poisson);
    idle_sim_run_requests(sim, 100000);
    counts = idle_sim_counts(sim);
    CHECK_EQ(counts.stale, 0);
    check_within(reuse_of(&counts), 19, 23); /* gaps of mean 4 s below 1 s: 22 % */
    idle_sim_free(sim);
}

TEST(a_true_hint_is_kept_from_the_first_answer_on)
{
    struct sim_host host = five_seconds;
    struct idle_sim *sim;
    struct sim_counts counts;

    host.hint_s = 5;
    host.jitter_ns = 0;
    sim = idle_sim_new(1, &host, &poisson);
    idle_sim_run_requests(sim, 100000);
    counts = idle_sim_counts(sim);
    CHECK_EQ(counts.stale, 0);
    check_within(reuse_of(&counts), 68, 71);
    CHECK(view_of(sim).hint_trusted);
    idle_sim_free(sim);
}

/* The race of the bench: the host closes at 3 ms. */
static const struct sim_host three_ms = {
    .closes_ns = 3 * MS, .jitter_ns = MS / 10, .rtt_ns = MS / 10, .lag_ns = MS, .hint_s = -1};
static const struct sim_traffic busy = {
    .streams = 64, .workers = 2, .gap_ns = 3 * MS, .post_in_100 = 30, .looks = true};

TEST(a_host_that_closes_at_three_milliseconds_is_still_reused)
{
    for (unsigned round = 0; round < SEEDS; round++) {
        struct idle_sim *sim = idle_sim_new(seed_of(round), &three_ms, &busy);
        struct sim_counts counts;

        idle_sim_run_requests(sim, 1000);
        idle_sim_counts(sim);
        idle_sim_run_requests(sim, 100000);
        counts = idle_sim_counts(sim);
        CHECK_EQ(counts.stale, 0);
        check_within(view_of(sim).learned_ns, 2500 * MS / 1000, 3500 * MS / 1000);
        check_within(reuse_of(&counts), 47, 52); /* gaps below 2.1 ms: 50 % */
        idle_sim_free(sim);
    }
}

TEST(an_eager_host_uses_all_of_a_short_limit_but_not_for_posts)
{
    for (unsigned round = 0; round < SEEDS; round++) {
        struct idle_sim *sim = idle_sim_new(seed_of(round), &three_ms, &busy);
        struct sim_counts counts;

        idle_limit_configure(idle_sim_limit(sim), &(struct idle_limit_options){.eager = true});
        idle_sim_run_requests(sim, 1000);
        idle_sim_counts(sim);
        idle_sim_run_requests(sim, 100000);
        counts = idle_sim_counts(sim);
        CHECK_EQ(counts.stale_posts, 0);
        check_within((counts.reused - counts.posts_reused) * 100 / (counts.requests - counts.posts), 60, 64);
        check_within(counts.posts_reused * 100 / counts.posts, 46, 52);
        idle_sim_free(sim);
    }
}

TEST(a_client_whose_period_is_the_limit_never_meets_the_close)
{
    struct sim_host host = five_seconds;
    struct sim_traffic traffic = {.streams = 8, .workers = 2, .periodic = true};
    struct sim_counts counts;

    for (int64_t offset_ms = -60; offset_ms <= 20; offset_ms += 5) {
        struct idle_sim *sim;

        test_case_is("period %lld ms from the limit", (long long)offset_ms);
        traffic.gap_ns = 5 * SEC + (uint64_t)(offset_ms + 60) * MS - 60 * MS;
        sim = idle_sim_new(1, &host, &traffic);
        idle_sim_run_closes(sim, 50);
        idle_sim_counts(sim);
        idle_sim_run_requests(sim, 5000);
        counts = idle_sim_counts(sim);
        CHECK_EQ(counts.stale, 0);
        idle_sim_free(sim);
    }
}

/* F-2: closes anywhere between 1 and 10 s. What a GET meets is sent again: no error. */
TEST(posts_are_reused_below_where_any_close_was_seen)
{
    static const struct sim_host host = {
        .closes_ns = SEC, .uniform_to_ns = 10 * SEC, .rtt_ns = 20 * MS, .lag_ns = MS / 5, .hint_s = -1};
    static const struct sim_traffic traffic = {.streams = 8, .workers = 2, .gap_ns = SEC / 2, .post_in_100 = 30};

    for (unsigned round = 0; round < SEEDS; round++) {
        struct idle_sim *sim = idle_sim_new(seed_of(round), &host, &traffic);
        struct sim_counts counts;

        idle_sim_run_requests(sim, 100000);
        counts = idle_sim_counts(sim);
        CHECK_EQ(counts.stale_posts, 0);
        CHECK(counts.stale <= 20);
        check_within(counts.posts_reused * 100 / counts.posts, 60, 100);
        idle_sim_free(sim);
    }
}

TEST(restarts_move_no_limit)
{
    static const struct sim_host host = {.closes_ns = 60 * SEC, .rtt_ns = MS, .lag_ns = MS / 5, .hint_s = -1};
    static const struct sim_traffic traffic = {.streams = 32, .workers = 4, .gap_ns = SEC};
    struct idle_sim *sim = idle_sim_new(1, &host, &traffic);
    uint64_t usable_ns;

    idle_sim_run_ns(sim, 300 * SEC);
    usable_ns = view_of(sim).usable_ns;
    for (unsigned i = 0; i < 20; i++) {
        idle_sim_restart(sim);
        idle_sim_run_ns(sim, 60 * SEC);
        CHECK_EQ(view_of(sim).learned_ns, 0);
        CHECK(view_of(sim).usable_ns >= usable_ns);
        CHECK_EQ(view_of(sim).restarts, i + 1);
        CHECK_EQ(view_of(sim).generation, i + 1);
    }
    idle_sim_free(sim);
}

TEST(a_request_limit_is_told_from_an_idle_limit_and_followed)
{
    struct sim_host host = {.closes_ns = 60 * SEC, .requests_max = 100, .rtt_ns = MS, .lag_ns = MS / 5, .hint_s = -1};
    struct sim_traffic traffic = {.streams = 8, .workers = 2, .gap_ns = SEC / 10};
    struct idle_sim *sim = idle_sim_new(1, &host, &traffic);
    struct sim_counts counts;

    idle_sim_run_requests(sim, 10000);
    CHECK_EQ(view_of(sim).requests_max, 100);
    CHECK_EQ(view_of(sim).learned_ns, 0);
    idle_sim_counts(sim);
    idle_sim_run_requests(sim, 100000);
    counts = idle_sim_counts(sim);
    /* A thousand connections ended at their hundredth request, nearly all by us. */
    check_within(counts.closes, 1, 60);
    check_within(reuse_of(&counts), 98, 99);

    host.requests_max = 0;
    idle_sim_change(sim, &host);
    idle_sim_run_requests(sim, 100000);
    CHECK_EQ(view_of(sim).requests_max, 0);
    idle_sim_free(sim);
}

TEST(long_gaps_are_learned_by_sentinels)
{
    static const struct sim_host host = {.closes_ns = 60 * SEC, .rtt_ns = MS, .lag_ns = MS / 5, .hint_s = -1};
    static const struct sim_traffic traffic = {.streams = 4, .workers = 4, .gap_ns = 10 * SEC, .periodic = true};
    struct idle_sim *sim = idle_sim_new(1, &host, &traffic);
    struct sim_counts counts;

    /* Nothing is ever reused below 4 s, so no survival could raise the bound but a sentinel's. */
    idle_sim_run_ns(sim, 600 * SEC);
    idle_sim_counts(sim);
    idle_sim_run_ns(sim, 600 * SEC);
    counts = idle_sim_counts(sim);
    CHECK_EQ(counts.reused, counts.requests);
    idle_sim_free(sim);
}

TEST(many_workers_share_what_each_has_seen)
{
    struct sim_traffic traffic = poisson;
    struct idle_sim *sim;
    struct sim_counts counts;

    traffic.streams = traffic.workers = 16;
    sim = idle_sim_new(1, &five_seconds, &traffic);
    /* Three closes for each worker: none could know the limit alone. */
    idle_sim_run_closes(sim, 50);
    idle_sim_counts(sim);
    idle_sim_run_requests(sim, 100000);
    counts = idle_sim_counts(sim);
    CHECK(counts.stale <= 1);
    check_within(view_of(sim).learned_ns, 4850 * MS, 5000 * MS);
    idle_sim_free(sim);
}
