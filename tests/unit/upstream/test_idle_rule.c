/* test_idle_rule.c: what the operator has to say to the learned idle limit: ceiling, beginning, what is risky,
 * sentinels. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "idle_stage.h"

TEST(the_rule_says_what_an_unknown_limit_allows)
{
    struct idle_limit *limit = limit_new(1);

    idle_limit_obey(limit, &(struct idle_rule){30 * SEC, 8 * SEC, 3 * SEC, 2});
    CHECK_EQ(use(limit, 3 * SEC - 1, false), IDLE_USE_YES);
    CHECK_EQ(use(limit, 3 * SEC, false), IDLE_USE_NO);
    CHECK_EQ(use(limit, 8 * SEC - 1, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 8 * SEC, true), IDLE_USE_RETIRE);
    idle_limit_obey(limit, &(struct idle_rule){30 * SEC, 8 * SEC, 0, 2});
    CHECK_EQ(use(limit, 1, false), IDLE_USE_NO);
    CHECK_EQ(use(limit, 1, true), IDLE_USE_YES);
    survive(limit, 2 * SEC, 512); /* proven: whatever the rule says */
    CHECK_EQ(use(limit, SEC, false), IDLE_USE_YES);
    idle_limit_obey(limit, &(struct idle_rule){2 * SEC, 8 * SEC, 3 * SEC, 2}); /* the ceiling comes first */
    CHECK_EQ(use(limit, 2 * SEC - 1, true), IDLE_USE_YES);
    CHECK_EQ(use(limit, 2 * SEC, false), IDLE_USE_RETIRE);
    idle_limit_free(limit);
}

TEST(nothing_learned_or_hinted_goes_beyond_the_rules_ceiling)
{
    static const uint64_t ceilings_s[] = {5, 30, 90, 600, 7200};

    for (size_t i = 0; i < COUNT_OF(ceilings_s); i++) {
        uint64_t ceiling_ns = ceilings_s[i] * SEC;
        struct idle_rule rule = {ceiling_ns, 4 * SEC, SEC, 2};
        struct idle_limit *grown = limit_new(1), *told = limit_new(1), *seen = limit_new(1);

        test_case_is("%llu s", (unsigned long long)ceilings_s[i]);
        idle_limit_obey(grown, &rule);
        idle_limit_obey(told, &rule);
        idle_limit_obey(seen, &rule);
        for (unsigned k = 0; k < 25; k++)
            survive(grown, idle_limit_retire_after_ns(grown) - MS, 16);
        CHECK_EQ(idle_limit_retire_after_ns(grown), ceiling_ns);
        CHECK(idle_limit_hint(told, 100000, -1));
        CHECK_EQ(idle_limit_retire_after_ns(told), u64_min(ceiling_ns, 7200 * SEC - view_of(told).margin_ns));
        closes(seen, 7199 * SEC, 3);
        CHECK(idle_limit_retire_after_ns(seen) <= ceiling_ns);
        idle_limit_free(grown);
        idle_limit_free(told);
        idle_limit_free(seen);
    }
}

/* Short limits are used to their end and beyond, but not beyond the rule's. */
TEST(the_end_of_an_eager_hosts_limit_is_not_waited_for_beyond_the_ceiling)
{
    static const uint64_t limits_ms[] = {3, 20, 100, 150};

    for (size_t i = 0; i < COUNT_OF(limits_ms); i++) {
        struct idle_limit *limit = limit_new(1);

        test_case_is("%llu ms", (unsigned long long)limits_ms[i]);
        idle_limit_configure(limit, &(struct idle_limit_options){.eager = true});
        closes(limit, limits_ms[i] * MS, 20);
        CHECK(idle_limit_retire_after_ns(limit) > SEC);
        idle_limit_obey(limit, &(struct idle_rule){SEC, SEC, SEC, 2});
        CHECK_EQ(idle_limit_retire_after_ns(limit), SEC);
        CHECK(idle_limit_refresh_ns(limit) > 0);
        idle_limit_free(limit);
    }
}

TEST(a_bound_that_has_grown_stays_under_another_rule)
{
    struct idle_limit *limit = limit_new(1);

    survive(limit, 4 * SEC - MS, 16);
    CHECK_EQ(idle_limit_retire_after_ns(limit), 6 * SEC);
    idle_limit_obey(limit, &(struct idle_rule){90 * SEC, 2 * SEC, SEC, 2});
    CHECK_EQ(idle_limit_retire_after_ns(limit), 6 * SEC);
    idle_limit_obey(limit, &(struct idle_rule){5 * SEC, 2 * SEC, SEC, 2});
    CHECK_EQ(idle_limit_retire_after_ns(limit), 5 * SEC);
    idle_limit_free(limit);
}

TEST(there_are_as_many_sentinels_as_the_rule_says)
{
    for (uint32_t most = 0; most <= 16; most += 4) {
        struct idle_limit *limit = limit_new(1);

        test_case_is("%u", most);
        idle_limit_obey(limit, &(struct idle_rule){90 * SEC, 4 * SEC, SEC, most});
        for (uint32_t i = 0; i < most; i++)
            CHECK(idle_limit_wants_sentinel(limit));
        CHECK(!idle_limit_wants_sentinel(limit));
        CHECK_EQ(view_of(limit).sentinels, most);
        idle_limit_free(limit);
    }
}
