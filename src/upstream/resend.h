/* resend.h: may this request be sent again? The evidence ladder; in this version its first
 * rungs: nothing left (E0), and a kept connection that died without an answer to an idempotent request without a body
 * (E3), once. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_RESEND_H
#define HOLDFAST_UPSTREAM_RESEND_H

#include "http/head.h"

struct resend_evidence {
    bool reused;         /* the connection had carried a request before */
    bool answer_seen;    /* any byte of an answer came */
    uint64_t bytes_sent; /* bytes of this request given to the kernel */
    uint8_t resends;     /* already done for this request */
};

/* RFC 9110 9.2.2, RFC 9112 9.3.1. */
bool resend_is_safe(const struct http_head *head, const struct resend_evidence *evidence, const struct error *failure);

#endif
