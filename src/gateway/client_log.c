/* client_log.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/client_log.h"

static const struct recent_shape shape = {.row_bytes = sizeof(struct client_closed), .rows_max = CLIENT_LOG_MAX};

void client_log_note(struct client_log *log, const struct client_closed *row)
{
    struct client_closed *kept = recent_note(&log->recent, &shape, row);

    if (kept && kept->peer.family == ADDR_UNIX)
        kept->peer.path = NULL; /* it goes with the stream */
}

size_t client_log_read(const struct client_log *log, struct client_closed *rows, size_t count)
{
    return recent_read(&log->recent, &shape, rows, count);
}

void client_log_clear(struct client_log *log)
{
    recent_clear(&log->recent);
}
