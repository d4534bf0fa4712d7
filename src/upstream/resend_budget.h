/* resend_budget.h: how much sending again a host may cost. A re-send that came to nothing has made an ill host's work
 * twice as much for no good; when those of the last seconds reach their share of its requests, no more is sent again
 * until the oldest have passed (keepalive D.3, note c; ADR 20).
 *
 * An engine: it is told what came to nothing and how many requests there ever were, and says whether one more is fine.
 * Nothing here knows why a request is sent again. Its clock counts whole seconds: a window of ten covers the current
 * second and the ten before. Requests are noted at the first one of each second; seconds without a note had none.
 *
 * One for each host, and one for the failovers of each backend; any thread, no lock. Each number is exact. Who asks at
 * the same moment in several workers gets the same answer, so the budget may be overdrawn by what is under way.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_RESEND_BUDGET_H
#define HOLDFAST_UPSTREAM_RESEND_BUDGET_H

#include "base/compiler.h"

#include <stdatomic.h>

#define RESEND_BUDGET_NOTE_NS UINT64_C(1000000000)
enum {
    RESEND_BUDGET_WINDOW_MAX_S = 30,
    RESEND_BUDGET_SLOTS = 32, /* seconds that are remembered */

    RESEND_BUDGET_PERCENT = 5, /* defaults */
    RESEND_BUDGET_PER_SECOND = 3,
    RESEND_BUDGET_WINDOW_S = 10,
};

/* What is allowed: the greater of the two. */
struct resend_budget_rule {
    uint32_t percent;    /* of the requests in the window; 100 or more: there is no budget */
    uint32_t per_second; /* of the window, whatever the requests */
    uint32_t window_s;   /* at most RESEND_BUDGET_WINDOW_MAX_S; 0: there is no budget */
};

/* Zeroed: nothing was spent. What each request reads stands last, where a host has more of that kind (host.h). */
struct resend_budget {
    _Atomic uint64_t spent; /* ever */
    /* By second: its number plus 1 in the upper half, so that an old one is not taken for it. */
    _Atomic uint64_t spent_in[RESEND_BUDGET_SLOTS];
    /* The same in the upper 24 bits; below the requests there had ever been at its first note. */
    _Atomic uint64_t requests_at[RESEND_BUDGET_SLOTS];
    _Atomic uint64_t noted_ns; /* the end of the last note's second, which is part of it; 0: none is noted */
};

/* Is it time for resend_budget_note? For each request, before it is counted; also true when the clock went back. */
static inline bool resend_budget_is_due(const struct resend_budget *budget, uint64_t now_ns)
{
    return atomic_load_explicit(&budget->noted_ns, memory_order_relaxed) - now_ns >= RESEND_BUDGET_NOTE_NS;
}

/* `requests`: sent to the host ever. */
void resend_budget_note(struct resend_budget *budget, uint64_t requests, uint64_t now_ns);

bool resend_budget_allows(const struct resend_budget *budget, const struct resend_budget_rule *rule, uint64_t requests,
                          uint64_t now_ns) MUST_USE;

/* One came to nothing. */
void resend_budget_spend(struct resend_budget *budget, uint64_t now_ns);

/* Both, where each one counts whatever becomes of it. False: it is not allowed. */
bool resend_budget_take(struct resend_budget *budget, const struct resend_budget_rule *rule, uint64_t requests,
                        uint64_t now_ns) MUST_USE;

#endif
