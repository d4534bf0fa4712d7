/* tunnel.h: through a forward proxy by CONNECT (RFC 9110 9.3.6): an engine over a stream that is connected to the
 * proxy. It has no clock; whoever runs it has (connect.c). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_TUNNEL_H
#define HOLDFAST_UPSTREAM_TUNNEL_H

#include "base/arena.h"
#include "net/stream.h"

struct tunnel_options {
    struct str target;        /* "name:port", "[v6]:port" */
    struct str authorization; /* of Proxy-Authorization; empty: none is sent */
    struct str proxy;         /* for texts of errors */
};

enum {
    TUNNEL_HEAD_BYTES_MAX = 16384, /* of one answer's head */
    TUNNEL_FIELDS_MAX = 64,        /* in it */
    TUNNEL_INTERIMS_MAX = 5,       /* 1xx before the final answer */
};

struct tunnel;

/* The options' texts are borrowed until it is freed. NULL: no memory. */
struct tunnel *tunnel_new(const struct tunnel_options *options);

/* Moves on over *stream, whose owner is woken when a new try is worth while. IO_OK: all that is written and read on
 * *stream from now on is the target's; it may be another stream than before (unread.h), and needs its owner set.
 * IO_WAIT. IO_FAIL: *err, all retry_safe: proxy_refused (any final answer but 2xx), proxy_broken (not HTTP, too large,
 * too many interim answers, closed before the answer), fault UPSTREAM; those of the stream, and out_of_memory. *stream
 * stays the caller's, but NULL when unread.h has closed it. */
enum io tunnel_step(struct tunnel *tunnel, struct stream **stream, struct error *err);

void tunnel_free(struct tunnel *tunnel); /* NULL is fine */

#endif
