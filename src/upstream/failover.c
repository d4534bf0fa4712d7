/* failover.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/failover.h"

/* The host said nothing, or nothing any more; anything else (bad bytes, for example) is an answer of a kind. */
static bool fell_silent(const struct error *failure)
{
    return failure->code == ERROR_NO_ANSWER || failure->code == ERROR_RESET || failure->code == ERROR_CLOSED ||
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

/* Workers may meet at the turn of a window; the budget is then a few off, which does no harm. */
static void turn_window(struct failover_budget *budget, uint64_t requests, uint64_t now_ns)
{
    atomic_store_explicit(&budget->window_began_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&budget->requests_before, requests, memory_order_relaxed);
    atomic_store_explicit(&budget->used, 0, memory_order_relaxed);
}

bool failover_take(struct failover_budget *budget, uint64_t requests, uint64_t now_ns)
{
    uint64_t began_ns = atomic_load_explicit(&budget->window_began_ns, memory_order_relaxed), in_window;

    if (began_ns == 0 || now_ns >= began_ns + FAILOVER_WINDOW_NS)
        turn_window(budget, requests, now_ns);
    in_window = requests - atomic_load_explicit(&budget->requests_before, memory_order_relaxed);
    if ((int64_t)in_window < 0)
        in_window = 0;
    if (atomic_fetch_add_explicit(&budget->used, 1, memory_order_relaxed) <
        FAILOVER_ALWAYS + in_window * FAILOVER_PERCENT / 100)
        return true;
    atomic_fetch_sub_explicit(&budget->used, 1, memory_order_relaxed);
    return false;
}
