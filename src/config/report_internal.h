/* report_internal.h: what report.c and report_text.c share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_REPORT_INTERNAL_H
#define HOLDFAST_CONFIG_REPORT_INTERNAL_H

#include "config/report.h"

#include "json/write.h"

struct sorted_problem {
    const struct problem *problem;
    size_t rank;        /* in order of finding */
    size_t source_rank; /* sources in order of their first problem, no source first */
};

/* The kept problems by source and place, in the arena. NULL: no room. */
struct sorted_problem *report_sort(const struct report *report, struct arena *arena, size_t *length);

const char *severity_name(enum severity severity);

#endif
