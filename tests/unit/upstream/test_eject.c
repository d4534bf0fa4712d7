/* test_eject.c: when a host rests, for how long, and what ends it. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/eject.h"

#define SECOND UINT64_C(1000000000)
#define MILLI  UINT64_C(1000000)

static const struct eject_rule preset = {EJECT_REST_MIN_NS, EJECT_REST_MAX_NS, EJECT_PROBE_NS};

/* Fails until it rests; returns how often. */
static unsigned fail_until_rest(struct health *health, uint64_t now_ns)
{
    unsigned times = 1;

    while (!eject_failed(health, &preset, 3, now_ns))
        times++;
    return times;
}

TEST(a_host_rests_after_failures_in_a_row)
{
    struct health health = {0};

    CHECK_EQ(eject_failed(&health, &preset, 3, SECOND), false);
    CHECK_EQ(eject_failed(&health, &preset, 3, SECOND), false);
    CHECK(eject_is_in_use(&health));
    CHECK_EQ(eject_failed(&health, &preset, 3, SECOND), true);
    CHECK(!eject_is_in_use(&health));
    CHECK_EQ(eject_state(&health), HEALTH_RESTING);
    CHECK_EQ(health.ejections, 1);
}

TEST(an_answer_between_failures_starts_the_count_anew)
{
    struct health health = {0};

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(eject_failed(&health, &preset, 3, SECOND), false);
        CHECK_EQ(eject_failed(&health, &preset, 3, SECOND), false);
        eject_answered(&health, SECOND, SECOND);
    }
    CHECK(eject_is_in_use(&health));
}

TEST(zero_never_ejects)
{
    struct health health = {0};

    for (int i = 0; i < 100; i++)
        CHECK_EQ(eject_failed(&health, &preset, 0, SECOND), false);
    CHECK(eject_is_in_use(&health));
}

TEST(one_request_is_the_probe)
{
    struct health health = {0};
    uint64_t now_ns = SECOND;

    fail_until_rest(&health, now_ns);
    CHECK(!eject_is_due(&health, now_ns + EJECT_REST_MIN_NS - 2));
    CHECK(!eject_take_probe(&health, EJECT_PROBE_NS, now_ns + EJECT_REST_MIN_NS - 2));
    now_ns += EJECT_REST_MIN_NS;
    CHECK(eject_is_due(&health, now_ns));
    CHECK(eject_take_probe(&health, EJECT_PROBE_NS, now_ns));
    CHECK(!eject_take_probe(&health, EJECT_PROBE_NS, now_ns)); /* nobody else */
    CHECK(!eject_is_due(&health, now_ns));
    CHECK_EQ(eject_state(&health), HEALTH_PROBED);
    eject_answered(&health, now_ns, now_ns + 1000);
    CHECK_EQ(eject_state(&health), HEALTH_IN_USE);
}

TEST(a_probe_of_which_nothing_is_heard_is_given_up)
{
    struct health health = {0};
    uint64_t now_ns = SECOND;

    fail_until_rest(&health, now_ns);
    now_ns += EJECT_REST_MIN_NS;
    CHECK(eject_take_probe(&health, EJECT_PROBE_NS, now_ns));
    CHECK(!eject_is_due(&health, now_ns + EJECT_PROBE_NS - 2));
    CHECK(eject_is_due(&health, now_ns + EJECT_PROBE_NS + 1));
    CHECK(eject_take_probe(&health, EJECT_PROBE_NS, now_ns + EJECT_PROBE_NS + 1));
}

TEST(rests_in_a_row_grow_to_a_minute)
{
    static const unsigned seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};
    struct health health = {0};
    uint64_t now_ns = SECOND;

    fail_until_rest(&health, now_ns);
    for (size_t i = 0; i < COUNT_OF(seconds); i++) {
        CHECK(!eject_is_due(&health, now_ns + seconds[i] * SECOND - 2));
        now_ns += seconds[i] * SECOND;
        CHECK(eject_take_probe(&health, EJECT_PROBE_NS, now_ns));
        CHECK(eject_failed(&health, &preset, 3, now_ns)); /* one failure is enough for a probe */
    }
    CHECK_EQ(health.ejections, 1 + COUNT_OF(seconds));
}

static uint64_t recover(struct health *health, uint64_t now_ns, uint64_t rest_ns)
{
    now_ns += rest_ns;
    CHECK(eject_take_probe(health, EJECT_PROBE_NS, now_ns));
    eject_answered(health, now_ns, now_ns);
    return now_ns;
}

TEST(a_host_that_flaps_rests_longer_each_time_until_it_was_good_for_long)
{
    struct health health = {0};
    uint64_t now_ns = SECOND;

    CHECK_EQ(fail_until_rest(&health, now_ns), 3);
    now_ns = recover(&health, now_ns, SECOND);
    CHECK_EQ(fail_until_rest(&health, now_ns), 3);
    CHECK(!eject_is_due(&health, now_ns + SECOND));
    now_ns = recover(&health, now_ns, 2 * SECOND);
    now_ns += EJECT_REST_MAX_NS + 1;
    fail_until_rest(&health, now_ns);
    CHECK(eject_is_due(&health, now_ns + SECOND));
}

/* The rests that follow each other while each probe fails. */
static const struct {
    struct eject_rule rule;
    uint64_t rests_ms[4];
} rests[] = {
    {{250 * MILLI, 60 * SECOND, SECOND}, {250, 500, 1000, 2000}},
    {{10 * SECOND, 35 * SECOND, SECOND}, {10000, 20000, 35000, 35000}},
    {{SECOND, SECOND, SECOND}, {1000, 1000, 1000, 1000}},
    {{60 * SECOND, 2 * SECOND, SECOND}, {2000, 2000, 2000, 2000}},
    {{3600 * SECOND, 86400 * SECOND, SECOND}, {3600000, 7200000, 14400000, 28800000}},
};

TEST(how_long_a_host_rests_is_the_operators)
{
    for (size_t i = 0; i < COUNT_OF(rests); i++) {
        struct health health = {0};
        uint64_t now_ns = SECOND;

        test_case_is("row %zu", i);
        CHECK(eject_failed(&health, &rests[i].rule, 1, now_ns));
        for (size_t k = 0; k < COUNT_OF(rests[i].rests_ms); k++) {
            CHECK(!eject_is_due(&health, now_ns + rests[i].rests_ms[k] * MILLI - 2));
            now_ns += rests[i].rests_ms[k] * MILLI;
            CHECK(eject_take_probe(&health, SECOND, now_ns));
            CHECK(eject_failed(&health, &rests[i].rule, 1, now_ns));
        }
    }
}

TEST(the_longest_rest_is_where_doubling_ends_however_often)
{
    static const struct eject_rule rule = {MILLI, 86400 * SECOND, SECOND};
    struct health health = {.rests_in_row = UINT32_MAX - 1};

    CHECK(eject_failed(&health, &rule, 1, SECOND));
    CHECK(!eject_is_due(&health, 86400 * SECOND));
    CHECK(eject_is_due(&health, 86401 * SECOND));
}

TEST(how_long_a_probe_may_be_silent_is_the_operators)
{
    static const uint64_t probes_ns[] = {20 * MILLI, 2 * SECOND, 3600 * SECOND};

    for (size_t i = 0; i < COUNT_OF(probes_ns); i++) {
        struct health health = {0};
        uint64_t now_ns = SECOND;

        test_case_is("row %zu", i);
        fail_until_rest(&health, now_ns);
        now_ns += EJECT_REST_MIN_NS;
        CHECK(eject_take_probe(&health, probes_ns[i], now_ns));
        CHECK(!eject_is_due(&health, now_ns + probes_ns[i] - 2));
        CHECK(eject_is_due(&health, now_ns + probes_ns[i] + 1));
    }
}

/* As long as the longest rest: who rests for hours at most is watched for hours. */
TEST(how_long_a_host_must_be_good_follows_the_longest_rest)
{
    static const uint64_t longest_s[] = {5, 60, 600};

    for (size_t i = 0; i < COUNT_OF(longest_s); i++) {
        struct eject_rule rule = {SECOND, longest_s[i] * SECOND, SECOND};

        test_case_is("%u s", (unsigned)longest_s[i]);
        for (unsigned forgiven = 0; forgiven < 2; forgiven++) {
            struct health health = {0};
            uint64_t now_ns = SECOND;

            CHECK(eject_failed(&health, &rule, 1, now_ns));
            now_ns = recover(&health, now_ns, SECOND) + longest_s[i] * SECOND + forgiven;
            CHECK(eject_failed(&health, &rule, 1, now_ns));
            CHECK_EQ(eject_is_due(&health, now_ns + SECOND), forgiven);
        }
    }
}

TEST(what_was_sent_before_a_rest_neither_ends_nor_prolongs_it)
{
    struct health health = {0};

    fail_until_rest(&health, 10 * SECOND);
    eject_answered(&health, 9 * SECOND, 10 * SECOND + 1000);
    CHECK(!eject_is_in_use(&health));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(eject_failed(&health, &preset, 3, 10 * SECOND + 1000), false);
    CHECK(eject_is_due(&health, 11 * SECOND));
    /* When all hosts rest they are used all the same: an answer to such a request tells that the host is back. */
    eject_answered(&health, 10 * SECOND + 500, 10 * SECOND + 2000);
    CHECK(eject_is_in_use(&health));
}

TEST(states_have_names)
{
    CHECK_CSTR(health_state_name(HEALTH_IN_USE), "in_use");
    CHECK_CSTR(health_state_name(HEALTH_RESTING), "resting");
    CHECK_CSTR(health_state_name(HEALTH_PROBED), "probed");
}
