/* parse.h: the bytes of a whole HTTP/1 head as a struct http_head: the grammar of RFC 9112 and nothing more. What the
 * fields mean is told by http/semantics.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_PARSE_H
#define HOLDFAST_HTTP_H1_PARSE_H

#include "http/h1/scan.h"
#include "http/head.h"

enum {
    H1_LINE_BYTES_MAX = 8192, /* request line or status line without CR LF */
    H1_NAME_BYTES_MAX = 1024,
    H1_FIELDS_MAX = 256,
};

struct h1_parse {
    const struct h1_scanner *scanner;
    struct arena *arena;
    uint32_t fields_max;
};

/* Each takes all of `text`, from the first byte to the empty line that ends it. Names and values are slices of it, so
 * it must live as long as the head; the array of fields is in the arena. False with *err: bad_request_line,
 * bad_version, bad_target, target_too_long, bad_status_line, bad_field, head_too_large, out_of_memory. */

/* Fills method, scheme, authority (of absolute form or CONNECT), path, version_minor and all fields. Fault CLIENT. */
bool h1_parse_request(const struct h1_parse *parse, struct str text, struct http_head *head,
                      struct error *err) MUST_USE;

/* Fills status, version_minor and all fields. Fault UPSTREAM. */
bool h1_parse_response(const struct h1_parse *parse, struct str text, struct http_head *head,
                       struct error *err) MUST_USE;

/* Fills the fields. `parse->arena` NULL: they are only checked. */
bool h1_parse_trailers(const struct h1_parse *parse, struct str text, enum fault fault, struct http_head *head,
                       struct error *err) MUST_USE;

#endif
