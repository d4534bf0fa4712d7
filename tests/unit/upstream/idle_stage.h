/* idle_stage.h: what tests of the learned idle limit say of a host: closes, survivals, and what may be used then.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_UPSTREAM_IDLE_STAGE_H
#define HOLDFAST_TESTS_UNIT_UPSTREAM_IDLE_STAGE_H

#include "upstream/idle_limit.h"

#define MS  UINT64_C(1000000)
#define SEC UINT64_C(1000000000)

struct idle_limit_view view_of(struct idle_limit *limit);
struct idle_limit *limit_new(unsigned workers);

void survive(struct idle_limit *limit, uint64_t idle_ns, unsigned times);

/* By the peer, beside 100 idle connections: no restart. Its idle age may have been less by `doubt_ns`. */
enum close_class doubtful_close(struct idle_limit *limit, uint64_t now_ns, uint64_t idle_ns, uint64_t doubt_ns);
enum close_class peer_close(struct idle_limit *limit, uint64_t now_ns, uint64_t idle_ns);
void closes(struct idle_limit *limit, uint64_t idle_ns, unsigned times); /* a second apart, each for its idle time */

/* What the pick says of a connection of the present generation. */
enum idle_use use(struct idle_limit *limit, uint64_t idle_ns, bool idempotent);

#endif
