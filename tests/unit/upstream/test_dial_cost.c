/* test_dial_cost.c: how long an answer is worth waiting for. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/dial_cost.h"

#define MS UINT64_C(1000000)

TEST(patience_is_as_long_as_dials_take)
{
    static const struct {
        uint64_t took_ns, patience_ns;
    } rows[] = {
        {0, DIAL_PATIENCE_MIN_NS}, {100000, DIAL_PATIENCE_MIN_NS},    {MS, MS},
        {7 * MS, 7 * MS},          {1000 * MS, DIAL_PATIENCE_MAX_NS},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dial_cost cost = {0};

        CHECK_EQ(dial_cost_patience_ns(&cost), DIAL_PATIENCE_MIN_NS); /* nothing is known yet */
        dial_cost_note(&cost, rows[i].took_ns);
        CHECK_EQ(dial_cost_patience_ns(&cost), rows[i].patience_ns);
        for (unsigned k = 0; k < 100; k++)
            dial_cost_note(&cost, rows[i].took_ns);
        CHECK_EQ(dial_cost_patience_ns(&cost), rows[i].patience_ns);
    }
}

TEST(a_dial_is_put_off_for_some_dials_time_and_never_for_long)
{
    static const struct {
        uint64_t took_ns, delay_ns;
    } rows[] = {{10000, 30000}, {300000, 900000}, {MS, DIAL_DELAY_MAX_NS}, {1000 * MS, DIAL_DELAY_MAX_NS}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct dial_cost cost = {0};

        CHECK_EQ(dial_cost_delay_ns(&cost), 0); /* nothing is known yet */
        dial_cost_note(&cost, rows[i].took_ns);
        CHECK_EQ(dial_cost_delay_ns(&cost), rows[i].delay_ns);
    }
}

TEST(a_lost_packet_is_soon_forgotten)
{
    struct dial_cost cost = {0};
    unsigned dials = 0;

    dial_cost_note(&cost, 3 * MS);
    dial_cost_note(&cost, 1000 * MS);
    CHECK(dial_cost_patience_ns(&cost) > 10 * MS);
    while (dial_cost_patience_ns(&cost) >= 4 * MS) {
        dial_cost_note(&cost, 3 * MS);
        CHECK(++dials < 20);
    }
}
