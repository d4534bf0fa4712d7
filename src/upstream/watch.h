/* watch.h: what is watched of a host's connections beside the ledger, for each worker: dwell times (dwell.h) and the
 * what-if model (whatif.h). The pool tells what happens; nobody decides by it. Made when the first connection to the
 * host closes or becomes idle; without memory nothing is watched. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_WATCH_H
#define HOLDFAST_UPSTREAM_WATCH_H

#include "upstream/dwell.h"
#include "upstream/pool.h"
#include "upstream/whatif.h"

struct connect_facts;

/* What each request notes is the begin of `rows` and that of the model: two lines, one behind the other. */
struct watch_stats {
    _Alignas(CACHE_LINE_BYTES) struct dwell dwell;
    _Alignas(CACHE_LINE_BYTES) struct whatif whatif;
};
static_assert(offsetof(struct watch_stats, dwell.rows) % CACHE_LINE_BYTES == 0, "what each request notes is one line");

struct watch_stats *watch_new(void);        /* zeroed; NULL: no memory */
void watch_free(struct watch_stats *stats); /* NULL is fine */

/* One has come back and is fit to be kept, whether the caps let it be or not. */
void watch_returned(const struct pooled *pooled);

/* A request has got a connection: `reason` REASONS: a kept one; else why it is new. */
void watch_request(struct pool *pool, const struct pooled *pooled, enum reason reason);

/* A dial has made one. */
void watch_connected(struct pool *pool, const struct host *host, const struct connect_facts *facts);

/* What a request waited for: DWELL_QUEUE, DWELL_FIRST_BYTE. */
void watch_time(struct pool *pool, const struct host *host, enum dwell_kind kind, uint64_t time_ns);

/* An idle one goes to another worker, or has come from one. */
void watch_left(struct pool *pool, const struct pooled *pooled);
void watch_came(const struct pooled *pooled);

/* What this worker has noted of the host so far goes; nobody may be reading it. */
void watch_forget(struct pool *pool, const struct host *host);

/* An idle one ends. */
void watch_idle_ended(const struct pooled *pooled, enum reason reason, enum side side);
/* Any ends, now. */
void watch_ended(struct pool *pool, const struct pooled *pooled);

/* Sums over all workers, read while they run; what the views hold is added to. */
void watch_dwell(const struct host *host, enum dwell_kind kind, struct dwell_view *view);
void watch_whatif(const struct host *host, struct whatif_view *view);

#endif
