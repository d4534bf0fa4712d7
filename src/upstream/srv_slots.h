/* srv_slots.h: from SRV records to the list of hosts that requests are balanced over, by KrakenD's rules. Only the
 * records of the best priority count; each stands in the list as often as its weight says, with weights brought down so
 * that the list is short. When all weights are zero nobody serves. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_SRV_SLOTS_H
#define HOLDFAST_UPSTREAM_SRV_SLOTS_H

#include "base/rng.h"
#include "net/resolve_srv.h"

enum { SRV_SLOTS_MAX = SRV_RECORDS_MAX }; /* most that srv_slots writes */

/* Sorts the records, and fills `slots` (room for SRV_SLOTS_MAX) with places in them; returns how many. A list of more
 * than 100 is shuffled. */
uint32_t srv_slots(struct srv_answer *answer, struct rng *rng, uint16_t *slots);

#endif
