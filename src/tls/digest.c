/* digest.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "tls/digest.h"

static void add(struct tls_digesting *digesting, const void *data, size_t size)
{
    if (digesting->state && size > 0 && EVP_DigestUpdate(digesting->state, data, size) != 1) {
        EVP_MD_CTX_free(digesting->state);
        digesting->state = NULL;
    }
}

void tls_digest_start(struct tls_digesting *digesting)
{
    digesting->state = EVP_MD_CTX_new();
    if (digesting->state && EVP_DigestInit_ex(digesting->state, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(digesting->state);
        digesting->state = NULL;
    }
}

void tls_digest_number(struct tls_digesting *digesting, uint64_t number)
{
    add(digesting, &number, sizeof(number));
}

void tls_digest_text(struct tls_digesting *digesting, struct str text)
{
    tls_digest_number(digesting, text.len);
    add(digesting, text.data, text.len);
}

bool tls_digest_end(struct tls_digesting *digesting, struct tls_digest *out)
{
    bool made = digesting->state && EVP_DigestFinal_ex(digesting->state, out->bytes, NULL) == 1;

    EVP_MD_CTX_free(digesting->state);
    digesting->state = NULL;
    return made;
}

struct str tls_digest_hex(const struct tls_digest *digest, char out[TLS_DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < TLS_DIGEST_BYTES; i++) {
        out[2 * i] = digits[digest->bytes[i] >> 4];
        out[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    return str_of(out, TLS_DIGEST_TEXT_BYTES);
}
