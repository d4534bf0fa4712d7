/* quarantine.h: a host that sends bytes which nobody has asked for may be out of step with its requests (response
 * smuggling, a body longer than announced, a late answer). Such a connection is always closed; after signs enough the
 * host's connections are for one request each, for a while, so that no answer can reach another client's request.
 *
 *   bytes behind an answer        at once
 *   bytes on an idle connection   the second time within a minute: some hosts say 408 before they close
 *
 * The while is a minute, and doubles up to an hour when there are signs again within twice its length. The operator may
 * say how often, and for how long. One for each host, any thread (keepalive F-16).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_QUARANTINE_H
#define HOLDFAST_UPSTREAM_QUARANTINE_H

#include "base/compiler.h"

#include <stdatomic.h>

/* Defaults. */
#define QUARANTINE_MIN_NS UINT64_C(60000000000)
#define QUARANTINE_MAX_NS UINT64_C(3600000000000)
enum { QUARANTINE_AFTER = 2 };

#define QUARANTINE_WINDOW_NS UINT64_C(60000000000) /* signs with more than that between them are not of one cause */

struct quarantine_rule {
    uint64_t first_ns;   /* how long the first one is; 0: none ever begins */
    uint64_t most_ns;    /* where doubling ends */
    uint32_t idle_signs; /* on idle connections, until one begins: 1 or more */
};

struct quarantine { /* zeroed: none */
    _Atomic uint64_t until_ns;
    _Atomic uint64_t length_ns;    /* of the last one */
    _Atomic uint64_t last_idle_ns; /* when bytes came last on an idle connection; 0: never */
    _Atomic uint32_t idle_signs;   /* how often, without a pause of QUARANTINE_WINDOW_NS */
    _Atomic uint64_t strays;       /* signs, ever */
    _Atomic uint64_t times;        /* quarantines, ever */
};

enum stray { STRAY_BEHIND_ANSWER, STRAY_IDLE };

/* True: a quarantine begins. */
bool quarantine_note(struct quarantine *quarantine, const struct quarantine_rule *rule, enum stray stray,
                     uint64_t now_ns);

static inline bool quarantine_holds(const struct quarantine *quarantine, uint64_t now_ns)
{
    return UNLIKELY(atomic_load_explicit(&quarantine->until_ns, memory_order_relaxed) > now_ns);
}

#endif
