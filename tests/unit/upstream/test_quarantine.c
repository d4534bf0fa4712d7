/* test_quarantine.c: how many signs, and for how long. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/quarantine.h"

#define SEC UINT64_C(1000000000)

static const struct quarantine_rule preset = {QUARANTINE_MIN_NS, QUARANTINE_MAX_NS, QUARANTINE_AFTER};

TEST(bytes_behind_an_answer_are_a_sign_at_once)
{
    struct quarantine quarantine = {0};

    CHECK(!quarantine_holds(&quarantine, 5 * SEC));
    CHECK(quarantine_note(&quarantine, &preset, STRAY_BEHIND_ANSWER, 5 * SEC));
    CHECK(quarantine_holds(&quarantine, 5 * SEC));
    CHECK(quarantine_holds(&quarantine, 65 * SEC - 1));
    CHECK(!quarantine_holds(&quarantine, 65 * SEC));
    CHECK_EQ(quarantine.strays, 1);
    CHECK_EQ(quarantine.times, 1);
}

TEST(bytes_on_idle_connections_need_a_second_within_a_minute)
{
    struct quarantine quarantine = {0};

    CHECK(!quarantine_note(&quarantine, &preset, STRAY_IDLE, 5 * SEC));
    CHECK(!quarantine_note(&quarantine, &preset, STRAY_IDLE, 66 * SEC));
    CHECK(!quarantine_holds(&quarantine, 66 * SEC));
    CHECK(quarantine_note(&quarantine, &preset, STRAY_IDLE, 126 * SEC));
    CHECK(quarantine_holds(&quarantine, 126 * SEC));
    CHECK_EQ(quarantine.strays, 3);
}

TEST(it_doubles_up_to_an_hour_and_starts_anew_after_good_conduct)
{
    struct quarantine quarantine = {0};
    uint64_t now_ns = SEC, length_ns = QUARANTINE_MIN_NS;

    for (int i = 0; i < 12; i++) {
        CHECK(quarantine_note(&quarantine, &preset, STRAY_BEHIND_ANSWER, now_ns));
        CHECK_EQ(quarantine.until_ns, now_ns + length_ns);
        /* What was under way when it began adds nothing. */
        CHECK(!quarantine_note(&quarantine, &preset, STRAY_BEHIND_ANSWER, now_ns + 1));
        now_ns += 2 * length_ns;
        length_ns = 2 * length_ns < QUARANTINE_MAX_NS ? 2 * length_ns : QUARANTINE_MAX_NS;
    }
    now_ns = quarantine.until_ns + 2 * QUARANTINE_MAX_NS + 1;
    CHECK(quarantine_note(&quarantine, &preset, STRAY_BEHIND_ANSWER, now_ns));
    CHECK_EQ(quarantine.until_ns, now_ns + QUARANTINE_MIN_NS);
    CHECK_EQ(quarantine.times, 13);
}

TEST(its_length_and_where_doubling_ends_are_the_operators)
{
    static const struct {
        struct quarantine_rule rule;
        uint64_t first_s, second_s, third_s;
    } rows[] = {
        {{5 * SEC, 3600 * SEC, 2}, 5, 10, 20},
        {{5 * SEC, 12 * SEC, 2}, 5, 10, 12},
        {{5 * SEC, 5 * SEC, 2}, 5, 5, 5},
        {{60 * SEC, 7 * SEC, 2}, 7, 7, 7},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t lengths_s[] = {rows[i].first_s, rows[i].second_s, rows[i].third_s};
        struct quarantine quarantine = {0};
        uint64_t now_ns = SEC;

        test_case_is("row %zu", i);
        for (size_t k = 0; k < COUNT_OF(lengths_s); k++) {
            CHECK(quarantine_note(&quarantine, &rows[i].rule, STRAY_BEHIND_ANSWER, now_ns));
            CHECK_EQ(quarantine.until_ns, now_ns + lengths_s[k] * SEC);
            now_ns = quarantine.until_ns;
        }
    }
}

TEST(a_first_length_of_zero_begins_none_and_signs_are_still_counted)
{
    static const struct quarantine_rule none = {0, 3600 * SEC, 1};
    struct quarantine quarantine = {0};

    CHECK(!quarantine_note(&quarantine, &none, STRAY_BEHIND_ANSWER, SEC));
    CHECK(!quarantine_note(&quarantine, &none, STRAY_IDLE, 2 * SEC));
    CHECK(!quarantine_holds(&quarantine, 2 * SEC));
    CHECK_EQ(quarantine.strays, 2);
    CHECK_EQ(quarantine.times, 0);
}

TEST(how_many_signs_on_idle_connections_it_takes_is_the_operators)
{
    for (uint32_t after = 1; after <= 5; after++) {
        struct quarantine_rule rule = {QUARANTINE_MIN_NS, QUARANTINE_MAX_NS, after};
        struct quarantine quarantine = {0};
        uint64_t now_ns = SEC;

        test_case_is("after %u", after);
        for (uint32_t sign = 1; sign < after; sign++, now_ns += 60 * SEC)
            CHECK(!quarantine_note(&quarantine, &rule, STRAY_IDLE, now_ns));
        CHECK(quarantine_note(&quarantine, &rule, STRAY_IDLE, now_ns));
    }
}

TEST(a_pause_of_more_than_a_minute_begins_the_count_anew)
{
    static const struct quarantine_rule three = {QUARANTINE_MIN_NS, QUARANTINE_MAX_NS, 3};
    struct quarantine quarantine = {0};

    CHECK(!quarantine_note(&quarantine, &three, STRAY_IDLE, 1 * SEC));
    CHECK(!quarantine_note(&quarantine, &three, STRAY_IDLE, 2 * SEC));
    CHECK(!quarantine_note(&quarantine, &three, STRAY_IDLE, 62 * SEC + 1));
    CHECK(!quarantine_note(&quarantine, &three, STRAY_IDLE, 63 * SEC));
    CHECK(quarantine_note(&quarantine, &three, STRAY_IDLE, 64 * SEC));
}
