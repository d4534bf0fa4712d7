/* pair.h: two in-memory streams joined back to back, for tests of what runs over a stream. Bounded like a socket: each
 * direction holds `room` bytes, then writing answers IO_WAIT. Closing follows TCP: with unread bytes it resets, and a
 * reset destroys what the other end has not read. What one end writes can be read at the other at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_PAIR_H
#define HOLDFAST_NET_PAIR_H

#include "net/stream.h"

/* Makes both ends on one loop. False: no memory. */
bool pair_new(struct loop *loop, size_t room, struct stream **a, struct stream **b) MUST_USE;

/* From now on each read and write moves at most `bytes` (0: no limit): short reads and writes on purpose. */
void pair_limit(struct stream *end, size_t bytes);

#endif
