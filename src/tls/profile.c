/* profile.c: options to OpenSSL's settings, with the defaults of KrakenD, which are those of Go's crypto/tls. Files are
 * read in profile_files.c. Start with tls_profile_new. SPDX-License-Identifier: Apache-2.0 */
#include "tls/bio_internal.h"
#include "tls/profile_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { NAMES_BYTES = 4096, LEVEL_LEGACY = 0, LEVEL_USUAL = 1 };

#define SUITES_AEAD                                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                         \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define SUITES_CBC "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA"

/* Key exchanges in the order in which Go (since 1.24) prefers them, whatever the order they are asked for in. */
static const struct {
    uint16_t number;
    const char *name;
} groups[] = {
#if OPENSSL_VERSION_NUMBER >= 0x30500000L
    {4588, "X25519MLKEM768"},
#endif
    {29, "X25519"},           {23, "P-256"}, {24, "P-384"}, {25, "P-521"},
};

static const struct {
    const char *name;
    int version;
} versions[] = {
    {"SSL3.0", SSL3_VERSION},  {"TLS10", TLS1_VERSION},   {"TLS11", TLS1_1_VERSION},
    {"TLS12", TLS1_2_VERSION}, {"TLS13", TLS1_3_VERSION},
};

static int version_of(struct str text)
{
    for (size_t i = 0; i < COUNT_OF(versions); i++)
        if (str_eq(text, str_from(versions[i].name)))
            return versions[i].version;
    return TLS1_3_VERSION;
}

struct names { /* "a:b:c" */
    char text[NAMES_BYTES];
    size_t len;
};

static void add_name(struct names *names, const char *name)
{
    size_t len = strlen(name), comma = names->len > 0;

    if (names->len + comma + len >= sizeof(names->text))
        return;
    if (comma)
        names->text[names->len++] = ':';
    memcpy(names->text + names->len, name, len + 1);
    names->len += len;
}

static bool holds(const struct tls_numbers *numbers, uint16_t number)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (numbers->items[i] == number)
            return true;
    return false;
}

static bool set_groups(SSL_CTX *settings, const struct tls_client_options *options)
{
    struct names names = {.len = 0};

    for (size_t i = 0; i < COUNT_OF(groups); i++)
        if (holds(&options->curve_preferences, groups[i].number))
            add_name(&names, groups[i].name);
    if (names.len == 0 && !options->given)
        add_name(&names, "X25519");
    if (names.len == 0 || !options->given)
        add_name(&names, "P-256:P-384:P-521");
    return SSL_CTX_set1_groups_list(settings, names.text) == 1;
}

/* A suite up to TLS 1.2 that checks who the peer is and encrypts. Others are passed over, as Go does. */
static bool is_usable(const SSL_CIPHER *suite)
{
    return suite && SSL_CIPHER_get_auth_nid(suite) != NID_auth_null && SSL_CIPHER_get_auth_nid(suite) != NID_auth_any &&
           SSL_CIPHER_get_cipher_nid(suite) != NID_undef;
}

static bool name_suites(SSL_CTX *settings, const struct tls_numbers *numbers, struct names *names)
{
    SSL *finder = SSL_new(settings); /* Suites can only be looked up through one. */

    if (!finder)
        return false;
    for (size_t i = 0; i < numbers->count; i++) {
        const uint8_t wire[2] = {(uint8_t)(numbers->items[i] >> 8), (uint8_t)numbers->items[i]};
        const SSL_CIPHER *suite = SSL_CIPHER_find(finder, wire);

        if (is_usable(suite))
            add_name(names, SSL_CIPHER_get_name(suite));
    }
    SSL_free(finder);
    return true;
}

/* *min rises to TLS 1.3 when no suite is left for what is older. */
static bool set_suites(SSL_CTX *settings, const struct tls_client_options *options, int *min)
{
    struct names names = {.len = 0};

    if (options->cipher_suites.count == 0)
        return SSL_CTX_set_cipher_list(settings, options->given ? SUITES_AEAD : SUITES_AEAD ":" SUITES_CBC) == 1;
    if (!name_suites(settings, &options->cipher_suites, &names))
        return false;
    if (names.len > 0 && SSL_CTX_set_cipher_list(settings, names.text) == 1)
        return true;
    *min = TLS1_3_VERSION;
    return true;
}

static bool set_versions(struct tls_profile *profile, int min, int max)
{
    if (min < TLS1_VERSION)
        min = TLS1_VERSION; /* Nobody speaks SSL 3 any more, Go does not either. */
    profile->impossible = max < min;
    return profile->impossible || (SSL_CTX_set_min_proto_version(profile->settings, min) == 1 &&
                                   SSL_CTX_set_max_proto_version(profile->settings, max) == 1);
}

static void set_verification(struct tls_profile *profile)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(profile->settings);

    SSL_CTX_set_verify(profile->settings, profile->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    /* As Go: a certificate that is trusted itself needs no issuer, and a name stands in subjectAltName or nowhere. */
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
}

bool tls_profile_set_protocol(struct tls_profile *profile, const struct tls_client_options *options)
{
    SSL_CTX *settings = profile->settings;
    int min = options->given ? version_of(options->min_version) : TLS1_2_VERSION;

    /* Whatever the machine's openssl.cnf says, what is said here counts. Versions before 1.2 sign with SHA-1. */
    SSL_CTX_set_security_level(settings, min < TLS1_2_VERSION ? LEVEL_LEGACY : LEVEL_USUAL);
    SSL_CTX_set_options(settings, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(settings,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    return set_groups(settings, options) && set_suites(settings, options, &min) &&
           set_versions(profile, min, version_of(options->max_version));
}

static bool set_all(struct tls_profile *profile, const struct tls_client_options *options)
{
    SSL_CTX *settings = profile->settings;

    SSL_CTX_set_options(settings, SSL_OP_LEGACY_SERVER_CONNECT);
    SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(settings, tls_stream_new_session);
    profile->insecure = options->allow_insecure;
    set_verification(profile);
    return tls_profile_set_protocol(profile, options);
}

static void digest_numbers(struct tls_digesting *identity, const struct tls_numbers *numbers)
{
    tls_digest_number(identity, numbers->count);
    for (size_t i = 0; i < numbers->count; i++)
        tls_digest_number(identity, numbers->items[i]);
}

static void digest_options(struct tls_digesting *identity, const struct tls_client_options *options)
{
    tls_digest_number(identity, options->given);
    tls_digest_number(identity, options->allow_insecure);
    tls_digest_number(identity, options->disable_system_ca_pool);
    tls_digest_number(identity, (uint64_t)version_of(options->min_version));
    tls_digest_number(identity, (uint64_t)version_of(options->max_version));
    digest_numbers(identity, &options->cipher_suites);
    digest_numbers(identity, &options->curve_preferences);
}

static bool build(struct tls_profile *profile, const struct tls_client_options *options)
{
    struct tls_digesting identity;
    bool read;

    atomic_init(&profile->references, 1);
    profile->method = tls_bio_method_new();
    profile->settings = SSL_CTX_new(TLS_client_method());
    if (!profile->method || !profile->settings || !set_all(profile, options))
        return false;
    tls_digest_start(&identity);
    digest_options(&identity, options);
    read = tls_profile_load_files(profile->settings, options, &identity);
    return tls_digest_end(&identity, &profile->identity) && read;
}

struct tls_profile *tls_profile_new(const struct tls_client_options *options, struct error *err)
{
    struct tls_profile *profile = calloc(1, sizeof(*profile));
    bool built = profile && build(profile, options);
    unsigned long last = built ? 0 : ERR_peek_last_error();
    const char *reason = ERR_GET_REASON(last) == ERR_R_MALLOC_FAILURE ? NULL : ERR_reason_error_string(last);

    ERR_clear_error();
    if (built)
        return profile;
    if (reason)
        error_set(err, FAULT_SYSTEM, ERROR_SYSTEM, "TLS settings: %s", reason);
    else
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for TLS settings");
    tls_profile_unref(profile);
    return NULL;
}

struct tls_profile *tls_profile_ref(struct tls_profile *profile)
{
    if (profile)
        atomic_fetch_add_explicit(&profile->references, 1, memory_order_relaxed);
    return profile;
}

void tls_profile_unref(struct tls_profile *profile)
{
    if (!profile || atomic_fetch_sub_explicit(&profile->references, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(profile->settings);
    BIO_meth_free(profile->method);
    if (profile->end)
        profile->end(profile);
    else
        free(profile);
}

const struct tls_digest *tls_profile_identity(const struct tls_profile *profile)
{
    return &profile->identity;
}
