/* render.h: a decoded backend answer, and what the client gets of it: KrakenD's decoders and renderers, on the JSON
 * tape. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_RENDER_H
#define HOLDFAST_GATEWAY_RENDER_H

#include "gateway/endpoint.h"
#include "http/head.h"

/* What a backend gave, decoded and shaped (spec 4.3 to 4.5). */
struct decoded {
    struct data data; /* an object, or null: Go's nil */
    bool complete;
    size_t bad_at;        /* of a body that cannot be decoded: the byte where it went wrong, */
    const char *bad_text; /* and what is wrong with it, for people; NULL: nothing, or it is our fault */
};

/* Decodes an answer's whole body by the backend's encoding and status rules, and shapes it. False: *err has the text
 * that KrakenD gives
 * ("invalid status code 404 [GET /x/{{.Id}}]: http://h/x/1", Go's JSON errors), code bad_status, bad_body or
 * body_too_large (over 64 MiB unpacked), fault UPSTREAM; or out_of_memory. *error_body has the same text uncut, or with
 * return_error_code the backend's body, and then *status is the backend's, else 0. `host_url` and the head that was
 * sent there are for the text. The body is borrowed for as long as *out. */
bool render_decode(struct arena *arena, const struct backend *backend, struct str host_url,
                   const struct http_head *asked, const struct http_head *answer, struct str body, struct decoded *out,
                   uint16_t *status, struct error *err, struct str *error_body, struct str *error_type) MUST_USE;

/* The client's answer: status 200, headers (X-Krakend, X-Krakend-Completed, Cache-Control, Content-Type) and body text.
 * `shapes` are the worker's, or NULL. */
bool render_answer(struct arena *arena, struct json_shapes *shapes, const struct service *service,
                   const struct endpoint *endpoint, const struct http_head *request, const struct decoded *decoded,
                   struct http_head *head, struct str *body, struct error *err) MUST_USE;

#endif
