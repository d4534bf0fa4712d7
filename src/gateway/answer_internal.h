/* answer_internal.h: what the files that make answers share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ANSWER_INTERNAL_H
#define HOLDFAST_GATEWAY_ANSWER_INTERNAL_H

#include "gateway/answer.h"

/* An empty answer. */
void answer_begin(struct answer *out, uint16_t status);
void answer_add(const struct answer_input *input, struct answer *out, enum header_id id, struct str value);
void answer_set_body(struct answer *out, struct str body);

/* X-Krakend, and X-Krakend-Completed: false. */
void answer_add_krakend(const struct answer_input *input, struct answer *out, bool with_completed);

/* answer_redirect.c */
void answer_redirect(const struct answer_input *input, const struct route_match *match, struct answer *out);

#endif
