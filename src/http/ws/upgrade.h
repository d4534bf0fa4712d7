/* upgrade.h: the opening handshake of WebSocket (RFC 6455 4), as a proxy sees it: what the client asks for, what the
 * host agrees to, and what both together mean for the frames. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_WS_UPGRADE_H
#define HOLDFAST_HTTP_WS_UPGRADE_H

#include "base/rng.h"
#include "http/head.h"

/* What the frames of both directions are like, by the extensions that were agreed upon. */
struct ws_agreement {
    bool compressed; /* permessage-deflate (RFC 7692) */
    bool other_bits; /* something that we do not know */
};

enum { WS_ACCEPT_BYTES = 28, WS_KEY_BYTES = 24 };

/* Does the request ask for a WebSocket at all? */
bool ws_is_asked(const struct http_head *request);

/* Checks the request of a client that does (RFC 6455 4.2.1). False: *err, fault CLIENT: bad_upgrade; bad_version when
 * it speaks another version than 13. */
bool ws_check_request(const struct http_head *request, struct error *err) MUST_USE;

/* Of the subprotocols that the request offers only these are left, in the client's order; without any, the field goes.
 * False: no room. */
bool ws_narrow_protocols(struct arena *arena, struct http_head *request, const struct str *allowed,
                         size_t count) MUST_USE;

/* Checks an answer of status 101 to that request (RFC 6455 4.1). False: *err, fault UPSTREAM: bad_upgrade. */
bool ws_check_answer(const struct http_head *request, const struct http_head *answer, struct ws_agreement *agreement,
                     struct error *err) MUST_USE;

/* Is it one of the Sec-WebSocket fields, which belong to the handshake and go with it? */
bool ws_is_field(struct str name);

/* A key for a handshake that has none (RFC 8441). It proves to a host's answer that it is no accident, nothing else. */
struct str ws_new_key(struct rng *rng, char out[WS_KEY_BYTES + 1]);

/* What Sec-WebSocket-Accept must say to a key. */
struct str ws_accept(struct str key, char out[WS_ACCEPT_BYTES + 1]);

#endif
