/* strayer.h: an origin whose answers are fine, and which then says bytes that nobody has asked for: in the segment of
 * the answer's end, cut at any byte, or 0 to 200 ms later on the idle connection; behind a length, the last chunk, 204,
 * 304, and the answer to HEAD (keepalive F-16). It never says them when a request has come, or is about to: nobody
 * could tell them from its answer. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_SIM_STRAYER_H
#define HOLDFAST_SIM_STRAYER_H

#include "sim/sim.h"

#define SIM_STRAYER_MARK "STRAY" /* in all of these bytes; in no answer */

/* On a loop of the sim (sim_loop_new). It answers GET and HEAD of /KIND/ID with "answer ID": KIND is "length",
 * "chunked", "204" or "304". After each `percent` of a hundred answers it says too much. */
struct sim_strayer;
struct sim_strayer *sim_strayer_new(struct sim *sim, struct loop *loop, uint16_t port, uint32_t percent);
void sim_strayer_free(struct sim_strayer *strayer);

unsigned sim_strayer_idle(const struct sim_strayer *strayer);     /* times on an idle connection */
unsigned sim_strayer_together(const struct sim_strayer *strayer); /* times in a segment with bytes of the answer */

#endif
