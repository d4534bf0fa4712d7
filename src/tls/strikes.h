/* strikes.h: tickets whose early data was taken, so that it is taken once (RFC 8446 8.1, 8.2). For all workers.
 *
 * OpenSSL refuses early data whose ticket age is off by more than ten seconds, so a replay comes within seconds or not
 * at all, and marks need not be kept for longer. Bounded: when it is full, early data is refused. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_STRIKES_H
#define HOLDFAST_TLS_STRIKES_H

#include "tls/digest.h"

#define TLS_STRIKES_WINDOW_NS UINT64_C(60000000000) /* marks live for one to two of these */

struct tls_strikes;

struct tls_strikes *tls_strikes_new(size_t marks_max); /* of one window. NULL: no memory */
void tls_strikes_free(struct tls_strikes *strikes);    /* NULL is fine */

/* Marks it. False: it was marked already, or there is no room. */
bool tls_strikes_mark(struct tls_strikes *strikes, const struct tls_digest *ticket, uint64_t now_ns) MUST_USE;

#endif
