/* test_idle_limit.c: bounds, hints, the herd rule, sentinels and counts of the learned idle limit, case by case. The
 * statistics are in test_idle_limit_sim.c. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "idle_stage.h"

#include <pthread.h>

TEST(an_unknown_limit_allows_one_second_for_all_and_four_for_idempotent_requests)
{
    struct idle_limit *limit = limit_new(1);

    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_UNKNOWN);
    CHECK_EQ(use(limit, SEC - 1, false), IDLE_USE_YES);
    CHECK_EQ(use(limit, SEC, false), IDLE_USE_NO);
    CHECK_EQ(use(limit, SEC, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 4 * SEC - 1, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 4 * SEC, true), IDLE_USE_RETIRE);
    CHECK_EQ(use(limit, 4 * SEC, false), IDLE_USE_RETIRE);
    idle_limit_free(limit);
}

/* 2 % of it and no less than 20 ms, or a quarter, are kept off. */
TEST(what_its_siblings_taught_is_where_an_unknown_host_begins)
{
    static const struct {
        uint64_t prior_ns, bound_ns;
    } rows[] = {
        {100 * MS, 80 * MS}, {1 * SEC, 980 * MS}, {5 * SEC, 4900 * MS}, {60 * SEC, 58800 * MS}, {7200 * SEC, 90 * SEC},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct idle_limit *limit = limit_new(2);
        uint64_t bound_ns = rows[i].bound_ns;

        test_case_is("%llu ms", (unsigned long long)(rows[i].prior_ns / MS));
        idle_limit_prior(limit, rows[i].prior_ns);
        CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_UNKNOWN);
        CHECK_EQ(use(limit, bound_ns - 1, true), IDLE_USE_YES);
        CHECK_EQ(use(limit, bound_ns, true), IDLE_USE_RETIRE);
        CHECK_EQ(use(limit, bound_ns < SEC ? bound_ns - 1 : SEC - 1, false), IDLE_USE_YES);
        CHECK_EQ(use(limit, SEC, false), bound_ns > SEC ? IDLE_USE_NO : IDLE_USE_RETIRE);
        idle_limit_free(limit);
    }
}

TEST(what_its_siblings_taught_counts_no_more_once_a_host_was_seen)
{
    struct idle_limit *grown = limit_new(2), *known = limit_new(1), *survived = limit_new(1);

    idle_limit_prior(grown, SEC); /* 980 ms */
    survive(grown, 900 * MS, 16);
    CHECK_EQ(use(grown, 1400 * MS, true), IDLE_USE_YES);
    CHECK_EQ(use(grown, 1470 * MS, true), IDLE_USE_RETIRE);
    idle_limit_prior(grown, SEC);
    CHECK_EQ(use(grown, 1400 * MS, true), IDLE_USE_YES);
    closes(known, 2 * SEC, 8);
    idle_limit_prior(known, 60 * SEC);
    CHECK_EQ(view_of(known).kind, IDLE_LIMIT_LEARNED);
    CHECK_EQ(use(known, 10 * SEC, true), IDLE_USE_RETIRE);
    survive(survived, MS, 1);
    idle_limit_prior(survived, 60 * SEC);
    CHECK_EQ(use(survived, 4 * SEC, true), IDLE_USE_RETIRE);
    idle_limit_free(grown);
    idle_limit_free(known);
    idle_limit_free(survived);
}

/* A host that closes young connections all at once may have an idle limit of milliseconds, and not restart at all. */
TEST(a_restart_keeps_posts_below_half_of_its_youngest_close)
{
    struct idle_limit *limit = limit_new(1);
    enum close_class class = CLOSE_IDLE;

    for (unsigned i = 1; i <= 4; i++)
        class = idle_limit_closed(
            limit,
            &(struct idle_end){
                .now_ns = SEC + i * MS, .idle_ns = i * 10 * MS, .age_ns = i * SEC, .requests = 1, .idle_conns = 4});
    CHECK_EQ(class, CLOSE_RESTART);
    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_UNKNOWN);
    CHECK_EQ(use(limit, 5 * MS - 1, false), IDLE_USE_YES);
    CHECK_EQ(use(limit, 5 * MS, false), IDLE_USE_NO);
    CHECK_EQ(use(limit, 4 * SEC - 1, true), IDLE_USE_YES);
    survive(limit, 900 * MS, 512); /* what many outlived is proven */
    CHECK_EQ(use(limit, 700 * MS, false), IDLE_USE_YES);
    idle_limit_free(limit);
}

TEST(the_unknown_bound_grows_by_half_after_sixteen_survivals_near_it)
{
    struct idle_limit *limit = limit_new(1);
    uint64_t bound_ns = 4 * SEC;

    survive(limit, 2 * SEC, 100); /* not near */
    CHECK_EQ(idle_limit_retire_after_ns(limit), bound_ns);
    for (unsigned i = 0; i < 20; i++) {
        survive(limit, bound_ns - MS, 15);
        CHECK_EQ(idle_limit_retire_after_ns(limit), bound_ns);
        survive(limit, bound_ns - MS, 1);
        bound_ns = bound_ns * 3 / 2 < IDLE_CEILING_NS ? bound_ns * 3 / 2 : IDLE_CEILING_NS;
        CHECK_EQ(idle_limit_retire_after_ns(limit), bound_ns);
    }
    CHECK_EQ(bound_ns, IDLE_CEILING_NS);
    idle_limit_free(limit);
}

/* Case 88. */
TEST(a_learned_limit_is_used_up_to_the_margin)
{
    struct idle_limit *limit = limit_new(1);

    survive(limit, 4500 * MS, 40);
    closes(limit, 5 * SEC, 5);
    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_LEARNED);
    CHECK_EQ(view_of(limit).learned_ns, 5 * SEC);
    CHECK_EQ(view_of(limit).margin_ns, 100 * MS); /* 2 %, no round trips were measured */
    CHECK_EQ(use(limit, 4899 * MS, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 4901 * MS, true), IDLE_USE_RETIRE);
    /* Proven is the upper edge of a bucket that 30 outlived and none ended in. */
    CHECK(view_of(limit).proven_ns > 3500 * MS);
    CHECK(view_of(limit).proven_ns <= 4500 * MS);
    CHECK_EQ(use(limit, view_of(limit).proven_ns - 1, false), IDLE_USE_YES);
    CHECK_EQ(use(limit, view_of(limit).proven_ns, false), IDLE_USE_NO);
    idle_limit_free(limit);
}

TEST(twenty_nine_survivals_prove_nothing)
{
    struct idle_limit *limit = limit_new(1);

    survive(limit, 4500 * MS, 24);
    closes(limit, 5 * SEC, 5); /* they outlived the lower buckets too */
    CHECK_EQ(view_of(limit).proven_ns, 0);
    CHECK_EQ(use(limit, SEC - 1, false), IDLE_USE_YES);
    CHECK_EQ(use(limit, SEC, false), IDLE_USE_NO);
    survive(limit, 4500 * MS, 1);
    CHECK_EQ(peer_close(limit, 100 * SEC, 5 * SEC), CLOSE_IDLE);
    CHECK(view_of(limit).proven_ns > 0);
    idle_limit_free(limit);
}

TEST(a_connection_that_survived_as_long_may_carry_a_post)
{
    struct idle_limit *limit = limit_new(1);
    struct idle_pick pick = {.idle_ns = 3 * SEC, .survived_ns = 3 * SEC};

    CHECK_EQ(idle_limit_may_use(limit, &pick), IDLE_USE_YES);
    pick.survived_ns--;
    CHECK_EQ(idle_limit_may_use(limit, &pick), IDLE_USE_NO);
    idle_limit_free(limit);
}

TEST(margins_come_from_round_trips_lag_and_the_limit)
{
    static const struct {
        uint64_t limit_ns, rtt_ns, lag_ns, least_ns, most_ns, usable_most_ns;
    } rows[] = {
        {5 * SEC, 0, 0, 100 * MS, 100 * MS, 4900 * MS},
        {500 * MS, 0, 0, 20 * MS, 20 * MS, 480 * MS},
        {40 * MS, 0, 0, 10 * MS, 10 * MS, 30 * MS},
        {5 * SEC, 20 * MS, 0, 120 * MS, 125 * MS, 4880 * MS},
        {5 * SEC, 20 * MS, 10 * MS, 130 * MS, 137 * MS, 4870 * MS},
        {5 * SEC, 0, 30 * MS, 130 * MS, 137 * MS, 4870 * MS},
        {40 * MS, 20 * MS, 0, 30 * MS, 35 * MS, 5 * MS}, /* two margins do not fit: an eighth */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct idle_limit *limit = limit_new(1);

        test_case_is("row %zu", i);
        for (unsigned n = 0; n < 500; n++) {
            if (rows[i].rtt_ns)
                idle_limit_rtt(limit, 0, rows[i].rtt_ns);
            if (rows[i].lag_ns)
                idle_limit_lag(limit, 0, rows[i].lag_ns);
        }
        closes(limit, rows[i].limit_ns, 3);
        CHECK(view_of(limit).margin_ns >= rows[i].least_ns);
        CHECK(view_of(limit).margin_ns <= rows[i].most_ns);
        CHECK(view_of(limit).usable_ns <= rows[i].usable_most_ns);
        CHECK(view_of(limit).usable_ns + 10 * MS >= rows[i].usable_most_ns);
        idle_limit_free(limit);
    }
}

TEST(one_slow_round_trip_in_a_thousand_moves_the_margin_two_in_ten_thousand_do_not)
{
    struct idle_limit *limit = limit_new(1);

    for (unsigned i = 0; i < 4000; i++)
        idle_limit_rtt(limit, 0, i % 2000 == 7 ? 200 * MS : MS);
    closes(limit, 5 * SEC, 3);
    CHECK(view_of(limit).margin_ns < 110 * MS);
    for (unsigned i = 0; i < 20; i++)
        idle_limit_rtt(limit, 0, 200 * MS);
    closes(limit, 5 * SEC, 1);
    CHECK(view_of(limit).margin_ns > 290 * MS);
    idle_limit_free(limit);
}

/* Case 86; what the parser makes of a field is tested with it. */
TEST(hints_at_their_edges)
{
    static const struct {
        int64_t timeout_s, requests_left;
        bool keep;
        uint64_t usable_ns;
    } rows[] = {
        {-1, -1, true, 4 * SEC},
        {0, -1, false, 0},
        {-1, 0, false, 4 * SEC},
        {1, -1, true, 980 * MS},
        {1, 5, true, 980 * MS},
        {-5, -5, true, 4 * SEC},
        {60, 100, true, 58800 * MS},
        {1000000000, -1, true, IDLE_CEILING_NS},
        {INT64_MAX, INT64_MAX, true, IDLE_CEILING_NS},
        {INT64_MIN, INT64_MIN, true, 4 * SEC},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct idle_limit *limit = limit_new(1);

        test_case_is("timeout=%lld, max=%lld", (long long)rows[i].timeout_s, (long long)rows[i].requests_left);
        CHECK_EQ(idle_limit_hint(limit, rows[i].timeout_s, rows[i].requests_left), rows[i].keep);
        CHECK_EQ(idle_limit_retire_after_ns(limit), rows[i].usable_ns);
        CHECK(view_of(limit).hint_ns <= 7200 * SEC || rows[i].timeout_s < 0);
        CHECK(use(limit, IDLE_UNKNOWN_ANY_NS, false) != IDLE_USE_YES);
        idle_limit_free(limit);
    }
}

TEST(a_lower_hint_holds_at_once_a_higher_one_after_sixteen_answers)
{
    struct idle_limit *limit = limit_new(1);

    CHECK(idle_limit_hint(limit, 60, -1));
    CHECK(idle_limit_hint(limit, 5, -1));
    CHECK_EQ(view_of(limit).hint_ns, 5 * SEC);
    for (unsigned i = 0; i < 15; i++)
        CHECK(idle_limit_hint(limit, 60, -1));
    CHECK_EQ(view_of(limit).hint_ns, 5 * SEC);
    CHECK(idle_limit_hint(limit, 60, -1));
    CHECK_EQ(view_of(limit).hint_ns, 60 * SEC);
    idle_limit_free(limit);
}

TEST(three_early_closes_end_the_trust_in_a_hint)
{
    struct idle_limit *limit = limit_new(1);

    CHECK(idle_limit_hint(limit, 60, -1));
    survive(limit, 10 * SEC, 4000); /* so that single closes make no wall */
    closes(limit, 5 * SEC, 2);
    CHECK(view_of(limit).hint_trusted);
    CHECK_EQ(peer_close(limit, 100 * SEC, 59 * SEC), CLOSE_IDLE); /* as promised, nearly */
    CHECK(view_of(limit).hint_trusted);
    CHECK_EQ(peer_close(limit, 101 * SEC, 5 * SEC), CLOSE_IDLE);
    CHECK(!view_of(limit).hint_trusted);
    /* A host that promises less is believed anew. */
    CHECK(idle_limit_hint(limit, 4, -1));
    CHECK(view_of(limit).hint_trusted);
    idle_limit_free(limit);
}

TEST(a_hint_that_lost_its_trust_is_a_limit_no_more)
{
    struct idle_limit *limit = limit_new(1);

    CHECK(idle_limit_hint(limit, 60, -1));
    survive(limit, 10 * SEC, 4000); /* too many for these closes to make a wall */
    for (unsigned i = 1; i <= 3; i++) {
        CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_HINT);
        CHECK_EQ(peer_close(limit, i * 10 * SEC, i * 2 * SEC), CLOSE_IDLE);
    }
    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_UNKNOWN);
    CHECK_EQ(idle_limit_retire_after_ns(limit), IDLE_UNKNOWN_REPLAY_NS);
    idle_limit_free(limit);
}

TEST(a_hint_bounds_what_was_learned_but_does_not_raise_it)
{
    struct idle_limit *limit = limit_new(1);

    closes(limit, 6 * SEC, 5); /* a second of grace, as Node's */
    CHECK(idle_limit_hint(limit, 5, -1));
    CHECK_EQ(idle_limit_retire_after_ns(limit), 4900 * MS);
    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_HINT);
    for (unsigned i = 0; i < 16; i++)
        CHECK(idle_limit_hint(limit, 60, -1));
    CHECK_EQ(idle_limit_retire_after_ns(limit), 5880 * MS);
    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_LEARNED);
    idle_limit_free(limit);
}

TEST(a_configured_timeout_wins_but_posts_heed_closes_below_it)
{
    struct idle_limit *limit = limit_new(1);

    idle_limit_configure(limit, &(struct idle_limit_options){.timeout_ns = 600 * SEC});
    CHECK_EQ(view_of(limit).kind, IDLE_LIMIT_CONFIGURED);
    CHECK_EQ(use(limit, 599 * SEC, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 599 * SEC, false), IDLE_USE_YES);
    CHECK_EQ(use(limit, 600 * SEC, true), IDLE_USE_RETIRE);
    CHECK(!idle_limit_wants_sentinel(limit));
    idle_limit_configure(limit, &(struct idle_limit_options){.timeout_ns = 2 * SEC});
    CHECK(!idle_limit_wants_sentinel(limit));
    idle_limit_configure(limit, &(struct idle_limit_options){.timeout_ns = 600 * SEC});
    /* Case 93: a NAT gateway resets at 350 s. */
    survive(limit, 300 * SEC, 40);
    closes(limit, 350 * SEC, 3);
    CHECK_EQ(view_of(limit).learned_ns, 350 * SEC);
    CHECK_EQ(use(limit, 351 * SEC, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 351 * SEC, false), IDLE_USE_NO);
    CHECK_EQ(use(limit, 200 * SEC, false), IDLE_USE_YES);
    idle_limit_configure(limit, &(struct idle_limit_options){0});
    CHECK_EQ(idle_limit_retire_after_ns(limit), IDLE_CEILING_NS);
    idle_limit_free(limit);
}

TEST(one_stale_hit_bars_the_herd_for_posts_until_it_is_used_again)
{
    struct idle_limit *limit = limit_new(1);
    struct idle_pick old = {.idle_ns = 900 * MS}, young = {.idle_ns = 100 * MS}, fresh;

    CHECK_EQ(idle_limit_may_use(limit, &old), IDLE_USE_YES);
    idle_limit_stale(limit, &(struct idle_end){.now_ns = 10 * SEC, .idle_ns = 700 * MS});
    old.idle_ns = 690 * MS;
    CHECK_EQ(idle_limit_may_use(limit, &old), IDLE_USE_RETIRE); /* one close is all that is known: a limit */
    survive(limit, 3 * SEC, 1000);
    idle_limit_stale(limit, &(struct idle_end){.now_ns = 200 * SEC, .idle_ns = 800 * MS});
    CHECK_EQ(view_of(limit).learned_ns, 0);
    old.idle_ns = 790 * MS; /* within the margin */
    CHECK_EQ(idle_limit_may_use(limit, &old), IDLE_USE_HERD);
    CHECK_EQ(idle_limit_may_use(limit, &young), IDLE_USE_YES);
    fresh = old;
    fresh.generation = idle_limit_generation(limit);
    CHECK_EQ(idle_limit_may_use(limit, &fresh), IDLE_USE_YES);
    old.idempotent = true;
    CHECK_EQ(idle_limit_may_use(limit, &old), IDLE_USE_YES);
    /* Another within a second: the whole generation. */
    idle_limit_stale(limit, &(struct idle_end){.now_ns = 201 * SEC, .idle_ns = 2 * SEC});
    CHECK_EQ(idle_limit_may_use(limit, &young), IDLE_USE_HERD);
    idle_limit_free(limit);
}

TEST(sentinels_have_two_places)
{
    struct idle_limit *limit = limit_new(2);
    struct idle_end end = {.worker = 1, .now_ns = SEC, .idle_ns = 5 * SEC, .sentinel = true};

    CHECK(idle_limit_wants_sentinel(limit));
    CHECK(idle_limit_wants_sentinel(limit));
    CHECK(!idle_limit_wants_sentinel(limit));
    idle_limit_retired(limit, &end);
    CHECK(idle_limit_wants_sentinel(limit));
    CHECK(!idle_limit_wants_sentinel(limit));
    CHECK_EQ(idle_limit_closed(limit, &end), CLOSE_IDLE);
    CHECK_EQ(view_of(limit).sentinels, 1);
    CHECK_EQ(idle_limit_sentinel_until_ns(limit), 20 * SEC); /* four times the limit */
    idle_limit_free(limit);
}

TEST(survivals_past_the_wall_move_it_only_when_they_are_no_accident)
{
    struct idle_limit *limit = limit_new(1);
    struct idle_end sentinel = {.idle_ns = 20 * SEC, .sentinel = true};
    unsigned row = 0;

    closes(limit, 5 * SEC, 50);
    for (unsigned i = 0; i < 6; i++) { /* two in a row, then again a close at the wall */
        CHECK(idle_limit_wants_sentinel(limit));
        if (i % 3 == 2)
            CHECK_EQ(idle_limit_closed(limit, &(struct idle_end){.now_ns = (100 + i) * SEC,
                                                                 .idle_ns = 5 * SEC,
                                                                 .age_ns = i * SEC,
                                                                 .sentinel = true}),
                     CLOSE_IDLE);
        else
            idle_limit_retired(limit, &sentinel);
        CHECK_EQ(view_of(limit).learned_ns, 5 * SEC);
    }
    while (view_of(limit).learned_ns && row < 10) {
        CHECK(idle_limit_wants_sentinel(limit));
        idle_limit_retired(limit, &sentinel);
        row++;
    }
    CHECK(row >= 3);
    CHECK(row <= 7);
    CHECK_EQ(idle_limit_retire_after_ns(limit), 20 * SEC); /* as old as they all came */
    idle_limit_free(limit);
}

TEST(stray_closes_of_a_busy_host_make_no_wall_and_fade)
{
    struct idle_limit *limit = limit_new(1);

    survive(limit, 10 * MS, 4000);
    CHECK_EQ(peer_close(limit, SEC, 5 * MS), CLOSE_IDLE);
    CHECK_EQ(peer_close(limit, 60 * SEC, 2 * MS), CLOSE_IDLE);
    CHECK_EQ(view_of(limit).learned_ns, 0);
    CHECK_EQ(use(limit, 3 * SEC, true), IDLE_USE_YES);
    survive(limit, 10 * MS, 20000);
    CHECK(view_of(limit).proven_ns > 8 * MS);
    idle_limit_free(limit);
}

TEST(a_wall_stays_however_much_is_reused_far_below_it)
{
    struct idle_limit *limit = limit_new(1);

    closes(limit, 5 * SEC, 4);
    survive(limit, MS, 200000);
    CHECK_EQ(view_of(limit).learned_ns, 5 * SEC);
    idle_limit_free(limit);
}

TEST(old_closes_fade)
{
    struct idle_limit *limit = limit_new(1);

    closes(limit, 5 * SEC, 100);
    survive(limit, MS, 60000);
    CHECK_EQ(view_of(limit).learned_ns, 5 * SEC);
    survive(limit, 6 * SEC, 3000); /* a hundred closes would weigh more */
    survive(limit, MS, 1024);
    CHECK_EQ(view_of(limit).learned_ns, 0);
    idle_limit_free(limit);
}

TEST(three_closes_together_overrule_old_survivals)
{
    struct idle_limit *limit = limit_new(4);

    for (unsigned i = 0; i < 8000; i++)
        idle_limit_survived(limit, &(struct idle_end){.idle_ns = 3500 * MS, .worker = i % 4});
    closes(limit, 2 * SEC, 2);
    CHECK_EQ(view_of(limit).learned_ns, 0);
    CHECK_EQ(peer_close(limit, 100 * SEC, 2100 * MS), CLOSE_IDLE);
    CHECK_EQ(view_of(limit).learned_ns, 2 * SEC);
    idle_limit_free(limit);
}

TEST(closes_spread_among_a_thousand_survivals_overrule_nothing)
{
    struct idle_limit *limit = limit_new(1);

    survive(limit, 3500 * MS, 4000);
    for (unsigned i = 0; i < 12; i++) {
        CHECK_EQ(peer_close(limit, (i + 1) * SEC, 2 * SEC), CLOSE_IDLE);
        CHECK_EQ(view_of(limit).learned_ns, 0);
        survive(limit, 3500 * MS, 2000);
    }
    idle_limit_free(limit);
}

TEST(announced_closes_and_age_limits_teach_no_idle_limit)
{
    struct idle_limit *limit = limit_new(1);

    for (unsigned i = 0; i < 20; i++)
        CHECK_EQ(idle_limit_closed(limit, &(struct idle_end){.now_ns = i * SEC, .idle_ns = MS, .announced = true}),
                 CLOSE_ANNOUNCED);
    CHECK_EQ(view_of(limit).learned_ns, 0);
    for (unsigned i = 0; i < 20; i++) {
        enum close_class class = idle_limit_closed(limit, &(struct idle_end){.now_ns = (100 + i) * SEC,
                                                                             .idle_ns = (i * 7 % 11 + 1) * 100 * MS,
                                                                             .age_ns = 30 * SEC,
                                                                             .requests = 40 + i,
                                                                             .idle_conns = 10});

        if (i >= 2)
            CHECK_EQ(class, CLOSE_AGE);
    }
    CHECK_EQ(view_of(limit).learned_ns, 0); /* the first two were withdrawn */
    idle_limit_free(limit);
}

static void without_memory(void *arg)
{
    (void)arg;
    idle_limit_free(idle_limit_new(4));
}

TEST(no_memory_is_borne)
{
    test_every_allocation_fails(without_memory, NULL);
    idle_limit_free(NULL);
}

enum { THREADS = 4, ROUNDS = 30000 };

struct work {
    struct idle_limit *limit;
    unsigned worker;
    uint64_t survivals, closes;
};

static void *worker_main(void *arg)
{
    struct work *work = arg;
    struct rng rng;

    rng_init(&rng, work->worker + 1);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        struct idle_end end = {.now_ns = i * SEC,
                               .idle_ns = rng_below(&rng, 4 * SEC),
                               .worker = work->worker,
                               .age_ns = i,
                               .requests = (uint32_t)(i % 50),
                               .idle_conns = 50};

        idle_limit_rtt(work->limit, work->worker, MS);
        idle_limit_lag(work->limit, work->worker, MS);
        if (use(work->limit, end.idle_ns, i % 2) != IDLE_USE_RETIRE) {
            idle_limit_survived(work->limit, &end);
            work->survivals++;
        }
        if (i % 100 == 0) {
            end.sentinel = idle_limit_wants_sentinel(work->limit);
            end.idle_ns = 5 * SEC;
            idle_limit_closed(work->limit, &end);
            work->closes++;
        }
        CHECK(idle_limit_hint(work->limit, 5, -1));
    }
    return NULL;
}

TEST(workers_lose_no_count)
{
    struct idle_limit *limit = limit_new(THREADS);
    struct work works[THREADS];
    pthread_t threads[THREADS];
    uint64_t survivals = 0, closed = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        works[i] = (struct work){.limit = limit, .worker = i};
        CHECK_INT(pthread_create(&threads[i], NULL, worker_main, &works[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
        survivals += works[i].survivals;
        closed += works[i].closes;
    }
    CHECK_EQ(view_of(limit).survivals, survivals);
    CHECK_EQ(view_of(limit).closes, closed);
    CHECK_EQ(view_of(limit).sentinels, 0);
    CHECK_EQ(view_of(limit).learned_ns, 5 * SEC);
    idle_limit_free(limit);
}
