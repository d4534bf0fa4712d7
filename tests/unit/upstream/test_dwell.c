/* test_dwell.c: histograms of idle times: what they count, how precisely they tell it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/dwell.h"

#include <stdlib.h>

#define MS  UINT64_C(1000000)
#define SEC (1000 * MS)

static const struct dwell empty; /* clang 14 takes no {0} where an atomic pointer is first */

static struct dwell_view *view_of(const struct dwell *dwell, enum dwell_kind kind)
{
    struct dwell_view *view = calloc(1, sizeof(*view));

    dwell_add(dwell, kind, view);
    return view;
}

/* Within 2 %. */
static bool is_near(uint64_t found, uint64_t value)
{
    return found > value - value / 50 && found < value + value / 50;
}

/* F-6: constant gaps give their own quantiles. */
TEST(quantiles_are_right_within_two_percent)
{
    static const uint64_t gaps_ns[] = {100000, 10 * MS, SEC, 1234567891, 30 * SEC, 7200 * SEC};

    for (size_t i = 0; i < COUNT_OF(gaps_ns); i++) {
        struct dwell dwell = empty;
        struct dwell_view *view;

        for (int n = 0; n < 100; n++)
            dwell_note(&dwell, DWELL_REUSE, gaps_ns[i]);
        view = view_of(&dwell, DWELL_REUSE);
        CHECK_EQ(view->count, 100);
        CHECK_EQ(view->sum, 100 * gaps_ns[i]);
        CHECK(is_near(dwell_quantile(view, 0.01), gaps_ns[i]));
        CHECK(is_near(dwell_quantile(view, 0.5), gaps_ns[i]));
        CHECK(is_near(dwell_quantile(view, 1), gaps_ns[i]));
        free(view);
        dwell_free(&dwell);
    }
}

TEST(quantiles_of_a_mix_tell_its_parts)
{
    struct dwell dwell = empty;
    struct dwell_view *view;

    for (uint64_t i = 1; i <= 1000; i++)
        dwell_note(&dwell, DWELL_AGE, i * MS);
    view = view_of(&dwell, DWELL_AGE);
    CHECK(is_near(dwell_quantile(view, 0.5), 500 * MS));
    CHECK(is_near(dwell_quantile(view, 0.9), 900 * MS));
    CHECK(is_near(dwell_quantile(view, 0.99), 990 * MS));
    CHECK(dwell_up_to(view, 500 * MS) <= 500);
    CHECK(dwell_up_to(view, 500 * MS) >= 480);
    CHECK_EQ(dwell_up_to(view, 2 * SEC), 1000);
    free(view);
    dwell_free(&dwell);
}

TEST(small_counts_are_told_exactly)
{
    struct dwell dwell = empty;
    struct dwell_view *view;

    for (uint64_t requests = 1; requests <= 63; requests++)
        dwell_note(&dwell, DWELL_REQUESTS, requests * DWELL_ONE);
    view = view_of(&dwell, DWELL_REQUESTS);
    for (uint64_t requests = 1; requests < 63; requests++)
        CHECK_EQ(dwell_up_to(view, (requests + 1) * DWELL_ONE - 1), requests);
    free(view);
    dwell_free(&dwell);
}

TEST(what_is_out_of_range_counts_at_its_edge)
{
    struct dwell dwell = empty;
    struct dwell_view *view;

    dwell_note(&dwell, DWELL_REUSE, 0);
    dwell_note(&dwell, DWELL_REUSE, UINT64_MAX / 2);
    view = view_of(&dwell, DWELL_REUSE);
    CHECK_EQ(view->count, 2);
    CHECK_EQ(view->buckets[0], 1);
    CHECK_EQ(view->buckets[DWELL_BUCKETS - 1], 1);
    free(view);
    dwell_free(&dwell);
}

TEST(workers_add_up_and_kinds_stay_apart)
{
    struct dwell dwells[2] = {empty, empty};
    struct dwell_view *view = calloc(1, sizeof(*view));

    dwell_note(&dwells[0], DWELL_CLOSE_OURS, SEC);
    dwell_note(&dwells[1], DWELL_CLOSE_OURS, 2 * SEC);
    dwell_note(&dwells[1], DWELL_CLOSE_PEER, 3 * SEC);
    dwell_add(&dwells[0], DWELL_CLOSE_OURS, view);
    dwell_add(&dwells[1], DWELL_CLOSE_OURS, view);
    dwell_add(NULL, DWELL_CLOSE_OURS, view);
    CHECK_EQ(view->count, 2);
    CHECK_EQ(view->sum, 3 * SEC);
    free(view);
    dwell_free(&dwells[0]);
    dwell_free(&dwells[1]);
}

TEST(an_empty_histogram_says_nothing)
{
    struct dwell_view *view = calloc(1, sizeof(*view));

    CHECK_EQ(dwell_quantile(view, 0.5), 0);
    CHECK_EQ(dwell_up_to(view, SEC), 0);
    free(view);
}
