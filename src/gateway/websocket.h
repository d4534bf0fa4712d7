/* websocket.h: a WebSocket between a client (a connection, or a stream of HTTP/2) and a host, from the 101 on: frames
 * pass both ways at the pace of the slower side, control frames are looked at, heartbeats and closes of ours stand
 * between them (RFC 6455).
 *
 * A tunnel is what is left of an exchange whose arena has gone: small while nothing passes. It belongs to its client
 * and ends by itself, or with it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_WEBSOCKET_H
#define HOLDFAST_GATEWAY_WEBSOCKET_H

#include "gateway/exchange.h"

struct websocket;

/* The host has answered 101 to an exchange that asks for a WebSocket: checks the answer, sends it on, and takes over
 * the client's stream and the connection to the host. False: the exchange's error is filled. */
bool websocket_begin(struct exchange *exchange) MUST_USE;

/* Both sides are told that we go away (1001), at the next place between two frames. */
void websockets_leave(struct client *client);

/* Ends the client's tunnels now; both sides see a cut. */
void websockets_cut(struct client *client);

/* Slots of the close codes in frontend_counts: 1000 to 1015 each, then 3000 to 3999 and 4000 to 4999. */
const char *websocket_code_name(unsigned slot); /* "1001", "3xxx" */

#endif
