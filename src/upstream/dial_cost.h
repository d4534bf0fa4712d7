/* dial_cost.h: how long a dial to a host takes, of late, and so how long another worker's answer is worth waiting for
 * (handoff.h). Who waits for as long as a dial takes, and dials then, has spent at most twice what was needed. Who
 * waits for less makes a connection too many whenever the other worker is held up; and what holds up workers holds up
 * handshakes just as much.
 *
 * Any thread: two that end at once may lose one of their values. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_DIAL_COST_H
#define HOLDFAST_UPSTREAM_DIAL_COST_H

#include <stdatomic.h>
#include <stdint.h>

/* The answer comes in tens of microseconds, unless that worker is busy. */
#define DIAL_PATIENCE_MIN_NS UINT64_C(1000000)
#define DIAL_PATIENCE_MAX_NS UINT64_C(20000000)
#define DIAL_DELAY_MAX_NS    UINT64_C(1000000)
enum { DIAL_DELAY_DIALS = 3 };

struct dial_cost {
    _Atomic uint64_t mean_ns; /* 0: none has succeeded yet */
};

/* A dial has succeeded: the way through a proxy and the TLS handshake count. */
void dial_cost_note(struct dial_cost *cost, uint64_t took_ns);

uint64_t dial_cost_patience_ns(const struct dial_cost *cost);

/* For a connection of this worker that is in use: some dials' time, while that is too little to be noticed. The race of
 * 100,000 requests (./dev race), on a busy machine, at 0, 1 and 3 dials: GET 76, 90 and 91 % reused, POST 54, 75 and
 * 86 %, and half the errors at 3. 0: none has succeeded yet. */
uint64_t dial_cost_delay_ns(const struct dial_cost *cost);

#endif
