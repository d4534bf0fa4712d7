/* greeting.h: what an accepted connection goes through first: its PROXY header, if its listener wants one, and whether
 * its address has room for one more. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GREETING_H
#define HOLDFAST_GATEWAY_GREETING_H

#include "gateway/frontend.h"

/* Takes the stream, which goes on to TLS (`tls` not NULL) or becomes a client, or is refused and counted. */
void greeting_new(struct frontend *frontend, struct stream *stream, const struct door_options *door);

/* What a connection over max_connections_per_ip hears. HTTP/2 has no request yet that could be answered: a GOAWAY says
 * that none was processed (RFC 9113 6.8). */
struct iovec greeting_refusal(bool h2);

void greetings_cut(struct frontend *frontend); /* closes all */

/* What counts as its address under the limits for each: the network that it stands for. ADDR_NONE: it has none. */
struct addr greeting_address(const struct frontend *frontend, const struct addr *peer);

/* A connection that entered has closed: its address has room again. */
void greeting_leave(struct frontend *frontend, const struct addr *peer);

#endif
