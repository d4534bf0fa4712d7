/* tally.h: the endpoints that a process ever had, by method and path: their counters go on when a generation follows
 * that has them too, and stay when none has. For the main thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_TALLY_H
#define HOLDFAST_GATEWAY_TALLY_H

#include "gateway/generation.h"

struct tally_row {
    struct str label, method; /* kept */
};

struct tally;
struct tally *tally_new(void); /* NULL: no memory */
void tally_free(struct tally *tally);

/* Gives each endpoint of a generation that is not served by yet its slot. False: no memory. */
bool tally_number(struct tally *tally, struct generation *generation) MUST_USE;

uint32_t tally_count(const struct tally *tally);
const struct tally_row *tally_row(const struct tally *tally, uint32_t slot);

#endif
