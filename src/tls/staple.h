/* staple.h: an OCSP response from a file, checked against the certificate that it is for (RFC 6066 8, RFC 6960).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_STAPLE_H
#define HOLDFAST_TLS_STAPLE_H

#include "base/error.h"
#include "base/str.h"

#include <openssl/ssl.h>

struct tls_staple { /* zeroed: none */
    uint8_t *bytes; /* DER */
    size_t size;
    ASN1_GENERALIZEDTIME *until; /* nextUpdate; NULL: it does not say */
};

/* False with *err: the file cannot be read, is no response, tells of another certificate, of one that is not good, or
 * of another time. Its signature is not checked: clients do that. */
bool tls_staple_load(struct tls_staple *staple, struct str path, const X509 *certificate, struct error *err) MUST_USE;
void tls_staple_end(struct tls_staple *staple);

bool tls_staple_is_fresh(const struct tls_staple *staple); /* there is one and its time is not over */

#endif
