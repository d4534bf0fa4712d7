/* outcome.h: what backends came to, in the terms of KrakenD's proxies: an answer, an error, or both.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_OUTCOME_H
#define HOLDFAST_GATEWAY_OUTCOME_H

#include "gateway/render.h"

struct outcome {
    bool answered;
    struct decoded answer; /* when answered */
    bool merged;           /* its Data is a node made for it, in which nobody else looks */
    struct error error;    /* fault NONE: there was none */
    bool starved;          /* memory of ours was lacking for one of several */
    struct str text;       /* of the error, uncut; of several, a line for each */
    uint16_t status;       /* that the error carries, else 0 */
    struct str type;       /* Content-Type of the text, when the error carries one */
};

/* Another answer over the one that is there: top-level names of the later win, and it is complete only when both are
 * and both have Data. False: no room. */
bool outcome_merge(struct arena *arena, struct outcome *outcome, const struct decoded *answer) MUST_USE;

/* Another error behind those that are there. An answer is not complete then. */
void outcome_add_error(struct arena *arena, struct outcome *outcome, const struct error *error, struct str text);

/* proxy.static of the endpoint (spec 4.11): where its strategy fits, its data goes over the answer, and where there is
 * no answer for want of something other than our memory it becomes one. False: no room. */
bool outcome_apply_static(struct arena *arena, const struct endpoint *endpoint, struct outcome *outcome) MUST_USE;

#endif
