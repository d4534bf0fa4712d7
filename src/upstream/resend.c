/* resend.c: the evidence ladder's first rungs. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/resend.h"

static bool died_without_answer(const struct error *failure)
{
    return failure->code == ERROR_NO_ANSWER || failure->code == ERROR_RESET || failure->code == ERROR_CLOSED;
}

bool resend_is_safe(const struct http_head *head, const struct resend_evidence *evidence, const struct error *failure)
{
    if (evidence->resends > 0 || evidence->answer_seen || head->body_bytes != 0 || !died_without_answer(failure))
        return false;
    /* E0: not a retry at all; the connection was dead before anything left. */
    if (evidence->bytes_sent == 0)
        return true;
    /* E3: the idle-close race. A fresh connection that dies without an answer tells of a sick host instead (E5). */
    return evidence->reused && method_is_idempotent(head->method);
}
