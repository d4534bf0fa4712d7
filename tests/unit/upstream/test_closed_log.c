/* test_closed_log.c: the last connections that closed, the latest first. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "upstream/closed_log.h"

static void note(struct closed_log *log, uint32_t id)
{
    closed_log_note(log, &(struct closed_row){.id = id, .uses = id + 1, .reason = REASON_AGE, .side = SIDE_OURS});
}

TEST(the_latest_closes_are_told_first)
{
    struct closed_row rows[CLOSED_LOG_MAX];
    struct closed_log log = {0};

    CHECK_EQ(closed_log_read(&log, rows, CLOSED_LOG_MAX), 0);
    note(&log, 1);
    note(&log, 2);
    note(&log, 3);
    CHECK_EQ(closed_log_read(&log, rows, 2), 2);
    CHECK_EQ(rows[0].id, 3);
    CHECK_EQ(rows[1].id, 2);
    CHECK_EQ(closed_log_read(&log, rows, CLOSED_LOG_MAX), 3);
    CHECK_EQ(rows[2].id, 1);
    CHECK_EQ(rows[2].uses, 2);
    CHECK_EQ(rows[2].reason, REASON_AGE);
    closed_log_clear(&log);
    CHECK_EQ(closed_log_read(&log, rows, CLOSED_LOG_MAX), 0);
}

TEST(a_thousand_closes_are_kept)
{
    struct closed_row rows[CLOSED_LOG_MAX];
    struct closed_log log = {0};

    for (uint32_t i = 0; i < 2 * CLOSED_LOG_MAX + 7; i++)
        note(&log, i);
    CHECK_EQ(closed_log_read(&log, rows, CLOSED_LOG_MAX), CLOSED_LOG_MAX);
    for (uint32_t i = 0; i < CLOSED_LOG_MAX; i++)
        CHECK_EQ(rows[i].id, 2 * CLOSED_LOG_MAX + 6 - i);
    closed_log_clear(&log);
}

TEST(what_closed_to_a_host_that_is_gone_is_forgotten)
{
    static struct host *const pod = (struct host *)0x40; /* only compared */
    struct closed_row rows[CLOSED_LOG_MAX];
    struct closed_log log = {0};

    closed_log_forget(&log, pod);
    for (uint32_t i = 0; i < CLOSED_LOG_MAX + 10; i++)
        closed_log_note(&log, &(struct closed_row){.id = i, .host = i % 4 == 0 ? pod : NULL});
    closed_log_forget(&log, pod);
    CHECK_EQ(closed_log_read(&log, rows, CLOSED_LOG_MAX), CLOSED_LOG_MAX / 4 * 3);
    for (uint32_t i = 0, id = CLOSED_LOG_MAX + 9; i < CLOSED_LOG_MAX / 4 * 3; i++, id--) {
        id -= id % 4 == 0;
        CHECK_EQ(rows[i].id, id);
    }
    note(&log, 5000);
    CHECK_EQ(closed_log_read(&log, rows, 2), 2);
    CHECK_EQ(rows[0].id, 5000);
    CHECK_EQ(rows[1].id, CLOSED_LOG_MAX + 9);
    closed_log_forget(&log, NULL);
    CHECK_EQ(closed_log_read(&log, rows, 2), 0);
    closed_log_clear(&log);
}
