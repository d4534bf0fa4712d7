/* failover.h: a host failed a request: may another host of the set have it? Never when the first may have done what
 * must not be done twice.
 *
 *   never sent     no byte of it can have been read by a host: connects that failed, and what the ladder (resend.h)
 *                  proved                                              any method, free of charge
 *   sent           the host fell silent or broke off before any byte of an answer
 *                                                                      idempotent methods, or an idempotency key;
 *                                                                      within a budget (resend_budget.h)
 *
 * RFC 9110 9.2.2; reliability D.6. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_FAILOVER_H
#define HOLDFAST_UPSTREAM_FAILOVER_H

#include "base/error.h"
#include "upstream/transport.h"

enum failover { FAILOVER_NO, FAILOVER_NEVER_SENT, FAILOVER_SENT };

struct failover_evidence {
    enum failover_policy policy;
    bool may_have_run; /* a host may have read the request */
    bool idempotent;   /* doing it twice does no harm (resend_is_idempotent) */
    bool answer_seen;  /* any byte of an answer came */
    bool replayable;   /* all of the body so far can be given again */
};

enum failover failover_decide(const struct failover_evidence *evidence, const struct error *failure);

/* Does this failure say that the host is sick? Faults of our own machine and full queues do not. */
bool failover_blames_host(const struct error *failure);

#endif
