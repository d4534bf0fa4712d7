/* server_audit.c: see the header. Start with tls_audit. SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_audit.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>

struct audit {
    const struct tls_identity *identity;
    struct tls_finding *findings;
    size_t count;
};

static void add(struct audit *audit, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct audit *audit, const char *format, ...)
{
    va_list arguments;

    ASSERT(audit->count < TLS_FINDINGS_MAX);
    va_start(arguments, format);
    vsnprintf(audit->findings[audit->count++].text, TLS_FINDING_BYTES, format, arguments);
    va_end(arguments);
}

/* The file's certificates: 0 is the leaf. */
static X509 *certificate_at(const struct tls_identity *identity, int index)
{
    return index == 0 ? identity->certificate : sk_X509_value(identity->chain, index - 1);
}

static int count_of(const struct tls_identity *identity)
{
    return 1 + sk_X509_num(identity->chain);
}

static bool issued(X509 *issuer, X509 *subject)
{
    return X509_check_issued(issuer, subject) == X509_V_OK;
}

/* One finding at most: the one that is over already, or will be first. */
static void check_time(struct audit *audit)
{
    for (int i = 0; i < count_of(audit->identity); i++) {
        const X509 *certificate = certificate_at(audit->identity, i);
        const ASN1_TIME *end = X509_get0_notAfter(certificate);
        int days = 0, seconds = 0;

        if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
            add(audit, "certificate %d of %d is not valid yet", i + 1, count_of(audit->identity));
            return;
        }
        if (X509_cmp_current_time(end) < 0) {
            add(audit, "certificate %d of %d has expired", i + 1, count_of(audit->identity));
            return;
        }
        if (ASN1_TIME_diff(&days, &seconds, NULL, end) == 1 && days < TLS_EXPIRY_DAYS) {
            add(audit, "certificate %d of %d ends in %d days", i + 1, count_of(audit->identity), days);
            return;
        }
    }
}

static void check_order(struct audit *audit)
{
    for (int i = 1; i < count_of(audit->identity); i++)
        if (!issued(certificate_at(audit->identity, i), certificate_at(audit->identity, i - 1))) {
            add(audit, "certificate %d of %d did not issue the one before it: some clients find no chain", i + 1,
                count_of(audit->identity));
            return;
        }
}

/* Says the certificate where its issuer's can be fetched? Those of public authorities do (RFC 5280 4.2.2.1). */
static bool names_issuer(X509 *certificate)
{
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    bool names = false;

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access); i++)
        names |= OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers;
    AUTHORITY_INFO_ACCESS_free(access);
    return names;
}

/* What an authority of one's own has signed needs no more; a public one has an intermediate, which clients do not know.
 */
static void check_chain(struct audit *audit)
{
    X509 *leaf = audit->identity->certificate;

    if (count_of(audit->identity) == 1 && !issued(leaf, leaf) && names_issuer(leaf))
        add(audit, "the issuer's certificate is not in the file: clients that do not know it refuse the handshake");
}

static void check_root(struct audit *audit)
{
    X509 *last = certificate_at(audit->identity, count_of(audit->identity) - 1);

    if (count_of(audit->identity) > 1 && issued(last, last))
        add(audit,
            "certificate %d of %d signs itself: clients have it or do not trust it, its %d bytes are for nothing",
            count_of(audit->identity), count_of(audit->identity), i2d_X509(last, NULL));
}

/* Beyond the initial window the server waits for a round trip before it has sent its first flight. */
static void check_size(struct audit *audit)
{
    size_t bytes = audit->identity->staple.size;

    for (int i = 0; i < count_of(audit->identity); i++)
        bytes += (size_t)i2d_X509(certificate_at(audit->identity, i), NULL);
    if (bytes + TLS_HANDSHAKE_BYTES > TLS_FLIGHT_BYTES)
        add(audit,
            "%d certificates, %zu bytes with the staple, do not fit the first flight of about %d bytes: full "
            "handshakes "
            "take a round trip more",
            count_of(audit->identity), bytes, TLS_FLIGHT_BYTES - TLS_HANDSHAKE_BYTES);
}

size_t tls_audit(const struct tls_identity *identity, struct tls_finding findings[TLS_FINDINGS_MAX])
{
    struct audit audit = {.identity = identity, .findings = findings};

    check_time(&audit);
    check_order(&audit);
    check_chain(&audit);
    check_root(&audit);
    check_size(&audit);
    ERR_clear_error(); /* An extension that cannot be read is nothing to us. */
    return audit.count;
}
