/* closed_log.h: the last connections that closed in a worker, and why, for people. One worker's own; made with its
 * first close. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_CLOSED_LOG_H
#define HOLDFAST_UPSTREAM_CLOSED_LOG_H

#include "base/recent.h"
#include "upstream/ledger.h"
#include "upstream/stray_sample.h"

enum { CLOSED_LOG_MAX = 1000 }; /* rows of each worker, for people: what they take is known, and none needs more */

struct host;

struct closed_row {
    struct host *host;
    uint64_t closed_ns, age_ns, idle_ns; /* idle_ns: 0: it was in use */
    uint32_t id, uses;
    uint8_t reason, side;      /* enum reason, enum side */
    struct stray_sample stray; /* of what came unasked, if that is the reason */
};

/* Zeroed: empty. */
struct closed_log {
    struct recent recent; /* of struct closed_row */
};

void closed_log_note(struct closed_log *log, const struct closed_row *row); /* without memory it is forgotten */
size_t closed_log_read(const struct closed_log *log, struct closed_row *rows, size_t count); /* the latest first */
void closed_log_forget(struct closed_log *log, const struct host *host);                     /* those of that host */
void closed_log_clear(struct closed_log *log);

#endif
