/* server_resume.c: how clients come back without a whole handshake: tickets, sessions of TLS 1.2 by id, and early data,
 * each of which is taken once. Start with tls_server_set_resumption. SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_internal.h"
#include "tls/server_stream.h"
#include "tls/stream_internal.h"

static const struct tls_server_profile *profile_of(const SSL *ssl)
{
    struct tls_stream *tls = BIO_get_data(SSL_get_rbio(ssl));

    return tls_server_profile_of(tls->profile);
}

/* A resumed handshake shows no certificate, so one that has expired since must not live on in its sessions. */
static bool is_expired(const SSL_SESSION *session)
{
    const X509 *peer = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);

    return peer && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0;
}

static int use_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                          int encrypt)
{
    return tls_tickets_use(profile_of(ssl)->shared->tickets, name, iv, cipher, mac, encrypt);
}

/* Every ticket says who gave it: other nodes, and this one after a restart, know no marks of its early data. */
static int fill_ticket(SSL *ssl, void *arg)
{
    const struct tls_server_profile *profile = arg;

    tls_count(ssl, TLS_COUNT_TICKETS);
    return !profile->early_data ||
           SSL_SESSION_set1_ticket_appdata(SSL_get0_session(ssl), profile->shared->node, TLS_NODE_BYTES);
}

static SSL_TICKET_RETURN judge_ticket(SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t name_len,
                                      SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)name;
    (void)name_len;
    (void)arg;
    if (status == SSL_TICKET_EMPTY || status == SSL_TICKET_NO_DECRYPT)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE;
    if (is_expired(session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    /* Tickets of TLS 1.3 are used once (RFC 8446 C.4): who comes back gets the next one. */
    if (status == SSL_TICKET_SUCCESS_RENEW || SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
        return SSL_TICKET_RETURN_USE_RENEW;
    return SSL_TICKET_RETURN_USE;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    if (SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
        tls_session_cache_put(profile_of(ssl)->shared->cache, session);
    return 0;
}

static SSL_SESSION *find_session(SSL *ssl, const unsigned char *id, int len, int *copy)
{
    SSL_SESSION *session = tls_session_cache_get(profile_of(ssl)->shared->cache, str_of((const char *)id, (size_t)len));

    *copy = 0;
    if (session && is_expired(session)) {
        SSL_SESSION_free(session);
        return NULL;
    }
    return session;
}

static bool is_ours(SSL_SESSION *session, const struct tls_shared *shared)
{
    void *data = NULL;
    size_t len = 0;

    return SSL_SESSION_get0_ticket_appdata(session, &data, &len) == 1 && len == TLS_NODE_BYTES &&
           memcmp(data, shared->node, TLS_NODE_BYTES) == 0;
}

/* The secret of a TLS 1.3 ticket is its own: a digest of it names the ticket. */
static bool name_ticket(const SSL_SESSION *session, struct tls_digest *name)
{
    unsigned char secret[SSL_MAX_MASTER_KEY_LENGTH];
    size_t len = SSL_SESSION_get_master_key(session, secret, sizeof(secret));
    struct tls_digesting digesting;

    tls_digest_start(&digesting);
    tls_digest_text(&digesting, str_of((const char *)secret, len));
    OPENSSL_cleanse(secret, sizeof(secret));
    return tls_digest_end(&digesting, name) && len > 0;
}

static int allow_early_data(SSL *ssl, void *arg)
{
    const struct tls_server_profile *profile = arg;
    const struct tls_stream *tls = BIO_get_data(SSL_get_rbio(ssl));
    SSL_SESSION *session = SSL_get0_session(ssl);
    struct tls_digest name;

    return session && is_ours(session, profile->shared) && name_ticket(session, &name) &&
           tls_strikes_mark(profile->shared->strikes, &name, loop_now_ns(tls->stream.loop));
}

static void set_early_data(struct tls_server_profile *profile, const struct tls_server_tuning *tuning)
{
    SSL_CTX *settings = profile->base.settings;

    profile->early_data = tuning->early_data && tuning->session_tickets;
    if (!profile->early_data)
        return;
    /* OpenSSL's own protection would keep all sessions of one SSL_CTX in its cache; ours is for tickets. */
    SSL_CTX_set_options(settings, SSL_OP_NO_ANTI_REPLAY);
    SSL_CTX_set_max_early_data(settings, (uint32_t)tuning->early_data_bytes_max);
    SSL_CTX_set_recv_max_early_data(settings, (uint32_t)tuning->early_data_bytes_max);
    SSL_CTX_set_allow_early_data_cb(settings, allow_early_data, profile);
}

void tls_server_set_resumption(struct tls_server_profile *profile, const struct tls_server_tuning *tuning)
{
    SSL_CTX *settings = profile->base.settings;

    SSL_CTX_set_timeout(settings, (long)(tuning->ticket_rotation_ns / 1000000000));
    if (tuning->session_tickets) {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(settings, use_ticket_key);
        SSL_CTX_set_session_ticket_cb(settings, fill_ticket, judge_ticket, profile);
        SSL_CTX_set_num_tickets(settings, 1); /* as Go: a client that opens more gets one with each */
    } else {
        SSL_CTX_set_options(settings, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(settings, 0);
    }
    if (profile->shared->cache) {
        SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(settings, keep_session);
        SSL_CTX_sess_set_get_cb(settings, find_session);
    } else {
        SSL_CTX_set_session_cache_mode(settings, SSL_SESS_CACHE_OFF);
    }
    set_early_data(profile, tuning);
}
