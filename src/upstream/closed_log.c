/* closed_log.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/closed_log.h"

#include <stdlib.h>

void closed_log_note(struct closed_log *log, const struct closed_row *row)
{
    if (!log->rows)
        log->rows = calloc(CLOSED_LOG_MAX, sizeof(*log->rows));
    if (!log->rows)
        return;
    log->rows[log->next] = *row;
    log->next = (log->next + 1) % CLOSED_LOG_MAX;
    log->count += log->count < CLOSED_LOG_MAX;
}

size_t closed_log_read(const struct closed_log *log, struct closed_row *rows, size_t count)
{
    size_t told = count < log->count ? count : log->count;

    for (size_t i = 0; i < told; i++)
        rows[i] = log->rows[(log->next + CLOSED_LOG_MAX - 1 - i) % CLOSED_LOG_MAX];
    return told;
}

void closed_log_forget(struct closed_log *log, const struct host *host)
{
    uint32_t oldest = (log->next + CLOSED_LOG_MAX - log->count) % CLOSED_LOG_MAX, kept = 0;

    for (uint32_t i = 0; i < log->count; i++) {
        const struct closed_row *row = &log->rows[(oldest + i) % CLOSED_LOG_MAX];

        if (row->host != host)
            log->rows[(oldest + kept++) % CLOSED_LOG_MAX] = *row;
    }
    log->count = kept;
    log->next = (oldest + kept) % CLOSED_LOG_MAX;
}

void closed_log_clear(struct closed_log *log)
{
    free(log->rows);
    *log = (struct closed_log){0};
}
