/* resend.h: may this request be sent again? The evidence ladder, top down; the first rung that holds decides.
 *
 *   E0  nothing of the request left us                              any method: it is not even a retry
 *   E1  the host says that it has not processed it: RST_STREAM with     any method, RESEND_REFUSED_MAX times
 *       REFUSED_STREAM, a stream above GOAWAY's last one
 *   E2  the kernel proves that the host never took a byte           any method, under resend: unacked
 *   E3  a kept connection died without an answer, and doing the     idempotent methods, or an idempotency key
 *       request twice does no harm
 *   else no
 *
 * An answer of 421 on a connection that carries many is such a word too (RFC 9110 15.5.20). Else at most once for each
 * request, on a fresh connection; always only with a body that can be given again, never after a byte of an answer. All
 * but E0, and E1 of a connection that the host ended in order, end where the host's budget does (resend_budget.h). RFC
 * 9110 9.2.2, RFC 9112 9.3.1, RFC 9113 8.7.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_RESEND_H
#define HOLDFAST_UPSTREAM_RESEND_H

#include "base/rng.h"
#include "http/head.h"
#include "upstream/transport.h"

enum resend {
    RESEND_NO,
    RESEND_NOTHING_LEFT, /* E0 */
    RESEND_UNREAD,       /* E2 */
    RESEND_IDEMPOTENT,   /* E3 */
    RESEND_REFUSED,      /* E1 */
    RESEND_GOAWAY,       /* E1, of a connection that the host ended in order: GOAWAY with NO_ERROR */
    RESEND_MISDIRECTED,  /* 421 */
    RESEND_ASK_KERNEL,   /* E2 may hold: ask, and decide again with `proof` */
    RESEND_COUNT
};

/* No settings: nothing was done, so a try costs a host a connection at most, and how many come of all requests the
 * pauses limit, and the budget but where connections end in order. */
enum {
    RESEND_REFUSED_MAX = 6,
    RESEND_AT_ONCE_MAX = 2, /* of those without a pause before; when others can have the request, they get it then */
};
#define RESEND_PAUSE_NS 20000000u /* before the third; each later one is twice as long */

/* What a re-send came to. */
enum resend_end {
    RESEND_ANSWERED,
    RESEND_FAILED, /* it died too, or was refused again */
    RESEND_GONE,   /* nobody waited for it any more: the client had gone, or the request's time was up */
    RESEND_ENDS
};

enum resend_proof { PROOF_NOT_ASKED, PROOF_UNREAD, PROOF_NONE };

struct resend_evidence {
    enum resend_policy policy;
    enum resend_proof proof;
    bool refused;        /* the host says that it has not processed it */
    bool in_order;       /* ... as it ends the connection, with nothing the matter */
    bool has_others;     /* another host can have the request when this one does not take it */
    bool alive;          /* the connection goes on: only this request came to nothing */
    bool reused;         /* the connection had carried a request before */
    bool answer_seen;    /* any byte of an answer came */
    bool budget_spent;   /* too many were sent again in vain of late */
    bool replayable;     /* the body can be given again from its first byte (or there is none) */
    uint64_t bytes_sent; /* bytes of this request given to the kernel */
    uint8_t resends;     /* already done for this request */
};

/* Did the host end the connection in order? Over TLS many do so without close_notify, which matters only to who has
 * begun to answer: RFC 8446 6.1 wants to know that nothing was cut off. */
bool resend_is_fin(const struct error *failure);

enum resend resend_decide(const struct http_head *head, const struct resend_evidence *evidence,
                          const struct error *failure);

/* Was the request refused (E1)? */
bool resend_is_refusal(enum resend rung);

/* How long to wait before the next try of a refused request, of which there were `resends`; random by half. */
uint64_t resend_pause_ns(uint8_t resends, struct rng *rng);

/* Of what is sent again for this reason, does what comes to nothing take from the budget? */
bool resend_takes_budget(enum resend rung);

/* May be done twice without harm: an idempotent method, or a key that lets the host see that it was done
 * (Idempotency-Key, X-Idempotency-Key). */
bool resend_is_idempotent(const struct http_head *head);

const char *resend_name(enum resend rung); /* "nothing_left", "unread", "idempotent", "refused", "goaway", ... */

const char *resend_end_name(enum resend_end end); /* "answered", "failed", "gone" */

/* Why resend_decide said no. */
enum resend_refusal {
#define REFUSAL(identifier, name, help) REFUSAL_##identifier,
#include "upstream/refusals.def"
#undef REFUSAL
    REFUSALS
};
enum resend_refusal resend_refusal(const struct http_head *head, const struct resend_evidence *evidence,
                                   const struct error *failure);
const char *resend_refusal_name(enum resend_refusal refusal);

#endif
