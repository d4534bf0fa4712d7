/* spread.h: new connections go to the worker that has fewest.
 *
 * The kernel chooses a worker by a hash of the addresses (SO_REUSEPORT) and knows nothing of how many connections each
 * of them holds; a Unix socket has the first worker only. Chance, a pause of one worker, or clients that stay of their
 * own kind leave one with far more than the others. A worker that is so much ahead gives what it accepts, before a byte
 * of it is read, to the one with fewest by letter; so does one that has reached its share of max_connections. What is
 * open stays where it is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SPREAD_H
#define HOLDFAST_GATEWAY_SPREAD_H

#include "gateway/frontend.h"

/* How far ahead a worker with so many is of one with `fewest` before it gives: SPREAD_SLACK and an eighth. */
enum { SPREAD_SLACK = 16 };
bool spread_is_uneven(uint64_t count, uint64_t fewest);

bool spread_open(struct frontend *frontend) MUST_USE; /* false: no memory */
void spread_free(struct frontend *frontend);

/* Tells the others how many connections there are here. */
void spread_note(struct frontend *frontend);

/* Would an accepted connection be given away now? */
bool spread_can_pass(const struct frontend *frontend);

/* Gives away an accepted connection if others have far fewer. False: it stays here. */
bool spread_pass(struct frontend *frontend, struct stream *stream, const struct door_options *door) MUST_USE;

#endif
