/* profile_files.c: CAs and client certificates from PEM files. What cannot be used is logged and passed over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "os/file.h"
#include "tls/profile_internal.h"

#include <openssl/err.h>
#include <openssl/pem.h>

enum { FILE_BYTES_MAX = 4 << 20, PATH_BYTES_MAX = 4096 };
static const char area[] = "SERVICE: TLS client";

struct loading {
    SSL_CTX *settings;
    struct tls_digesting *identity;
    struct arena *arena;
};

/* Asked for the password of an encrypted key: there is none, and nobody at a terminal to give it. */
int tls_no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

const char *tls_openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return reason ? reason : "no PEM block of that kind";
}

/* The file as a BIO to parse; NULL: logged. Its bytes are part of the identity. */
static BIO *open_pem(struct loading *loading, struct str path, const char *what, struct str *text)
{
    char name[PATH_BYTES_MAX];
    struct error err;
    BIO *bio;

    error_set(&err, FAULT_CONFIG, ERROR_NOT_FOUND, "no path");
    if (path.len == 0 || !str_to_cstr(path, name, sizeof(name)) ||
        !file_read(loading->arena, name, FILE_BYTES_MAX, text, &err)) {
        LOG(LOG_ERROR, area, "%s \"%.*s\" is passed over: %s", what, STR_ARG(path), err.text);
        return NULL;
    }
    bio = BIO_new_mem_buf(text->data, (int)text->len);
    return bio;
}

static bool trust(SSL_CTX *settings, X509 *authority)
{
    bool added = X509_STORE_add_cert(SSL_CTX_get_cert_store(settings), authority) == 1;

    X509_free(authority);
    return added;
}

static void load_authorities(struct loading *loading, struct str path)
{
    struct str text;
    BIO *bio = open_pem(loading, path, "CA file", &text);
    unsigned count = 0;
    X509 *authority;

    if (!bio)
        return;
    while ((authority = PEM_read_bio_X509_AUX(bio, NULL, tls_no_password, NULL)) != NULL)
        count += trust(loading->settings, authority);
    if (count == 0)
        LOG(LOG_ERROR, area, "CA file \"%.*s\" is passed over: %s", STR_ARG(path), tls_openssl_reason());
    else
        tls_digest_text(loading->identity, text);
    ERR_clear_error(); /* The end of the file counts as an error there. */
    BIO_free(bio);
}

/* The certificates behind the first one. NULL: no memory. */
static STACK_OF(X509) * read_chain(BIO *bio)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *next;

    while (chain && (next = PEM_read_bio_X509(bio, NULL, tls_no_password, NULL)) != NULL)
        if (sk_X509_push(chain, next) == 0)
            X509_free(next);
    ERR_clear_error();
    return chain;
}

/* Of several pairs with the same kind of key, OpenSSL keeps one: the last that was set. */
static void load_pair(struct loading *loading, const struct tls_key_pair *pair)
{
    struct str certificate_text = STR_EMPTY, key_text = STR_EMPTY;
    BIO *certificates = open_pem(loading, pair->certificate, "client certificate", &certificate_text);
    BIO *keys = certificates ? open_pem(loading, pair->private_key, "private key", &key_text) : NULL;
    X509 *certificate = keys ? PEM_read_bio_X509(certificates, NULL, tls_no_password, NULL) : NULL;
    STACK_OF(X509) *chain = certificate ? read_chain(certificates) : NULL;
    EVP_PKEY *key = chain ? PEM_read_bio_PrivateKey(keys, NULL, tls_no_password, NULL) : NULL;

    if (key && SSL_CTX_use_cert_and_key(loading->settings, certificate, key, chain, 1) == 1) {
        tls_digest_text(loading->identity, certificate_text);
        tls_digest_text(loading->identity, key_text);
    } else if (keys) {
        LOG(LOG_ERROR, area, "client certificate \"%.*s\" is passed over: %s", STR_ARG(pair->certificate),
            tls_openssl_reason());
    }
    if (key_text.len > 0)
        OPENSSL_cleanse((char *)(uintptr_t)key_text.data, key_text.len);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    X509_free(certificate);
    BIO_free(keys);
    BIO_free(certificates);
}

bool tls_profile_load_files(SSL_CTX *settings, const struct tls_client_options *options, struct tls_digesting *identity)
{
    const struct tls_key_pair *pairs = options->client_certs.items;
    size_t files = options->ca_certs.count + 2 * options->client_certs.count;
    struct loading loading = {settings, identity, arena_new(NULL, (files + 1) * (FILE_BYTES_MAX + 65536))};

    if (!loading.arena)
        return false;
    if (!options->disable_system_ca_pool && SSL_CTX_set_default_verify_paths(settings) != 1)
        LOG(LOG_ERROR, area, "the system's CAs cannot be used: %s", tls_openssl_reason());
    for (size_t i = 0; i < options->ca_certs.count; i++)
        load_authorities(&loading, options->ca_certs.items[i]);
    tls_digest_text(identity, STR("client certificates"));
    for (size_t i = options->client_certs.count; i > 0; i--)
        load_pair(&loading, &pairs[i - 1]);
    arena_free(loading.arena);
    ERR_clear_error();
    return true;
}
