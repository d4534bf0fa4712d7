/* closed_log.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/closed_log.h"

static const struct recent_shape shape = {.row_bytes = sizeof(struct closed_row), .rows_max = CLOSED_LOG_MAX};

void closed_log_note(struct closed_log *log, const struct closed_row *row)
{
    (void)recent_note(&log->recent, &shape, row);
}

size_t closed_log_read(const struct closed_log *log, struct closed_row *rows, size_t count)
{
    return recent_read(&log->recent, &shape, rows, count);
}

static bool is_to(const void *row, const void *host)
{
    return ((const struct closed_row *)row)->host == host;
}

void closed_log_forget(struct closed_log *log, const struct host *host)
{
    recent_drop(&log->recent, &shape, is_to, host);
}

void closed_log_clear(struct closed_log *log)
{
    recent_clear(&log->recent);
}
