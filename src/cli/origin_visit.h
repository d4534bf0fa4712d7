/* origin_visit.h: one connection to a test origin. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_VISIT_H
#define HOLDFAST_CLI_ORIGIN_VISIT_H

#include "cli/origin_options.h"
#include "net/stream.h"

/* What all visits of an origin share. */
struct origin_house {
    struct loop *loop;
    struct origin_options options;
    struct list visits;
    uint64_t requests;        /* so far, without those for the ledger */
    bool has_plans;           /* some fault hits single requests */
    bool needs_faulty_stream; /* streams given to visit_new are origin_stream's */
};

/* Serves the stream (taken over) until either side ends it. */
void visit_new(struct origin_house *house, struct stream *stream);

void visits_end(struct origin_house *house); /* cuts all of them off */

#endif
