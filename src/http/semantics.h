/* semantics.h: what the fields of a head mean for the connection it came on: how long its body is, what stays on this
 * hop, whether the connection goes on. The one place for rules against smuggling; the grammar of bytes is checked
 * before, by h1/parse.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_SEMANTICS_H
#define HOLDFAST_HTTP_SEMANTICS_H

#include "http/head.h"

struct http_framing {
    bool close, keep_alive; /* Connection says so */
    bool chunked;           /* the body is chunked */
    bool until_close;       /* response: the body ends when the connection does */
    bool suspect; /* response that can have no body, with fields that announce one: not to be trusted further */
    int32_t hint_timeout_s, hint_max; /* response: the Keep-Alive field; -1: not there */
};

/* Checks and understands a request's fields (RFC 9112 3.2, 6): fills authority (unless the target brought it),
 * body_bytes, announced_bytes and expect_continue, and takes out Host, hop-by-hop and framing fields but
 * Content-Length. False: *err, fault CLIENT: bad_host, bad_framing, bad_coding. */
bool semantics_request(struct http_head *head, struct http_framing *framing, struct error *err) MUST_USE;

/* The same for a response. `no_body`: it answers HEAD. Fault UPSTREAM. */
bool semantics_response(struct http_head *head, bool no_body, struct http_framing *framing, struct error *err) MUST_USE;

/* Of a request without a body: does Content-Length say so? Who sends bodies says how long they are, also when they are
 * empty; for other methods silence means that there is none (RFC 9110 8.6). */
static inline bool semantics_says_empty(const struct http_head *head)
{
    return str_eq(head->method, STR("POST")) || str_eq(head->method, STR("PUT")) ||
           str_eq(head->method, STR("PATCH")) || head->announced_bytes == 0;
}

/* Takes out of trailers what may not stand there (RFC 9110 6.5.1): framing, routing, authentication, cookies, and what
 * tells how to read the content. */
void semantics_trailers(struct http_head *head);

/* uri-host [":" port] of RFC 9112 3.2 with a port up to 65535; no user, no list, no 8-bit bytes. Empty is valid. */
bool authority_is_valid(struct str authority);

/* Is the field written, or taken out, by each hop for itself? True for framing fields too, but not for Trailer, which
 * only announces (RFC 9110 6.6.2). */
bool header_is_hop_by_hop(enum header_id id);

#endif
