/* test_ledger.c: notes explain misses, latest first, each once. SPDX-License-Identifier: Apache-2.0 */
#include "tests/harness/test.h"
#include "upstream/ledger.h"

TEST(the_first_connection_is_cold_and_later_ones_are_bursts)
{
    struct ledger ledger = {0};

    CHECK_EQ(ledger_explain(&ledger, false), REASON_COLD);
    CHECK_EQ(ledger_explain(&ledger, true), REASON_POOL_EMPTY_BURST);
}

TEST(a_miss_is_explained_by_the_latest_connection_that_went)
{
    struct ledger ledger = {0};

    ledger_note(&ledger, REASON_IDLE_EXPIRED);
    ledger_note(&ledger, REASON_PEER_CLOSE_IDLE);
    CHECK_EQ(ledger_explain(&ledger, true), REASON_PEER_CLOSE_IDLE);
    CHECK_EQ(ledger_explain(&ledger, true), REASON_IDLE_EXPIRED);
    CHECK_EQ(ledger_explain(&ledger, true), REASON_POOL_EMPTY_BURST);
}

TEST(only_so_many_notes_are_kept_and_the_oldest_go)
{
    struct ledger ledger = {0};

    for (int i = 0; i < LEDGER_NOTES; i++)
        ledger_note(&ledger, REASON_AGE);
    for (int i = 0; i < LEDGER_NOTES; i++)
        ledger_note(&ledger, REASON_COUNT);
    for (int i = 0; i < LEDGER_NOTES; i++)
        CHECK_EQ(ledger_explain(&ledger, true), REASON_COUNT);
    CHECK_EQ(ledger_explain(&ledger, true), REASON_POOL_EMPTY_BURST);
}

TEST(every_reason_has_a_name_of_its_own)
{
    for (int i = 0; i < REASONS; i++) {
        CHECK(strlen(reason_text((enum reason)i)) > 10);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(reason_name((enum reason)i), reason_name((enum reason)k)) != 0);
    }
}

TEST(sides_have_names)
{
    CHECK_CSTR(side_name(SIDE_OURS), "ours");
    CHECK_CSTR(side_name(SIDE_PEER), "peer");
}

TEST(counts_are_by_reason_and_side)
{
    struct ledger ledger = {0};

    ledger_new(&ledger, REASON_COLD);
    ledger_closed(&ledger, REASON_PEER_CLOSE_IDLE, SIDE_PEER);
    ledger_closed(&ledger, REASON_PEER_CLOSE_IDLE, SIDE_PEER);
    CHECK_EQ(ledger.new_by[REASON_COLD], 1);
    CHECK_EQ(ledger.closes_by[REASON_PEER_CLOSE_IDLE][SIDE_PEER], 2);
    CHECK_EQ(ledger.closes_by[REASON_PEER_CLOSE_IDLE][SIDE_OURS], 0);
}
