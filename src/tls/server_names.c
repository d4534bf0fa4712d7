/* server_names.c: which certificate a client is shown, with its staple, and which protocol is spoken.
 *
 * As Go does it: of the certificates whose names match what the client asks for (all, when it asks for none that we
 * have), the first in the order of the configuration that the client can use; else the first of all. Names stand in
 * subjectAltName. SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_internal.h"
#include "tls/server_stream.h"
#include "tls/stream_internal.h"

#include <openssl/x509v3.h>
#include <stdlib.h>

enum { NAME_BYTES_MAX = 255 };

/* In lower case and without a dot at the end; len 0: it cannot be a name. */
static struct str normal(struct str name, char out[NAME_BYTES_MAX + 1])
{
    if (str_ends(name, STR(".")))
        name.len--;
    if (name.len > NAME_BYTES_MAX)
        return STR("");
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];

        if (c == 0)
            return STR("");
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return str_of(out, name.len);
}

static struct tls_named *named_of(struct tls_server_profile *profile, struct str name)
{
    struct tls_named *named = map_get(profile->names, name);
    struct str kept;

    if (named)
        return named;
    kept = arena_copy(profile->arena, name);
    named = kept.data ? arena_make(profile->arena, struct tls_named) : NULL;
    return named && map_put(profile->names, kept, named) ? named : NULL;
}

static bool add_name(struct tls_server_profile *profile, struct str name, uint32_t index)
{
    char out[NAME_BYTES_MAX + 1];
    struct str lower = normal(name, out);
    struct tls_named *named;
    uint32_t *items;

    if (lower.len == 0)
        return true;
    named = named_of(profile, lower);
    if (!named)
        return false;
    if (named->count > 0 && named->items[named->count - 1] == index)
        return true;
    items = realloc(named->items, (named->count + 1) * sizeof(*items));
    if (!items)
        return false;
    named->items = items;
    named->items[named->count++] = index;
    return true;
}

static bool add_names(struct tls_server_profile *profile, uint32_t index)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(profile->identities[index].certificate, NID_subject_alt_name, NULL, NULL);
    bool added = true;

    for (int i = 0; added && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS)
            added = add_name(profile,
                             str_of((const char *)ASN1_STRING_get0_data(name->d.dNSName),
                                    (size_t)ASN1_STRING_length(name->d.dNSName)),
                             index);
    }
    GENERAL_NAMES_free(names);
    return added;
}

bool tls_server_index_names(struct tls_server_profile *profile)
{
    uint64_t seed = 0;
    bool added = true;

    memcpy(&seed, profile->shared->node, sizeof(seed));
    profile->names = map_new(seed);
    for (uint32_t i = 0; profile->names && added && i < profile->count; i++)
        added = add_names(profile, i);
    return profile->names && added;
}

/* The certificates of a name one after the other: those of the name itself and those of its wildcard, merged. */
struct candidates {
    const struct tls_named *exact, *wild;
    size_t exact_at, wild_at;
    size_t all_at, all_count; /* when the name is of none: all of them */
};

static const struct tls_named *wildcard_of(const struct tls_server_profile *profile, struct str name)
{
    char out[NAME_BYTES_MAX + 2];
    size_t dot = str_find_char(name, '.');
    struct str rest = str_from_offset(name, dot);

    if (dot == 0 || rest.len < 2)
        return NULL;
    out[0] = '*';
    memcpy(out + 1, rest.data, rest.len);
    return map_get(profile->names, str_of(out, rest.len + 1));
}

static struct candidates candidates_of(const struct tls_server_profile *profile, struct str asked)
{
    struct candidates candidates = {.exact = NULL};
    char out[NAME_BYTES_MAX + 1];
    struct str name = normal(asked, out);

    if (name.len > 0) {
        candidates.exact = map_get(profile->names, name);
        candidates.wild = wildcard_of(profile, name);
    }
    if (!candidates.exact && !candidates.wild)
        candidates.all_count = name.len == 0 ? profile->count : 0;
    return candidates;
}

static bool next_candidate(struct candidates *candidates, uint32_t *index)
{
    const struct tls_named *exact = candidates->exact, *wild = candidates->wild;
    bool has_exact = exact && candidates->exact_at < exact->count, has_wild = wild && candidates->wild_at < wild->count;

    if (has_exact && (!has_wild || exact->items[candidates->exact_at] <= wild->items[candidates->wild_at]))
        *index = exact->items[candidates->exact_at++];
    else if (has_wild)
        *index = wild->items[candidates->wild_at++];
    else if (candidates->all_at < candidates->all_count)
        *index = (uint32_t)candidates->all_at++;
    else
        return false;
    return true;
}

/* Up to TLS 1.2 the suite says how the server proves who it is. */
static bool suites_fit(SSL *ssl, const EVP_PKEY *key)
{
    const STACK_OF(SSL_CIPHER) *suites = SSL_get_client_ciphers(ssl);
    int wanted = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? NID_auth_rsa : NID_auth_ecdsa;

    if (SSL_version(ssl) >= TLS1_3_VERSION)
        return true;
    for (int i = 0; i < sk_SSL_CIPHER_num(suites); i++)
        if (SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(suites, i)) == wanted)
            return true;
    return false;
}

static bool is_of_use(SSL *ssl, const struct tls_identity *identity)
{
    return (SSL_check_chain(ssl, identity->certificate, identity->key, identity->chain) & CERT_PKEY_VALID) != 0 &&
           suites_fit(ssl, identity->key);
}

static struct str name_asked(const SSL *ssl)
{
    return str_from(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
}

/* 1: go on; 0: internal error. */
static int choose_certificate(SSL *ssl, void *arg)
{
    struct tls_server_profile *profile = arg;
    struct candidates candidates = candidates_of(profile, name_asked(ssl));
    const struct tls_identity *chosen = NULL;
    uint32_t index;

    while (!chosen && next_candidate(&candidates, &index))
        if (is_of_use(ssl, &profile->identities[index]))
            chosen = &profile->identities[index];
    if (!chosen)
        chosen = &profile->identities[0];
    SSL_certs_clear(ssl);
    return SSL_use_cert_and_key(ssl, chosen->certificate, chosen->key, chosen->chain, 1);
}

/* Of those that were there to choose from nobody can tell any more which one it was: a resumed session shows none. */
static bool may_be_shown(const struct tls_server_profile *profile, struct str asked, uint32_t index)
{
    struct candidates shown = candidates_of(profile, asked);
    uint32_t other;

    if (!shown.exact && !shown.wild)
        return index == 0;
    while (next_candidate(&shown, &other))
        if (other == index)
            return true;
    return false;
}

bool tls_is_misdirected(struct stream *stream, struct str host)
{
    const struct tls_server_profile *profile;
    struct candidates wanted;
    struct str asked;
    uint32_t index;

    if (!stream->ops->secure)
        return false;
    profile = tls_server_profile_of(tls_of(stream)->profile);
    if (profile->count < 2)
        return false;
    asked = name_asked(tls_of(stream)->ssl);
    if (asked.len == 0 || str_eq_fold(asked, host))
        return false;
    wanted = candidates_of(profile, host);
    if (!wanted.exact && !wanted.wild)
        return false;
    while (next_candidate(&wanted, &index))
        if (may_be_shown(profile, asked, index))
            return false;
    return true;
}

static const struct tls_identity *identity_shown(const struct tls_server_profile *profile, SSL *ssl)
{
    const X509 *shown = SSL_get_certificate(ssl);

    for (size_t i = 0; i < profile->count; i++)
        if (profile->identities[i].certificate == shown)
            return &profile->identities[i];
    return NULL;
}

static int staple(SSL *ssl, void *arg)
{
    const struct tls_identity *identity = identity_shown(arg, ssl);
    uint8_t *copy;

    if (!identity || !tls_staple_is_fresh(&identity->staple))
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(identity->staple.bytes, identity->staple.size);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)identity->staple.size);
    tls_count(ssl, TLS_COUNT_STAPLED);
    return SSL_TLSEXT_ERR_OK;
}

/* Ours in our order (RFC 7301 3.2). Who speaks none of them is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *theirs,
                           unsigned theirs_len, void *arg)
{
    const struct tls_server_profile *profile = arg;

    (void)ssl;
    for (unsigned i = 0; i < profile->protocols_len; i += 1u + profile->protocols[i])
        for (unsigned j = 0; j < theirs_len; j += 1u + theirs[j])
            if (theirs[j] == profile->protocols[i] && j + 1u + theirs[j] <= theirs_len &&
                memcmp(theirs + j + 1, profile->protocols + i + 1, theirs[j]) == 0) {
                *out = profile->protocols + i + 1;
                *out_len = profile->protocols[i];
                return SSL_TLSEXT_ERR_OK;
            }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_server_set_choice(struct tls_server_profile *profile)
{
    SSL_CTX *settings = profile->base.settings;

    if (profile->count > 1)
        SSL_CTX_set_cert_cb(settings, choose_certificate, profile);
    if (profile->protocols_len > 0)
        SSL_CTX_set_alpn_select_cb(settings, choose_protocol, profile);
    SSL_CTX_set_tlsext_status_cb(settings, staple);
    SSL_CTX_set_tlsext_status_arg(settings, profile);
}
