/* grace.h: how much longer than promised idle clients are waited for, learned from requests that came too late.
 *
 * Keep-Alive: timeout= says until when a client may begin its next request; what it begins at the last moment still has
 * to travel, and some clients look at other clocks. A request that meets our close tells how late it was. While more
 * than one idle close in 100,000 meets one, the grace is what 99 of 100 of them would have needed, between one second
 * and five. It counts for one worker; old news fades. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GRACE_H
#define HOLDFAST_GATEWAY_GRACE_H

#include "base/compiler.h"

enum { GRACE_STEPS = 8 };

struct grace { /* zeroed: nothing has been seen */
    uint32_t idle_closes, late;
    uint32_t late_by[GRACE_STEPS + 1]; /* upper bounds in grace.c; the last is for all beyond */
};

/* A connection was closed as idle. `late_ns`: how long after the end of the promise a request came all the same; 0:
 * none did. */
void grace_note(struct grace *grace, uint64_t late_ns);

/* How much longer than promised to wait from now on. */
uint64_t grace_ns(const struct grace *grace);

#endif
