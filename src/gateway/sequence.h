/* sequence.h: what later backends of a sequence get of earlier answers: {resp0_a.b} in their url_pattern and
 * sequential_propagated_params (spec 4.8). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SEQUENCE_H
#define HOLDFAST_GATEWAY_SEQUENCE_H

#include "gateway/endpoint.h"
#include "gateway/router.h"

struct leg;

/* Compiles what each backend of the endpoint wants. False: no room. */
bool sequence_compile(struct arena *arena, struct endpoint *endpoint) MUST_USE;

/* Adds parameters to the match for what the backend at `index` wants of the legs before it, as far as it is there.
 * False: no room. */
bool sequence_fill(struct arena *arena, const struct sequence *sequence, const struct leg *legs, size_t index,
                   struct route_match *match) MUST_USE;

/* "resp12_a.b" or "Resp12": the number, and what stands behind the line below (empty: nothing). False: no such name. */
bool sequence_name(struct str name, uint32_t *backend, struct str *path);

/* A value as Go prints it: elements of an array joined by commas, null as <nil>, objects as map[a:1 b:2]. data NULL: no
 * room. */
struct str sequence_text(struct arena *arena, struct data value);

#endif
