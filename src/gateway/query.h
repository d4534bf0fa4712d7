/* query.h: query strings as Go's url.Values reads and writes them: parameters taken apart, sorted by name and encoded
 * again. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_QUERY_H
#define HOLDFAST_GATEWAY_QUERY_H

#include "base/arena.h"

/* A header's field too: Go's url.Values and http.Header are the same map of lists. */
struct query_param {
    struct str name, value; /* decoded */
    size_t order;           /* keeps equal names in the order they came */
};

/* A name or a value without its escapes. False: an escape is malformed, or no room. */
bool query_decode(struct arena *arena, struct str text, struct str *out);

/* The name of a piece between two '&', and its value as it came; `order` is the caller's. False: Go drops it (empty,
 * with a ';', malformed), or no room. */
bool query_read_name(struct arena *arena, struct str piece, struct query_param *param);

/* Then decodes the value of one that is wanted. False: Go drops it, or no room. */
bool query_read_value(struct arena *arena, struct query_param *param);

/* By name, equal names by `order`. */
void query_sort(struct query_param *params, size_t count);

/* Each as name=value, in their order. data NULL: no room. */
struct str query_encode(struct arena *arena, const struct query_param *params, size_t count);

#endif
