/* test_quarantine.c: how many signs, and for how long. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/quarantine.h"

#define SEC UINT64_C(1000000000)

TEST(bytes_behind_an_answer_are_a_sign_at_once)
{
    struct quarantine quarantine = {0};

    CHECK(!quarantine_holds(&quarantine, 5 * SEC));
    CHECK(quarantine_note(&quarantine, STRAY_BEHIND_ANSWER, 5 * SEC));
    CHECK(quarantine_holds(&quarantine, 5 * SEC));
    CHECK(quarantine_holds(&quarantine, 65 * SEC - 1));
    CHECK(!quarantine_holds(&quarantine, 65 * SEC));
    CHECK_EQ(quarantine.strays, 1);
    CHECK_EQ(quarantine.times, 1);
}

TEST(bytes_on_idle_connections_need_a_second_within_a_minute)
{
    struct quarantine quarantine = {0};

    CHECK(!quarantine_note(&quarantine, STRAY_IDLE, 5 * SEC));
    CHECK(!quarantine_note(&quarantine, STRAY_IDLE, 66 * SEC));
    CHECK(!quarantine_holds(&quarantine, 66 * SEC));
    CHECK(quarantine_note(&quarantine, STRAY_IDLE, 126 * SEC));
    CHECK(quarantine_holds(&quarantine, 126 * SEC));
    CHECK_EQ(quarantine.strays, 3);
}

TEST(it_doubles_up_to_an_hour_and_starts_anew_after_good_conduct)
{
    struct quarantine quarantine = {0};
    uint64_t now_ns = SEC, length_ns = QUARANTINE_MIN_NS;

    for (int i = 0; i < 12; i++) {
        CHECK(quarantine_note(&quarantine, STRAY_BEHIND_ANSWER, now_ns));
        CHECK_EQ(quarantine.until_ns, now_ns + length_ns);
        /* What was under way when it began adds nothing. */
        CHECK(!quarantine_note(&quarantine, STRAY_BEHIND_ANSWER, now_ns + 1));
        now_ns += 2 * length_ns;
        length_ns = 2 * length_ns < QUARANTINE_MAX_NS ? 2 * length_ns : QUARANTINE_MAX_NS;
    }
    now_ns = quarantine.until_ns + 2 * QUARANTINE_MAX_NS + 1;
    CHECK(quarantine_note(&quarantine, STRAY_BEHIND_ANSWER, now_ns));
    CHECK_EQ(quarantine.until_ns, now_ns + QUARANTINE_MIN_NS);
    CHECK_EQ(quarantine.times, 13);
}
