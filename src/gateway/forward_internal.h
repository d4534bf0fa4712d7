/* forward_internal.h: the parts of a request for a backend, each in its file. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FORWARD_INTERNAL_H
#define HOLDFAST_GATEWAY_FORWARD_INTERNAL_H

#include "gateway/forward.h"

/* forward_headers.c: fills out->headers and what framing follows from them. False: no room. */
bool forward_headers(struct arena *arena, const struct forward_input *input, struct http_head *out) MUST_USE;

/* forward_query.c: the client's query as the backend gets it, encoded anew and sorted; empty when nothing passes. data
 * NULL: no room. */
struct str forward_query(struct arena *arena, const struct forward_input *input);

/* forward_path.c: path and query. data NULL: no room. */
struct str forward_path(struct arena *arena, const struct forward_input *input);

/* The query of a request's path, without its '?'; empty when there is none. */
static inline struct str path_query(struct str path)
{
    return str_from_offset(path, str_find_char(path, '?') + 1);
}

#endif
