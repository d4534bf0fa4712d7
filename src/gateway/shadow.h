/* shadow.h: requests that are sent beside a client's own, and whose answers nobody waits for (spec 4.12).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SHADOW_H
#define HOLDFAST_GATEWAY_SHADOW_H

#include "gateway/compose.h"

enum { SHADOWS_MAX = 256 }; /* default of max_shadows */

/* Copies the request and sends it to the shadows of the endpoint. It outlives the exchange and does not care whether
 * the client stays. Without memory, or beyond max_shadows, nothing is sent. */
void shadow_start(const struct composition_input *input);

/* Ends all that run, before the worker goes. */
void shadows_end(struct frontend *frontend);

#endif
