/* test_idle_samples.c: buckets, one worker's counts, and what is concluded from evidence laid out by hand.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/idle_estimate.h"

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

TEST(age_buckets_are_monotone_and_their_edges_are_the_first_ages_in_them)
{
    CHECK_EQ(idle_bucket(0), 0);
    CHECK_EQ(idle_bucket(100000), 0);
    CHECK_EQ(idle_bucket(7200 * SEC), IDLE_BUCKETS - 1);
    CHECK_EQ(idle_bucket(UINT64_MAX), IDLE_BUCKETS - 1);
    for (unsigned i = 1; i < IDLE_BUCKETS; i++) {
        uint64_t edge_ns = idle_bucket_ns(i), before_ns = idle_bucket_ns(i - 1);

        test_case_is("bucket %u", i);
        CHECK_EQ(idle_bucket(edge_ns), i);
        CHECK_EQ(idle_bucket(edge_ns - edge_ns / 10000000 - 1), i - 1); /* a float has 24 bits */
        CHECK(edge_ns * 100 >= before_ns * 110);
        CHECK(edge_ns * 100 <= before_ns * 122);
    }
}

TEST(every_survival_is_counted_once)
{
    struct idle_table tables[3] = {0};
    uint32_t sum[IDLE_BUCKETS], total = 0;

    for (unsigned i = 0; i < 9000; i++)
        idle_table_survived(&tables[i % 3], 0, rng_below(test_rng(), 8000 * SEC));
    idle_tables_sum(tables, 3, 0, sum);
    for (unsigned i = 0; i < IDLE_BUCKETS; i++)
        total += sum[i];
    CHECK_EQ(total, 9000);
}

TEST(a_new_epoch_halves_once_whether_the_worker_has_come_by_or_not)
{
    struct idle_table tables[2] = {0};
    uint32_t sum[IDLE_BUCKETS];
    unsigned bucket = idle_bucket(SEC);

    for (unsigned i = 0; i < 1000; i++)
        idle_table_survived(&tables[i % 2], 0, SEC);
    idle_tables_sum(tables, 2, 1, sum);
    CHECK_EQ(sum[bucket], 500);
    idle_table_survived(&tables[0], 1, SEC);
    idle_tables_sum(tables, 2, 1, sum);
    CHECK_EQ(sum[bucket], 501);
    idle_tables_sum(tables, 2, 3, sum);
    CHECK_EQ(sum[bucket], 62 + 62); /* each rounds down */
    idle_tables_sum(tables, 2, 40, sum);
    CHECK_EQ(sum[bucket], 0);
    idle_table_survived(&tables[0], 40, SEC);
    idle_tables_sum(tables, 2, 40, sum);
    CHECK_EQ(sum[bucket], 1);
}

TEST(counts_stop_at_their_end)
{
    struct idle_table table = {0};
    uint32_t sum[IDLE_BUCKETS];

    for (unsigned i = 0; i < 70000; i++)
        idle_table_survived(&table, 0, SEC);
    idle_tables_sum(&table, 1, 0, sum);
    CHECK_EQ(sum[idle_bucket(SEC)], UINT16_MAX);
}

TEST(old_delays_fade)
{
    struct idle_table table = {0};

    for (unsigned i = 0; i < 4096; i++)
        idle_table_delay(table.rtt, &table.rtt_count, 300 * MS);
    CHECK(idle_tables_rtt_ns(&table, 1) >= 300 * MS);
    CHECK(idle_tables_rtt_ns(&table, 1) <= 370 * MS);
    CHECK_EQ(idle_tables_lag_ns(&table, 1), 0);
    for (unsigned i = 0; i < 30000; i++)
        idle_table_delay(table.rtt, &table.rtt_count, MS);
    CHECK(idle_tables_rtt_ns(&table, 1) < 2 * MS);
}

/* Wilson's lower bound, as tables have it. */
TEST(a_hazard_is_exceeded_when_the_lower_bound_is_above)
{
    static const struct {
        uint64_t closed, at_risk;
        double hazard;
        bool exceeds;
    } rows[] = {
        {0, 0, 1e-3, false},   {1, 1, 0.2, true},      {1, 1, 0.21, false},     {1, 100, 1e-3, true},
        {1, 200, 1e-3, false}, {10, 100, 0.055, true}, {10, 100, 0.056, false}, {50, 50, 0.92, true},
        {50, 50, 0.93, false}, {3, 1000, 1e-3, true},  {3, 1100, 1e-3, false},  {16, 8192, 1e-3, true},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%u of %u", (unsigned)rows[i].closed, (unsigned)rows[i].at_risk);
        CHECK_EQ(idle_hazard_exceeds(rows[i].closed, rows[i].at_risk, rows[i].hazard), rows[i].exceeds);
    }
}

TEST(the_wall_is_the_first_bucket_with_enough_closes)
{
    static const struct {
        uint32_t closed_low, survived_low, closed_high, survived_high;
        unsigned wall;
    } rows[] = {
        {0, 1000, 0, 1000, IDLE_BUCKETS},
        {0, 1000, 1, 0, 80},
        {1, 4000, 5, 0, 80},
        {1, 50, 5, 0, 40},
        {2, 1999, 0, 0, IDLE_BUCKETS},
        {3, 2996, 0, 0, 40},
        {3, 3100, 0, 0, IDLE_BUCKETS},
        {3, 0, 0, 3100, IDLE_BUCKETS}, /* those that outlived it were at risk, too */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct idle_evidence evidence = {0};

        test_case_is("row %zu", i);
        evidence.closed[40] = rows[i].closed_low;
        evidence.survived[40] = rows[i].survived_low;
        evidence.closed[80] = rows[i].closed_high;
        evidence.survived[80] = rows[i].survived_high;
        CHECK_EQ(idle_wall_bucket(&evidence), rows[i].wall);
    }
}

TEST(proven_is_the_highest_bucket_under_the_wall_that_thirty_outlived)
{
    struct idle_evidence evidence = {0};

    evidence.survived[60] = 30;
    CHECK_EQ(idle_proven_ns(&evidence, IDLE_BUCKETS), idle_bucket_ns(60));
    CHECK_EQ(idle_proven_ns(&evidence, 50), idle_bucket_ns(50));
    evidence.closed[59] = 1;
    CHECK_EQ(idle_proven_ns(&evidence, IDLE_BUCKETS), idle_bucket_ns(59));
    evidence.survived[60] = 28; /* the close is one that outlived 58 */
    CHECK_EQ(idle_proven_ns(&evidence, IDLE_BUCKETS), 0);
}
