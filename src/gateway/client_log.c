/* client_log.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/client_log.h"

#include <stdlib.h>

void client_log_note(struct client_log *log, const struct client_closed *row)
{
    struct client_closed *kept;

    if (!log->rows)
        log->rows = calloc(CLIENT_LOG_MAX, sizeof(*log->rows));
    if (!log->rows)
        return;
    kept = &log->rows[log->next];
    *kept = *row;
    if (kept->peer.family == ADDR_UNIX)
        kept->peer.path = NULL; /* it goes with the stream */
    log->next = (log->next + 1) % CLIENT_LOG_MAX;
    log->count += log->count < CLIENT_LOG_MAX;
}

size_t client_log_read(const struct client_log *log, struct client_closed *rows, size_t count)
{
    size_t told = count < log->count ? count : log->count;

    for (size_t i = 0; i < told; i++)
        rows[i] = log->rows[(log->next + CLIENT_LOG_MAX - 1 - i) % CLIENT_LOG_MAX];
    return told;
}

void client_log_clear(struct client_log *log)
{
    free(log->rows);
    *log = (struct client_log){0};
}
