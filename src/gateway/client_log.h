/* client_log.h: the last client connections that closed in a worker, and why, for people. One worker's own; made with
 * its first close. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_CLIENT_LOG_H
#define HOLDFAST_GATEWAY_CLIENT_LOG_H

#include "base/recent.h"
#include "http/conn.h"

enum { CLIENT_LOG_MAX = 1000 }; /* rows of each worker, for people, as CLOSED_LOG_MAX */

struct client_closed {
    uint64_t id; /* when it was opened, as that of an open one */
    uint64_t closed_ns, age_ns, idle_ns, bytes_in, bytes_out;
    struct addr peer;        /* of a Unix socket without its path */
    const char *protocol;    /* "http/1.1", "h2"; NULL: it did not get that far */
    const char *tls_version; /* NULL: in the clear */
    uint32_t requests;
    uint16_t door;
    uint8_t end; /* enum http_end */
    bool resumed;
};

/* Zeroed: empty. */
struct client_log {
    struct recent recent; /* of struct client_closed */
};

void client_log_note(struct client_log *log, const struct client_closed *row); /* without memory it is forgotten */
size_t client_log_read(const struct client_log *log, struct client_closed *rows, size_t count); /* the latest first */
void client_log_clear(struct client_log *log);

#endif
