/* server_files.c: what a listener shows and whom it trusts, from PEM files. What is wrong with a certificate or a key
 * is told with OpenSSL's reason; CAs that cannot be read are passed over. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "os/file.h"
#include "tls/server_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static const char area[] = "SERVICE: TLS";

static bool fail(struct tls_trouble *trouble, struct str path, const char *why)
{
    return error_set(&trouble->err, FAULT_CONFIG, ERROR_BAD_CONFIG, "%.*s: %s", STR_ARG(path), why);
}

/* The file as a BIO to parse. NULL: *err. */
static BIO *open_pem(struct arena *arena, struct str path, struct str *text, struct error *err)
{
    char name[TLS_PATH_BYTES_MAX];
    BIO *bio;

    if (!str_to_cstr(path, name, sizeof(name))) {
        error_set(err, FAULT_CONFIG, ERROR_NOT_FOUND, "no path");
        return NULL;
    }
    if (!file_read(arena, name, TLS_FILE_BYTES_MAX, text, err))
        return NULL;
    bio = BIO_new_mem_buf(text->data, (int)text->len);
    if (!bio)
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "%s: no memory", name);
    return bio;
}

static bool read_chain(BIO *bio, struct tls_identity *identity)
{
    X509 *next;

    identity->chain = sk_X509_new_null();
    while (identity->chain && (next = PEM_read_bio_X509(bio, NULL, tls_no_password, NULL)) != NULL)
        if (sk_X509_push(identity->chain, next) == 0)
            X509_free(next);
    ERR_clear_error(); /* The end of the file counts as an error there. */
    return identity->chain != NULL;
}

static bool read_certificate(struct arena *arena, struct str path, struct tls_identity *identity,
                             struct tls_trouble *trouble)
{
    struct str text;
    BIO *bio = open_pem(arena, path, &text, &trouble->err);

    if (!bio)
        return false;
    identity->certificate = PEM_read_bio_X509(bio, NULL, tls_no_password, NULL);
    if (!identity->certificate)
        fail(trouble, path, tls_openssl_reason());
    else if (!read_chain(bio, identity))
        fail(trouble, path, "no memory");
    BIO_free(bio);
    return identity->chain != NULL;
}

static bool read_key(struct arena *arena, struct str path, struct tls_identity *identity, struct tls_trouble *trouble)
{
    struct str text;
    BIO *bio = open_pem(arena, path, &text, &trouble->err);

    if (!bio)
        return false;
    identity->key = PEM_read_bio_PrivateKey(bio, NULL, tls_no_password, NULL);
    if (!identity->key)
        fail(trouble, path, tls_openssl_reason());
    OPENSSL_cleanse((char *)(uintptr_t)text.data, text.len);
    BIO_free(bio);
    return identity->key != NULL;
}

bool tls_identity_load(struct arena *arena, const struct tls_server_key *key, struct tls_identity *identity,
                       struct tls_trouble *trouble)
{
    *identity = (struct tls_identity){.certificate = NULL};
    trouble->place = key->public_place;
    if (!read_certificate(arena, key->public_key, identity, trouble))
        return false;
    trouble->place = key->private_place;
    if (!read_key(arena, key->private_key, identity, trouble))
        return false;
    if (X509_check_private_key(identity->certificate, identity->key) == 1)
        return true;
    return error_set(&trouble->err, FAULT_CONFIG, ERROR_BAD_CONFIG, "%.*s: is not the key of %.*s: %s",
                     STR_ARG(key->private_key), STR_ARG(key->public_key), tls_openssl_reason());
}

void tls_identity_end(struct tls_identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    sk_X509_pop_free(identity->chain, X509_free);
    tls_staple_end(&identity->staple);
}

/* `named`: clients are told that we trust it. */
static void trust_file(struct tls_server_profile *profile, struct str path, bool named, struct tls_digesting *policy)
{
    SSL_CTX *settings = profile->base.settings;
    struct error err = {0};
    struct str text;
    BIO *bio = open_pem(profile->arena, path, &text, &err);
    unsigned count = 0;
    X509 *authority;

    while (bio && (authority = PEM_read_bio_X509_AUX(bio, NULL, tls_no_password, NULL)) != NULL) {
        count += X509_STORE_add_cert(SSL_CTX_get_cert_store(settings), authority) == 1 &&
                 (!named || SSL_CTX_add_client_CA(settings, authority) == 1);
        X509_free(authority);
    }
    if (count == 0) {
        profile->passed_over++;
        profile->passed_over_latest = path;
        LOG(LOG_ERROR, area, "CA file \"%.*s\" is passed over: %s", STR_ARG(path),
            bio ? tls_openssl_reason() : err.text);
    } else {
        tls_digest_text(policy, text);
    }
    ERR_clear_error();
    BIO_free(bio);
}

/* A client picks its certificate by the names it is told. With the system's CAs among those we trust the list would
 * fill packets, and a short one would keep clients from showing what we would take: then none is told. */
bool tls_server_load_authorities(struct tls_server_profile *profile, const struct tls_server_options *options,
                                 struct tls_digesting *policy)
{
    const struct tls_server_key *keys = options->keys.items;
    bool named = options->disable_system_ca_pool;

    if (!options->disable_system_ca_pool && SSL_CTX_set_default_verify_paths(profile->base.settings) != 1)
        LOG(LOG_ERROR, area, "the system's CAs cannot be used: %s", tls_openssl_reason());
    for (size_t i = 0; i < options->ca_certs.count; i++)
        trust_file(profile, options->ca_certs.items[i], named, policy);
    for (size_t i = 0; i < options->keys.count; i++)
        trust_file(profile, keys[i].public_key, named, policy);
    ERR_clear_error();
    return true;
}
