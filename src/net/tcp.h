/* tcp.h: a stream over a socket of the world (TCP or Unix). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_TCP_H
#define HOLDFAST_NET_TCP_H

#include "net/stream.h"

/* Wraps a connected descriptor (accepted, or connect has ended) and registers it with the loop, once. Reading and
 * writing may be tried at once. Takes fd: it is closed on failure too. NULL with *err. The stream forgets a Unix peer's
 * path. */
struct stream *tcp_stream_new(struct loop *loop, int fd, const struct addr *peer, struct error *err);

/* stream_local_addr of a stream that is known to be one of these. */
bool tcp_local_addr(struct stream *stream, struct addr *addr);

#endif
