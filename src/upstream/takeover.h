/* takeover.h: a connection whose host has switched protocols leaves its fetch: it is a tunnel from here on, and will
 * never be idle again. Of one that carries many it is the stream alone (RFC 8441): the others go on.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_TAKEOVER_H
#define HOLDFAST_UPSTREAM_TAKEOVER_H

#include "upstream/fetch.h"

struct takeover {
    struct pooled *pooled; /* NULL: none, or it has ended */
    struct http_stream *stream;
};

/* When fetch_head has given a head of status 101. The fetch is over; the stream's owner is the caller's to set, and
 * takeover_end must follow. */
void fetch_take_over(struct fetch *fetch, struct takeover *out);

/* Lets go of the stream and closes the connection, unless it carries others or may; what was not sent is cut off.
 * `side`: who began to end it; `transport` as in pool_return. */
void takeover_end(struct takeover *takeover, const struct transport *transport, enum side side);

#endif
