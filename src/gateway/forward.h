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
};

/* The backend request's head in the arena: method, authority, path with query, headers, body framing (body_bytes: the
 * number when Content-Length is among what is copied, else -1 when a body follows; spec 3.4). A no-op proxy of a whole
 * subtree with "*" headers and query copies slices only. False: no room. */
bool forward_request(struct arena *arena, const struct forward_input *input, struct http_head *out,
                     struct error *err) MUST_USE;

/* The client's address by KrakenD's rules: the peer, or from remote_ip_headers when the peer is trusted (everybody by
 * default). */
struct str forward_client_ip(struct arena *arena, const struct router_options *router, const struct http_head *request,
                             const struct addr *peer);

/* A no-op answer's head for the client, from the backend's: status and all end-to-end fields, with X-Krakend and
 * X-Krakend-Completed: false put before. */
bool forward_response(struct arena *arena, const struct service *service, const struct http_head *answer,
                      struct http_head *out, struct error *err) MUST_USE;

#endif
