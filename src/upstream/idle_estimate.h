/* idle_estimate.h: conclusions from counted idle ages: where the host's limit stands and what lies safely below it.
 * Pure functions. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_IDLE_ESTIMATE_H
#define HOLDFAST_UPSTREAM_IDLE_ESTIMATE_H

#include "upstream/idle_samples.h"

/* How idle periods ended, by idle age: alive at that age (reuse, own retirement), or closed by the peer. Those that
 * ended at or above an age were at risk there. */
struct idle_evidence {
    uint32_t survived[IDLE_BUCKETS];
    uint32_t closed[IDLE_BUCKETS];
};

/* Is the chance of a close, `closed` of `at_risk`, above `hazard` with 97.5 % certainty (Wilson's lower bound)? */
bool idle_hazard_exceeds(uint64_t closed, uint64_t at_risk, double hazard);

/* The first bucket in which the peer closes: Wilson's lower bound of the hazard is above 1e-3, or at least 3 closes
 * that are more than one in a thousand. IDLE_BUCKETS: none. */
unsigned idle_wall_bucket(const struct idle_evidence *evidence);

/* The upper edge of the highest bucket under `wall` that at least 30 idle periods outlived and none ended in by a
 * close; 0: none. */
uint64_t idle_proven_ns(const struct idle_evidence *evidence, unsigned wall);

/* How many idle periods in a row must outlive the wall before it can be taken as moved up (a chance below 1 % under the
 * old hazard); the surer the wall was, the fewer: 3 to 460. */
uint32_t idle_outlived_needed(const struct idle_evidence *evidence, unsigned wall);

/* How far before the limit the last request must leave: round trip, loop lag, and 2 % of the limit but no less than
 * 20 ms or, for short limits, a quarter. */
uint64_t idle_margin_ns(uint64_t limit_ns, uint64_t rtt_ns, uint64_t lag_ns);

/* The highest idle age at which a connection to a host with this limit may be used: the limit less the margin; a limit
 * of no more than two margins allows immediate reuse only, up to an eighth of it. */
uint64_t idle_usable_ns(uint64_t limit_ns, uint64_t margin_ns);

#endif
