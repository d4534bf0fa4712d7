/* unread.h: a stream with bytes put back in front of it, which somebody had to read to find the end of something else.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_UNREAD_H
#define HOLDFAST_UPSTREAM_UNREAD_H

#include "net/stream.h"

/* Wraps `under`, whose owner becomes nobody; who sets the next one is woken for `bytes`, which are copied and come
 * before all else. Takes `under`: it is closed on failure too. NULL with *err: out_of_memory. */
struct stream *unread_stream(struct stream *under, struct str bytes, struct error *err);

#endif
