/* balance.h: which host of a backend's set gets the next request. One row for each way of choosing; no lock, no memory
 * for a request.
 *
 * Hosts that rest (eject.h) are passed over, and so are hosts that this worker hears nothing of while several of its
 * requests wait there. When that leaves none, the latter are taken again, then all of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_BALANCE_H
#define HOLDFAST_UPSTREAM_BALANCE_H

#include "base/arena.h"
#include "base/rng.h"
#include "upstream/host.h"
#include "upstream/transport.h"

/* A host counts as quiet for a worker with so many requests waiting there and no answer to any for so long. A guess
 * that only moves new requests elsewhere: no setting. */
#define BALANCE_QUIET_NS UINT64_C(200000000)
enum { BALANCE_QUIET_WAITING = 4, BALANCE_TRIED_MAX = 8 };

/* The hosts of a backend: repeating one weights it. Not changed once made. */
struct host_set {
    struct host **slots; /* each host as often as it is named */
    uint32_t slot_count;
    struct host **hosts; /* each host once */
    uint32_t *weights;   /* beside them: its slots */
    uint32_t host_count;
};

size_t host_set_bytes(uint32_t slot_count); /* of the memory that host_set_fill needs, aligned for pointers */
struct host_set *host_set_fill(void *memory, struct host *const *slots, uint32_t slot_count);

/* Tells the hosts of which nothing is known yet what those beside them have taught (idle_limit_prior): the shortest of
 * the limits learned. When a set is made. */
void host_set_introduce(const struct host_set *set);

/* The part that changes; one for each backend, shared by the workers. */
struct balance {
    enum balance_policy policy;
    _Atomic uint64_t turn;                /* in turn: of the next request */
    struct resend_budget failover_budget; /* to other hosts, of what a host may have read */
};

/* KRAKEND becomes what it stands for. Taking turns begins at a random host. */
void balance_init(struct balance *balance, enum balance_policy policy, unsigned workers);

struct balance_input {
    unsigned worker;
    uint64_t now_ns;
    uint64_t probe_ns; /* how long a probe that is taken may be silent (eject.h) */
    struct rng *rng;
    struct host *const *tried; /* by this request: not again */
    unsigned tried_count;
};

/* NULL: there is none that was not tried. The host's probe is taken when it is due to have one. */
struct host *balance_pick(struct balance *balance, const struct host_set *set, const struct balance_input *input);

/* Is there one? It takes no probe and no turn. */
bool balance_has_untried(const struct host_set *set, const struct balance_input *input);

/* Requests ever sent to the hosts of a set, for the budget of failovers. */
uint64_t balance_requests(const struct host_set *set);

#endif
