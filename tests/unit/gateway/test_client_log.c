/* test_client_log.c: the last client connections that closed, the latest first. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/client_log.h"
#include "harness/test.h"

static void note(struct client_log *log, uint32_t id)
{
    client_log_note(log, &(struct client_closed){.id = id, .requests = id + 1, .end = HTTP_END_IDLE});
}

TEST(the_latest_clients_that_left_are_told_first)
{
    struct client_closed rows[CLIENT_LOG_MAX];
    struct client_log log = {0};

    CHECK_EQ(client_log_read(&log, rows, CLIENT_LOG_MAX), 0);
    for (uint32_t i = 1; i <= 3; i++)
        note(&log, i);
    CHECK_EQ(client_log_read(&log, rows, 2), 2);
    CHECK_EQ(rows[0].id, 3);
    CHECK_EQ(rows[1].id, 2);
    CHECK_EQ(rows[1].requests, 3);
    CHECK_EQ(rows[1].end, HTTP_END_IDLE);
    for (uint32_t i = 4; i < 2 * CLIENT_LOG_MAX + 7; i++)
        note(&log, i);
    CHECK_EQ(client_log_read(&log, rows, CLIENT_LOG_MAX), CLIENT_LOG_MAX);
    for (uint32_t i = 0; i < CLIENT_LOG_MAX; i++)
        CHECK_EQ(rows[i].id, 2 * CLIENT_LOG_MAX + 6 - i);
    client_log_clear(&log);
    CHECK_EQ(client_log_read(&log, rows, CLIENT_LOG_MAX), 0);
}

/* What the address of a Unix socket points at goes with its stream. */
TEST(a_path_is_not_kept)
{
    struct client_closed row = {.peer = {.family = ADDR_UNIX, .path = "/run/gone"}};
    struct client_log log = {0};

    client_log_note(&log, &row);
    CHECK_EQ(client_log_read(&log, &row, 1), 1);
    CHECK_EQ(row.peer.family, ADDR_UNIX);
    CHECK(row.peer.path == NULL);
    client_log_clear(&log);
}

static void note_two(void *arg)
{
    struct client_log log = {0};
    struct client_closed row;

    (void)arg;
    note(&log, 1);
    note(&log, 2);
    if (client_log_read(&log, &row, 1) == 1)
        CHECK_EQ(row.id, 2);
    client_log_clear(&log);
}

TEST(without_memory_clients_that_left_are_forgotten)
{
    test_every_allocation_fails(note_two, NULL);
}
