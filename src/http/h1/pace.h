/* pace.h: how slow a peer may be, as a purse of time. Waiting for the peer spends it, bytes that move fill it again. So
 * a pause is forgiven to who was fast before, up to the purse's size, and a trickle is not forgiven to anybody.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_PACE_H
#define HOLDFAST_HTTP_H1_PACE_H

#include <stdint.h>

struct pace_limit {
    uint64_t gap_ns; /* longest wait for a byte, and the size of the purse (at least 5 s with a rate); 0: no limit */
    uint64_t rate;   /* bytes that fill the purse by a second, below 2^34; 0: any byte fills it wholly */
};

struct pace {
    uint64_t since_ns; /* since when somebody waits; 0: nobody does */
    uint64_t left_ns;  /* in the purse */
};

void pace_begin(struct pace *pace, const struct pace_limit *limit); /* nobody waits, the purse is full */
void pace_wait(struct pace *pace, uint64_t now_ns);                 /* from now on, or still */
/* So many bytes moved: nobody waits. */
void pace_move(struct pace *pace, const struct pace_limit *limit, uint64_t bytes, uint64_t now_ns);
/* Of what has a beginning and no pauses that are forgiven: when is it too slow, if it has come to so many bytes since?
 * UINT64_MAX: any pace will do. */
uint64_t pace_since(uint64_t begun_ns, uint64_t bytes, uint64_t rate);
uint64_t pace_deadline(const struct pace *pace, const struct pace_limit *limit); /* UINT64_MAX: none */

#endif
