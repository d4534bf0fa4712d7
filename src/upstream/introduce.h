/* introduce.h: tells a host who the client is: the PROXY header that stands in front of all else on a connection
 * (holdfast/upstream send_proxy_protocol). It speaks for the whole connection, which therefore belongs to one client
 * connection (private.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_INTRODUCE_H
#define HOLDFAST_UPSTREAM_INTRODUCE_H

#include "base/arena.h"
#include "net/stream.h"

/* The header in `version` 1 or 2: from `client` to our end of `stream`. When our end is not known, or of another family
 * (the client was named by a proxy), no address stands in its place; a client without an IP address, or NULL, is
 * UNKNOWN or LOCAL. Version 0: empty. data NULL: no memory. */
struct str introduction(struct arena *arena, uint8_t version, const struct addr *client, struct stream *stream);

#endif
