/* digest.h: SHA-256 over a row of values, each with its length, so that no two rows look alike. For the identity of
 * profiles and the keys of sessions. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_DIGEST_H
#define HOLDFAST_TLS_DIGEST_H

#include "base/str.h"

#include <openssl/evp.h>

enum { TLS_DIGEST_BYTES = 32, TLS_DIGEST_TEXT_BYTES = 2 * TLS_DIGEST_BYTES };

struct tls_digest {
    uint8_t bytes[TLS_DIGEST_BYTES];
};

struct tls_digesting {
    EVP_MD_CTX *state; /* NULL once it has failed */
};

void tls_digest_start(struct tls_digesting *digesting);
void tls_digest_text(struct tls_digesting *digesting, struct str text);
void tls_digest_number(struct tls_digesting *digesting, uint64_t number);
bool tls_digest_end(struct tls_digesting *digesting, struct tls_digest *out) MUST_USE; /* false: no memory */

struct str tls_digest_hex(const struct tls_digest *digest, char out[TLS_DIGEST_TEXT_BYTES]); /* in `out` */

#endif
