/* leg.h: one backend of a composition, with its tries. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_LEG_H
#define HOLDFAST_GATEWAY_LEG_H

#include "gateway/compose.h"

struct leg {
    struct composition_input *input; /* of the composition */
    const struct backend *backend;
    struct exchange *tries;
    unsigned try_count, tries_open;
    bool done;
    uint32_t arrived;       /* when done: its place among all */
    uint32_t *arrivals;     /* of the composition: how many are done */
    struct outcome outcome; /* when done; an answer and an error of different tries may both be there */
    struct str body;        /* of a no-op backend: what it answered */
};

/* Starts `tries` equal requests; they are over at deadline_ns. False: no memory. */
bool leg_start(struct leg *leg, unsigned tries, uint64_t deadline_ns) MUST_USE;

/* Ends what still runs; with an error when there is neither an answer nor an error. */
void leg_expire(struct leg *leg);

/* Lets go of all that the tries hold. Once it is over for good. */
void leg_end(struct leg *leg);

#endif
