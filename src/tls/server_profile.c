/* server_profile.c: one reading of a listener's files and settings, as OpenSSL wants it. Start with
 * tls_server_profile_new. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "tls/server_internal.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* TLS 1.3's suites are fixed; AES with 128 bits first, as Go has it, ChaCha20 for clients that like it best. */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#ifndef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION /* before OpenSSL 3.2 there is no such thing */
#define SSL_OP_NO_RX_CERTIFICATE_COMPRESSION 0
#endif
#ifndef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
#define SSL_OP_NO_TX_CERTIFICATE_COMPRESSION 0
#endif

static const char area[] = "SERVICE: TLS";

static void end_profile(struct tls_profile *base)
{
    struct tls_server_profile *profile = tls_server_profile_of(base);
    struct str name;
    void *named;

    for (size_t i = 0; i < profile->count; i++)
        tls_identity_end(&profile->identities[i]);
    for (size_t at = 0; profile->names && map_next(profile->names, &at, &name, &named);)
        free(((struct tls_named *)named)->items);
    map_free(profile->names);
    tls_shared_release(profile->shared);
    arena_free(profile->arena);
    free(profile);
}

static bool fail_memory(struct tls_trouble *trouble)
{
    return error_set(&trouble->err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for TLS settings");
}

/* What OpenSSL has against a certificate beyond its form: a key that is too small, a digest that is broken. */
static bool use(struct tls_server_profile *profile, const struct tls_server_key *key, struct tls_identity *identity,
                struct tls_trouble *trouble)
{
    if (SSL_CTX_use_cert_and_key(profile->base.settings, identity->certificate, identity->key, identity->chain, 1) == 1)
        return true;
    trouble->place = key->public_place;
    return error_set(&trouble->err, FAULT_CONFIG, ERROR_BAD_CONFIG, "%.*s: %s", STR_ARG(key->public_key),
                     tls_openssl_reason());
}

/* The first comes last, so that it is the one that counts where no name chooses. */
static bool load_identities(struct tls_server_profile *profile, const struct tls_server_options *options,
                            struct tls_trouble *trouble)
{
    const struct tls_server_key *keys = options->keys.items;

    profile->identities = arena_array(profile->arena, struct tls_identity, options->keys.count + 1);
    if (!profile->identities)
        return fail_memory(trouble);
    for (size_t i = 0; i < options->keys.count; i++) {
        profile->count++;
        if (!tls_identity_load(profile->arena, &keys[i], &profile->identities[i], trouble))
            return false;
    }
    for (size_t i = profile->count; i > 0; i--)
        if (!use(profile, &keys[i - 1], &profile->identities[i - 1], trouble))
            return false;
    return true;
}

/* A staple that is missing or of no use is no reason not to serve. */
static void load_staples(struct tls_server_profile *profile, const struct tls_server_start *start)
{
    const struct tls_staple_file *files = start->tuning->ocsp_staples.items;
    const struct tls_server_key *keys = start->options->keys.items;
    struct error err = {0};

    for (size_t i = 0; i < start->tuning->ocsp_staples.count; i++)
        for (size_t j = 0; j < profile->count; j++) {
            struct tls_identity *identity = &profile->identities[j];

            if (str_eq(files[i].public_key, keys[j].public_key) && identity->staple.size == 0 &&
                !tls_staple_load(&identity->staple, files[i].response, identity->certificate, &err))
                LOG(LOG_WARNING, area, "%.*s goes without a staple: %s", STR_ARG(keys[j].public_key), err.text);
        }
}

static void require_client_certificates(SSL_CTX *settings)
{
    SSL_CTX_set_verify(settings, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    /* As Go: a certificate that is trusted itself needs no issuer. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(settings), X509_V_FLAG_PARTIAL_CHAIN);
}

/* Sessions are good for listeners of the same policy only: none that asks for client certificates resumes what was
 * begun at one that does not, or that trusts others (RFC 8446 4.2.11). The same on all nodes of the same files. */
static bool set_policy(struct tls_server_profile *profile, const struct tls_server_options *options,
                       struct tls_trouble *trouble)
{
    struct tls_digesting policy;
    struct tls_digest digest;
    bool loaded = true;

    tls_digest_start(&policy);
    tls_digest_number(&policy, options->enable_mtls);
    tls_digest_number(&policy, options->disable_system_ca_pool);
    if (options->enable_mtls) {
        require_client_certificates(profile->base.settings);
        loaded = tls_server_load_authorities(profile, options, &policy);
    }
    if (!tls_digest_end(&policy, &digest) || !loaded ||
        SSL_CTX_set_session_id_context(profile->base.settings, digest.bytes, sizeof(digest.bytes)) != 1)
        return fail_memory(trouble);
    return true;
}

static void set_protocols(struct tls_server_profile *profile, const struct tls_server_start *start)
{
    unsigned len = 0;

    for (size_t i = 0; i < start->protocol_count; i++) {
        struct str protocol = start->protocols[i];

        ASSERT(protocol.len > 0 && protocol.len < 256);
        ASSERT(len + 1 + protocol.len <= sizeof(profile->protocols));
        profile->protocols[len++] = (uint8_t)protocol.len;
        memcpy(profile->protocols + len, protocol.data, protocol.len);
        len += (unsigned)protocol.len;
    }
    profile->protocols_len = len;
}

/* The parts that are alike in both roles are described by the client's options. */
static bool set_protocol(struct tls_server_profile *profile, const struct tls_server_options *options)
{
    const struct tls_client_options both = {
        .given = true,
        .min_version = options->min_version,
        .max_version = options->max_version,
        .cipher_suites = options->cipher_suites,
        .curve_preferences = options->curve_preferences,
    };
    SSL_CTX *settings = profile->base.settings;

    SSL_CTX_set_options(settings, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                      SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
    if (!tls_profile_set_protocol(&profile->base, &both) || SSL_CTX_set_ciphersuites(settings, SUITES_13) != 1)
        return false;
    if (profile->base.impossible) /* Go starts like that too; every handshake fails. */
        SSL_CTX_set_options(settings, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
    return true;
}

static bool build(struct tls_server_profile *profile, const struct tls_server_start *start, struct tls_trouble *trouble)
{
    const struct tls_server_options *options = start->options;

    profile->arena = arena_new(NULL, SIZE_MAX);
    profile->base.settings = SSL_CTX_new(TLS_server_method());
    if (!profile->arena || !profile->base.settings)
        return fail_memory(trouble);
    if (!set_protocol(profile, options))
        return error_set(&trouble->err, FAULT_CONFIG, ERROR_BAD_CONFIG, "TLS settings: %s", tls_openssl_reason());
    if (!load_identities(profile, options, trouble) || !set_policy(profile, options, trouble))
        return false;
    load_staples(profile, start);
    set_protocols(profile, start);
    if (!tls_server_index_names(profile))
        return fail_memory(trouble);
    tls_server_set_choice(profile);
    tls_server_set_resumption(profile, start->tuning);
    return true;
}

struct tls_server_profile *tls_server_profile_new(const struct tls_server_start *start, struct tls_trouble *trouble)
{
    struct tls_server_profile *profile = calloc(1, sizeof(*profile));
    bool built;

    *trouble = (struct tls_trouble){.place = {.source = NULL}};
    if (!profile) {
        fail_memory(trouble);
        return NULL;
    }
    atomic_init(&profile->base.references, 1);
    profile->base.end = end_profile;
    profile->shared = tls_shared_hold(start->shared);
    built = build(profile, start, trouble);
    ERR_clear_error();
    if (built)
        return profile;
    tls_profile_unref(&profile->base);
    return NULL;
}
