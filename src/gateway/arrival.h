/* arrival.h: what an accepted connection goes through before it is a client: the TLS handshake, under its clock and
 * within its limits. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ARRIVAL_H
#define HOLDFAST_GATEWAY_ARRIVAL_H

#include "gateway/frontend.h"

/* Takes the stream of a listener with TLS, and the voucher. Once it is secured it becomes a client (client.c); what
 * fails is closed and counted. At max_handshakes the oldest yields. */
void arrival_new(struct frontend *frontend, struct stream *stream, const struct door_options *door,
                 struct voucher *voucher);

/* The same for one that entered no crowd: when it is secured it hears that it is refused, and that is all. */
void arrival_refuse(struct frontend *frontend, struct stream *stream, const struct door_options *door);

void arrivals_cut(struct frontend *frontend); /* closes all */

#endif
