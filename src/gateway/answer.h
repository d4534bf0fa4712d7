/* answer.h: answers that the gateway makes itself: errors, redirects, 404 and 405, built-in endpoints, holdfast/answer.
 * Each fills a head and a body in the arena. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ANSWER_H
#define HOLDFAST_GATEWAY_ANSWER_H

#include "gateway/endpoint.h"
#include "gateway/router.h"
#include "http/head.h"

struct answer {
    struct http_head head;
    struct str body;
    bool close;                 /* the connection cannot go on (malformed request) */
    struct http_head *trailers; /* behind the body, in the arena; NULL: none */
};

struct answer_input {
    struct arena *arena;
    const struct service *service;
    const struct http_head *request; /* NULL when the head could not be read */
    uint64_t wall_ns, uptime_ns;
    bool draining; /* health: not ready for newcomers */
    /* The request that went to a backend, when one failed: KrakenD's texts name it. NULL: none, or not known. */
    const struct http_head *call;
    const struct host *host;
};

/* The text that KrakenD gives for a failed backend request: Get "http://h:1/x": dial tcp h:1: connect: connection
 * refused. The error's own text where KrakenD's is not known. */
struct str answer_error_text(const struct answer_input *input, const struct error *err);

/* For an error: client faults give 400, 408, 413, 414, 417, 431, 501, 505 with Go's form (text/plain, Connection:
 * close); upstream faults give 500, or 502, 503, 504 by cause under error_status precise, with X-Krakend headers and
 * the text as body only under return_error_msg. `status` other than 0 wins; error_body and error_type likewise when
 * data is not NULL (return_error_code). */
void answer_error(const struct answer_input *input, const struct error *err, uint16_t status, struct str error_body,
                  struct str error_type, struct answer *out);

/* 404, 405 with Allow, 301/307 with Location, 400 for a malformed path or parameters (spec 3.2, 3.3, 2.5 error_body).
 * The match is no ROUTE_FOUND. */
void answer_unrouted(const struct answer_input *input, const struct route_match *match, struct answer *out);
void answer_bad_parameter(const struct answer_input *input, struct str text, struct answer *out);

/* /__health, /__debug/, /__echo/ (its body is given), the health service of gRPC (the same), auto OPTIONS,
 * holdfast/answer (spec 2.4). */
void answer_builtin(const struct answer_input *input, const struct endpoint *endpoint, struct str request_body,
                    struct answer *out);

/* Content type of a body that has none, as Go sniffs it (WHATWG, the first 512 bytes). */
struct str answer_sniff(struct str body);

/* "Version 0.1.0", or "Version undefined" under hide_version_header: the value of X-Krakend. */
struct str answer_version(const struct service *service);

#endif
