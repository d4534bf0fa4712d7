/* eject.h: is a host in use, or does it rest? After some failures in a row (eject_after) a host rests; when the rest is
 * over one request is its probe, and what becomes of that decides. Rests in a row grow, from 1 s to 60 s unless
 * the operator says otherwise.
 *
 * What counts: connects that failed, answers that did not come in time, and fresh connections that ended without an
 * answer. What happens to a kept connection never counts: that tells of the connection (keepalive F-14). Silence of all
 * connections at once, as dead_path.h finds it, does: that is the path, and others do better. No host is ejected for
 * all: when every host of a set rests, all are used as if none did (balance.h).
 *
 * One for each host of the process, any thread, no lock. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_EJECT_H
#define HOLDFAST_UPSTREAM_EJECT_H

#include "base/compiler.h"

#include <stdatomic.h>

/* Defaults. */
#define EJECT_REST_MIN_NS UINT64_C(1000000000)
#define EJECT_REST_MAX_NS UINT64_C(60000000000)
#define EJECT_PROBE_NS    UINT64_C(5000000000)

/* How long a host rests; as the backend says whose request failed. */
struct eject_rule {
    uint64_t first_ns; /* doubles with each further rest in a row */
    uint64_t most_ns;  /* ... up to this. In use for longer than that: the next rest is a first one again */
    uint64_t probe_ns; /* a probe of which nothing was heard for so long is given up */
};

#define EJECT_RULE_DEFAULT ((struct eject_rule){EJECT_REST_MIN_NS, EJECT_REST_MAX_NS, EJECT_PROBE_NS})

struct health {
    _Atomic uint64_t rest_until_ns; /* 0: in use. The lowest bit: a probe is under way, and given up then */
    _Atomic uint64_t rest_began_ns; /* of the current rest, or the last one */
    _Atomic uint64_t rest_ended_ns; /* of the last one */
    _Atomic uint32_t failures;      /* in a row */
    _Atomic uint32_t rests_in_row;
    _Atomic uint64_t ejections; /* ever */
};

enum health_state { HEALTH_IN_USE, HEALTH_RESTING, HEALTH_PROBED, HEALTH_STATES };

/* Not resting. */
static inline bool eject_is_in_use(const struct health *health)
{
    return atomic_load_explicit(&health->rest_until_ns, memory_order_relaxed) == 0;
}

/* Resting, but the rest is over: whoever takes the probe may send one request, and has probe_ns until it is given up.
 */
bool eject_is_due(const struct health *health, uint64_t now_ns);
bool eject_take_probe(struct health *health, uint64_t probe_ns, uint64_t now_ns) MUST_USE;

/* An answer's head came to a request that was begun at started_ns. Ends a rest that began before it. */
void eject_answered(struct health *health, uint64_t started_ns, uint64_t now_ns);

/* A failure of the host. `eject_after`: failures in a row until it rests; 0: never. True: a rest begins. */
bool eject_failed(struct health *health, const struct eject_rule *rule, uint32_t eject_after, uint64_t now_ns);

enum health_state eject_state(const struct health *health);
const char *health_state_name(enum health_state state); /* "in_use", "resting", "probed" */

#endif
