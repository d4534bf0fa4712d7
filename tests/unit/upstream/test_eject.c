/* test_eject.c: when a host rests, for how long, and what ends it. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/eject.h"

#define SECOND UINT64_C(1000000000)

/* Fails until it rests; returns how often. */
static unsigned fail_until_rest(struct health *health, uint64_t now_ns)
{
    unsigned times = 1;

    while (!eject_failed(health, 3, now_ns))
        times++;
    return times;
}

TEST(a_host_rests_after_failures_in_a_row)
{
    struct health health = {0};

    CHECK_EQ(eject_failed(&health, 3, SECOND), false);
    CHECK_EQ(eject_failed(&health, 3, SECOND), false);
    CHECK(eject_is_in_use(&health));
    CHECK_EQ(eject_failed(&health, 3, SECOND), true);
    CHECK(!eject_is_in_use(&health));
    CHECK_EQ(eject_state(&health), HEALTH_RESTING);
    CHECK_EQ(health.ejections, 1);
}

TEST(an_answer_between_failures_starts_the_count_anew)
{
    struct health health = {0};

    for (int i = 0; i < 10; i++) {
        CHECK_EQ(eject_failed(&health, 3, SECOND), false);
        CHECK_EQ(eject_failed(&health, 3, SECOND), false);
        eject_answered(&health, SECOND, SECOND);
    }
    CHECK(eject_is_in_use(&health));
}

TEST(zero_never_ejects)
{
    struct health health = {0};

    for (int i = 0; i < 100; i++)
        CHECK_EQ(eject_failed(&health, 0, SECOND), false);
    CHECK(eject_is_in_use(&health));
}

TEST(one_request_is_the_probe)
{
    struct health health = {0};
    uint64_t now_ns = SECOND;

    fail_until_rest(&health, now_ns);
    CHECK(!eject_is_due(&health, now_ns + EJECT_REST_MIN_NS - 2));
    CHECK(!eject_take_probe(&health, now_ns + EJECT_REST_MIN_NS - 2));
    now_ns += EJECT_REST_MIN_NS;
    CHECK(eject_is_due(&health, now_ns));
    CHECK(eject_take_probe(&health, now_ns));
    CHECK(!eject_take_probe(&health, now_ns)); /* nobody else */
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
    CHECK(eject_take_probe(&health, now_ns));
    CHECK(!eject_is_due(&health, now_ns + EJECT_PROBE_NS - 2));
    CHECK(eject_is_due(&health, now_ns + EJECT_PROBE_NS + 1));
    CHECK(eject_take_probe(&health, now_ns + EJECT_PROBE_NS + 1));
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
        CHECK(eject_take_probe(&health, now_ns));
        CHECK(eject_failed(&health, 3, now_ns)); /* one failure is enough for a probe */
    }
    CHECK_EQ(health.ejections, 1 + COUNT_OF(seconds));
}

static uint64_t recover(struct health *health, uint64_t now_ns, uint64_t rest_ns)
{
    now_ns += rest_ns;
    CHECK(eject_take_probe(health, now_ns));
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
    now_ns += EJECT_FORGIVE_NS + 1;
    fail_until_rest(&health, now_ns);
    CHECK(eject_is_due(&health, now_ns + SECOND));
}

TEST(what_was_sent_before_a_rest_neither_ends_nor_prolongs_it)
{
    struct health health = {0};

    fail_until_rest(&health, 10 * SECOND);
    eject_answered(&health, 9 * SECOND, 10 * SECOND + 1000);
    CHECK(!eject_is_in_use(&health));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(eject_failed(&health, 3, 10 * SECOND + 1000), false);
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
