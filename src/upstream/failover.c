/* failover.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/failover.h"

#include "upstream/resend.h"

/* The host said nothing, or nothing any more; anything else (bad bytes, for example) is an answer of a kind. */
static bool fell_silent(const struct error *failure)
{
    return resend_is_fin(failure) || failure->code == ERROR_RESET || failure->code == ERROR_CLOSED ||
           failure->code == ERROR_RESPONSE_HEADER_TIMEOUT || failure->code == ERROR_DEAD_PATH;
}

bool failover_blames_host(const struct error *failure)
{
    return failure->fault == FAULT_UPSTREAM && failure->code != ERROR_QUEUE_TIMEOUT &&
           failure->code != ERROR_NO_STREAMS &&
           (failure->retry_safe || fell_silent(failure) || failure->code == ERROR_DEADLINE);
}

enum failover failover_decide(const struct failover_evidence *evidence, const struct error *failure)
{
    if (evidence->policy == FAILOVER_OFF || failure->fault != FAULT_UPSTREAM || evidence->answer_seen ||
        !evidence->replayable || !(failure->retry_safe || fell_silent(failure)))
        return FAILOVER_NO;
    if (!evidence->may_have_run)
        return FAILOVER_NEVER_SENT;
    return evidence->idempotent ? FAILOVER_SENT : FAILOVER_NO;
}
