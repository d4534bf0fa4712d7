/* server_audit.h: what is wrong with a certificate that works all the same. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SERVER_AUDIT_H
#define HOLDFAST_TLS_SERVER_AUDIT_H

#include "tls/server_internal.h"

enum {
    TLS_FINDINGS_MAX = 5,
    TLS_FINDING_BYTES = 200,
    TLS_FLIGHT_BYTES = 14600,   /* ten segments of 1460 bytes: the initial window (RFC 6928) */
    TLS_HANDSHAKE_BYTES = 1500, /* what else stands in the server's first flight; most of it with a large key share */
    TLS_EXPIRY_DAYS = 7,        /* told when fewer are left */
};

struct tls_finding {
    char text[TLS_FINDING_BYTES]; /* a sentence about the file, without a stop */
};

/* Clients who would refuse it (out of time, no chain to what they trust), and bytes that make handshakes slow. How many
 * findings there are. */
size_t tls_audit(const struct tls_identity *identity, struct tls_finding findings[TLS_FINDINGS_MAX]);

#endif
