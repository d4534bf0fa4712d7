/* dwell.h: how long connections to a host stay: how idle they were when they were used again, and when they were
 * closed, how old they got, how many requests they carried; and what it takes to get one and an answer. Histograms of
 * one worker: written by it alone, without locks, read by anybody, added up without loss.
 *
 * Buckets are log-linear: each doubling is cut in 32 equal steps, so a value is told within 1.6 %. A doubling takes
 * memory when its first value comes. A value is most often of the doubling of the one before: rows keep that one's
 * steps at hand, and the two kinds that each request notes stand side by side, so that a request to one of many hosts
 * reads a line for both and one for each count. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_DWELL_H
#define HOLDFAST_UPSTREAM_DWELL_H

#include "base/lines.h"

#include <assert.h>
#include <stdatomic.h>

enum {
    DWELL_STEPS = 32,
    DWELL_FIRST = 16,     /* from 2^16 ns, 65 us; what is less counts as that */
    DWELL_DOUBLINGS = 28, /* to 2^44 ns, 4.9 h; what is more counts as that */
    DWELL_BUCKETS = DWELL_STEPS * DWELL_DOUBLINGS,
};

enum dwell_kind {
    DWELL_REUSE,      /* idle time, ns, when a connection was used again */
    DWELL_FIRST_BYTE, /* from a request's head sent to its answer's head, interim ones aside */
    DWELL_CLOSE_OURS, /* idle time when we closed it */
    DWELL_CLOSE_PEER, /* idle time when the host did */
    DWELL_AGE,        /* from open to close, ns */
    DWELL_REQUESTS,   /* a connection's requests, at its close; each counts DWELL_ONE */
    DWELL_QUEUE,      /* what a request waited in the queue of the host, ns */
    DWELL_CONNECT,    /* from the start of a dial to a connected socket, the look-up of the name with it */
    DWELL_TLS_FULL,   /* what whole handshakes with the host took */
    DWELL_TLS_SHORT,  /* what those that resumed a session took */
    DWELL_KINDS
};
#define DWELL_ONE (UINT64_C(1) << DWELL_FIRST) /* what is no time is counted in these, exactly up to 64 */

struct dwell_row {
    _Atomic uint64_t sum;
    _Atomic uint64_t *steps; /* the worker's own: of the doubling that the last value fell into; NULL: none has yet */
    unsigned doubling;
};

struct dwell {
    _Atomic(_Atomic uint64_t *) steps[DWELL_KINDS][DWELL_DOUBLINGS]; /* DWELL_STEPS each; NULL: nothing fell there */
    struct dwell_row rows[DWELL_KINDS];
};
static_assert(DWELL_REUSE < 2 && DWELL_FIRST_BYTE < 2 && 2 * sizeof(struct dwell_row) <= CACHE_LINE_BYTES,
              "what each request notes is of the first line");

/* Counts a value. Its worker only. Without memory for a doubling the value is lost. */
void dwell_note(struct dwell *dwell, enum dwell_kind kind, uint64_t value);
void dwell_free(struct dwell *dwell); /* what it holds; NULL is fine */

/* A sum of rows. */
struct dwell_view {
    uint64_t count, sum;
    uint64_t buckets[DWELL_BUCKETS];
};
void dwell_add(const struct dwell *dwell, enum dwell_kind kind, struct dwell_view *view); /* NULL adds nothing */

/* The value below which a share (0 to 1) of all lies, within 1.6 %; 0 when there is none. */
uint64_t dwell_quantile(const struct dwell_view *view, double share);

/* How many values are at most so large, as far as the buckets tell: never more than the truth. */
uint64_t dwell_up_to(const struct dwell_view *view, uint64_t value);

#endif
