/* tcp_internal.h: a tcp stream that is still connecting; for dial.c and its tests only.
 *
 * The stream that connects is the one that carries the data later, so a descriptor is registered once in its life.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_TCP_INTERNAL_H
#define HOLDFAST_NET_TCP_INTERNAL_H

#include "net/tcp.h"

/* Opens a socket (kind and family of `options` are set here), starts connecting it to `peer` and registers it. `owner`
 * is woken when tcp_stream_connected has news. NULL with *err: connect_refused and the like, out_of_files,
 * out_of_memory. */
struct stream *tcp_stream_connect(struct loop *loop, const struct addr *peer, const struct socket_options *options,
                                  struct task *owner, struct error *err);

/* IO_OK: connected, from now on it is a stream like any other; IO_WAIT; IO_FAIL: *err, and the stream is good for
 * stream_close only. */
enum io tcp_stream_connected(struct stream *stream, struct error *err);

#endif
