/* resend.c: the evidence ladder. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/resend.h"

#include "base/assert.h"

bool resend_is_fin(const struct error *failure)
{
    return failure->code == ERROR_NO_ANSWER || failure->code == ERROR_TLS_TRUNCATED;
}

static bool died_without_answer(const struct resend_evidence *evidence, const struct error *failure)
{
    if (evidence->alive)
        return false;
    return resend_is_fin(failure) || failure->code == ERROR_GOAWAY || failure->code == ERROR_RESET ||
           failure->code == ERROR_CLOSED || failure->code == ERROR_DEAD_PATH;
}

bool resend_is_idempotent(const struct http_head *head)
{
    return method_is_idempotent(head->method) || headers_get(&head->headers, STR("Idempotency-Key")).len > 0 ||
           headers_get(&head->headers, STR("X-Idempotency-Key")).len > 0;
}

/* An orderly end with all of the request unacknowledged may be proved; a reset proves nothing (keepalive D.4, C and F).
 */
static bool kernel_may_know(const struct resend_evidence *evidence, const struct error *failure)
{
    return evidence->policy == RESEND_UNACKED && evidence->proof == PROOF_NOT_ASKED && resend_is_fin(failure);
}

static enum resend climb(const struct http_head *head, const struct resend_evidence *evidence,
                         const struct error *failure)
{
    uint8_t refused_max = evidence->has_others ? RESEND_AT_ONCE_MAX : RESEND_REFUSED_MAX;

    if (evidence->refused && evidence->resends < refused_max && evidence->replayable)
        return evidence->in_order ? RESEND_GOAWAY : RESEND_REFUSED;
    if (evidence->resends > 0 || evidence->answer_seen || !evidence->replayable ||
        !died_without_answer(evidence, failure))
        return RESEND_NO;
    if (evidence->bytes_sent == 0)
        return RESEND_NOTHING_LEFT;
    /* A fresh connection that dies without an answer tells of a sick host, not of the idle-close race (E5). */
    if (!evidence->reused || evidence->policy == RESEND_OFF)
        return RESEND_NO;
    if (evidence->proof == PROOF_UNREAD)
        return RESEND_UNREAD;
    if (resend_is_idempotent(head))
        return RESEND_IDEMPOTENT;
    return kernel_may_know(evidence, failure) ? RESEND_ASK_KERNEL : RESEND_NO;
}

bool resend_is_refusal(enum resend rung)
{
    return rung == RESEND_REFUSED || rung == RESEND_GOAWAY;
}

uint64_t resend_pause_ns(uint8_t resends, struct rng *rng)
{
    uint64_t whole_ns;

    if (resends < RESEND_AT_ONCE_MAX)
        return 0;
    whole_ns = (uint64_t)RESEND_PAUSE_NS << (resends - RESEND_AT_ONCE_MAX);
    return whole_ns - rng_below(rng, whole_ns / 2);
}

/* What had not left is no re-send, and a host that ends connections in order is not ill. */
bool resend_takes_budget(enum resend rung)
{
    return rung != RESEND_NO && rung != RESEND_NOTHING_LEFT && rung != RESEND_GOAWAY;
}

enum resend resend_decide(const struct http_head *head, const struct resend_evidence *evidence,
                          const struct error *failure)
{
    enum resend rung = climb(head, evidence, failure);

    return evidence->budget_spent && resend_takes_budget(rung) ? RESEND_NO : rung;
}

const char *resend_name(enum resend rung)
{
    static const char *const names[] = {"no",      "nothing_left", "unread",      "idempotent",
                                        "refused", "goaway",       "misdirected", "ask_kernel"};

    ASSERT(rung < RESEND_COUNT);
    return names[rung];
}

const char *resend_end_name(enum resend_end end)
{
    static const char *const names[] = {"answered", "failed", "gone"};

    ASSERT(end < RESEND_ENDS);
    return names[end];
}

enum resend_refusal resend_refusal(const struct http_head *head, const struct resend_evidence *evidence,
                                   const struct error *failure)
{
    ASSERT(resend_decide(head, evidence, failure) == RESEND_NO ||
           resend_decide(head, evidence, failure) == RESEND_ASK_KERNEL);
    if (evidence->budget_spent && resend_takes_budget(climb(head, evidence, failure)))
        return REFUSAL_BUDGET_SPENT;
    if (evidence->resends > 0)
        return REFUSAL_ALREADY_RESENT;
    if (evidence->answer_seen)
        return REFUSAL_ANSWER_BEGUN;
    if (!evidence->replayable)
        return REFUSAL_BODY_NOT_REPLAYABLE;
    if (!died_without_answer(evidence, failure))
        return REFUSAL_NOT_A_CLOSE;
    if (!evidence->reused)
        return REFUSAL_FRESH_CONNECTION;
    if (evidence->policy == RESEND_OFF)
        return REFUSAL_RESEND_OFF;
    return evidence->policy == RESEND_UNACKED ? REFUSAL_RESET_UNPROVEN : REFUSAL_NOT_IDEMPOTENT;
}

const char *resend_refusal_name(enum resend_refusal refusal)
{
    static const char *const names[] = {
#define REFUSAL(identifier, name, help) name,
#include "upstream/refusals.def"
#undef REFUSAL
    };

    ASSERT(refusal < REFUSALS);
    return names[refusal];
}
