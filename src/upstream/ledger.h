/* ledger.h: an answer to "why was this connection not reused?". Every request is reused or new with exactly one reason,
 * every close has a reason and a side. One ledger for each host and worker, written by that worker only, read by
 * anybody.
 *
 * How a miss gets its reason: each connection that leaves the idle stack for good leaves a note why; a request that
 * finds the stack empty takes the latest note, since that connection would have served it. Without a note the pool was
 * too small (a burst), or cold. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_LEDGER_H
#define HOLDFAST_UPSTREAM_LEDGER_H

#include "base/compiler.h"

#include <stdatomic.h>

enum reason {
#define REASON(id, name, text) REASON_##id,
#include "upstream/reasons.def"
#undef REASON
    REASONS
};

enum side { SIDE_OURS, SIDE_PEER, SIDE_COUNT };

enum { LEDGER_NOTES = 32 };

struct ledger {
    _Atomic uint64_t new_by[REASONS];
    _Atomic uint64_t closes_by[REASONS][SIDE_COUNT];
    uint8_t notes[LEDGER_NOTES]; /* a ring: why the latest idle connections went; the worker's own */
    uint8_t note_count, note_at;
};

const char *reason_name(enum reason reason); /* "peer_close_idle" */
const char *reason_text(enum reason reason); /* what it means, for people */
const char *side_name(enum side side);       /* "ours", "peer" */

/* An idle connection went away for good: the next miss is due to it. */
void ledger_note(struct ledger *ledger, enum reason reason);

/* The reason of a miss: the latest note, which is used up; without one COLD when `ever` is false, else
 * POOL_EMPTY_BURST. */
enum reason ledger_explain(struct ledger *ledger, bool ever);

void ledger_new(struct ledger *ledger, enum reason reason); /* a request's own dial was used */
void ledger_closed(struct ledger *ledger, enum reason reason, enum side side);

#endif
