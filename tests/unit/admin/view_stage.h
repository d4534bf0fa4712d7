/* view_stage.h: what admin pages are made from, without a gateway: a generation of a configuration in the test's text,
 * hosts, and the numbers of workers that nobody runs. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_ADMIN_VIEW_STAGE_H
#define HOLDFAST_TESTS_UNIT_ADMIN_VIEW_STAGE_H

#include "admin/pages.h"
#include "gateway/generation.h"
#include "harness/test.h"
#include "upstream/resend.h"

enum { STAGE_WORKERS = 3 };

struct view_stage {
    struct hosts *hosts;
    struct generation *generation;
    struct frontend workers[STAGE_WORKERS];
    const struct frontend *frontends[STAGE_WORKERS];
    bool draining;
    struct admin_listener *listeners; /* of the generation's, each at a port of its own from 8001 on */
    struct admin_view view;
};

/* A gateway with two endpoints and two hosts. */
void view_stage_open(struct view_stage *stage);
void view_stage_open_with(struct view_stage *stage, const char *config);
void view_stage_close(struct view_stage *stage);

/* Counts `number` answers of an endpoint at a worker. */
void view_stage_answers(struct view_stage *stage, unsigned worker, const char *label, unsigned status, uint64_t number);

/* The numbers of a host at a worker, for the test to set. */
struct host_counts *view_stage_host(struct view_stage *stage, unsigned worker, const char *url);

/* Counts at a host's worker as pool and fetch do: the total first, then the ledger. */
void view_stage_new(struct host_counts *counts, enum reason reason, uint64_t number);
void view_stage_closed(struct host_counts *counts, enum reason reason, enum side side, uint64_t number);
void view_stage_resent(struct host_counts *counts, enum resend rung, uint64_t number);

/* The page for a request, from the test's arena. */
struct page view_stage_page(struct view_stage *stage, const char *method, const char *path);

#endif
