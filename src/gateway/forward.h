/* forward.h: what of a client's request reaches the backend (KrakenD's rules: headers, query, path, X-Forwarded-*), as
 * pure functions over an arena. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FORWARD_H
#define HOLDFAST_GATEWAY_FORWARD_H

#include "gateway/endpoint.h"
#include "gateway/router.h"
#include "http/head.h"

struct forward_input {
    const struct service *service;
    const struct endpoint *endpoint;
    const struct backend *backend;
    const struct host *host;         /* the one picked */
    const struct http_head *request; /* the client's */
    const struct route_match *match;
    struct str client_ip; /* forward_client_ip's answer */
    bool upgrade;         /* the client asks for a WebSocket: its handshake goes along */
    bool grpc;            /* what gRPC cannot do without goes along */
    bool empty;           /* the request's body is complete: no byte, no trailers */
    bool early;           /* the client's TLS handshake is not done: Early-Data: 1 says so (RFC 8470 5.1) */
};

/* The backend request's head in the arena: method, authority, path with query, headers, body framing (body_bytes: the
 * number when Content-Length is among what is copied, else -1 when a body follows; spec 3.4). A no-op proxy of a whole
 * subtree with "*" headers and query copies slices only. False: no room. */
bool forward_request(struct arena *arena, const struct forward_input *input, struct http_head *out,
                     struct error *err) MUST_USE;

/* What came behind the body of a client's request: fields that the lists would not let pass are taken out. */
void forward_trailers(const struct forward_input *input, struct http_head *trailers);

/* Go's transport asks for gzip by itself when nobody has said Accept-Encoding or Range, but not for HEAD, and not with
 * disable_compression. Proxies of a whole subtree pass everything as it is. */
bool forward_may_ask_for_gzip(const struct backend *backend, const struct http_head *head);
bool forward_ask_for_gzip(struct arena *arena, struct http_head *head, struct error *err) MUST_USE;

/* Go's transport hides what it asked for itself: of an answer with Content-Encoding: gzip that has a body, the head as
 * it will be unpacked. False: nothing was packed, or not by gzip alone. */
bool forward_unpack_head(struct http_head *answer);

/* The client's address by KrakenD's rules: the peer, or from remote_ip_headers when the peer is trusted (everybody by
 * default). */
struct str forward_client_ip(struct arena *arena, const struct router_options *router, const struct http_head *request,
                             const struct addr *peer);

/* A no-op answer's head for the client, from the backend's: status and all end-to-end fields, with X-Krakend and
 * X-Krakend-Completed: false put before. */
bool forward_response(struct arena *arena, const struct service *service, const struct http_head *answer,
                      struct http_head *out, struct error *err) MUST_USE;

#endif
