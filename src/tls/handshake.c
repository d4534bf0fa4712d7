/* handshake.c: from a connected stream to one that is secured: who the peer has to be, what to resume, the handshake.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/stream_internal.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { NAME_BYTES_MAX = 255, PROTOCOLS_BYTES_MAX = 256 };

static bool fail_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a TLS stream");
}

/* Certificates are checked against the name or the address that was asked for; only names are sent (RFC 6066 3). */
static bool set_name(SSL *ssl, struct str name, struct error *err)
{
    struct addr addr;
    char text[NAME_BYTES_MAX + 1];

    if (addr_parse_ip(name, &addr)) {
        size_t len = addr.family == ADDR_IPV4 ? 4 : 16;

        return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), addr.ip, len) == 1 || fail_memory(err);
    }
    if (str_ends(name, STR(".")))
        name.len--; /* Certificates and SNI have no dot at the end. */
    if (name.len == 0 || !str_to_cstr(name, text, sizeof(text)))
        return error_set(err, FAULT_CONFIG, ERROR_TLS_HANDSHAKE, "\"%.*s\" cannot be a server's name", STR_ARG(name));
    return (SSL_set_tlsext_host_name(ssl, text) == 1 && SSL_set1_host(ssl, text) == 1) || fail_memory(err);
}

static bool set_protocols(SSL *ssl, const struct tls_stream_options *options, struct error *err)
{
    uint8_t wire[PROTOCOLS_BYTES_MAX];
    unsigned len = 0;

    for (size_t i = 0; i < options->protocol_count; i++) {
        struct str protocol = options->protocols[i];

        ASSERT(protocol.len > 0 && protocol.len < 256);
        ASSERT(len + 1 + protocol.len <= sizeof(wire));
        wire[len++] = (uint8_t)protocol.len;
        memcpy(wire + len, protocol.data, protocol.len);
        len += (unsigned)protocol.len;
    }
    return len == 0 || SSL_set_alpn_protos(ssl, wire, len) == 0 || fail_memory(err);
}

static bool make_session_key(const struct tls_stream *tls, const struct tls_stream_options *options,
                             struct tls_digest *key)
{
    const struct tls_digest *identity = tls_profile_identity(tls->profile);
    struct tls_digesting digesting;

    tls_digest_start(&digesting);
    tls_digest_text(&digesting, str_of((const char *)identity->bytes, sizeof(identity->bytes)));
    tls_digest_text(&digesting, options->server_name);
    for (size_t i = 0; i < options->protocol_count; i++)
        tls_digest_text(&digesting, options->protocols[i]);
    tls_digest_text(&digesting, options->session_scope);
    return tls_digest_end(&digesting, key);
}

static bool offer_session(struct tls_stream *tls, const struct tls_stream_options *options, struct error *err)
{
    SSL_SESSION *session;

    if (!options->sessions)
        return true;
    tls->keeping = malloc(sizeof(*tls->keeping));
    if (!tls->keeping || !make_session_key(tls, options, &tls->keeping->key))
        return fail_memory(err);
    tls->keeping->sessions = options->sessions;
    session = tls_sessions_take(options->sessions, &tls->keeping->key);
    if (session) {
        SSL_set_session(tls->ssl, session); /* Without it the handshake is a full one. */
        SSL_SESSION_free(session);
    }
    return true;
}

static bool prepare(struct tls_stream *tls, const struct tls_stream_options *options, struct error *err)
{
    BIO *bio;

    tls->ssl = SSL_new(tls->profile->settings);
    bio = tls->ssl ? tls_bio_new(tls->profile->method) : NULL;
    if (!bio)
        return fail_memory(err);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    return set_name(tls->ssl, options->server_name, err) && set_protocols(tls->ssl, options, err) &&
           offer_session(tls, options, err);
}

struct stream *tls_client_stream(struct stream *under, const struct tls_stream_options *options, struct task *owner,
                                 struct error *err)
{
    struct tls_stream *tls = calloc(1, sizeof(*tls));

    if (!tls) {
        fail_memory(err);
        stream_close(under, true);
        return NULL;
    }
    tls->stream = (struct stream){.ops = &tls_client_ops, .loop = under->loop, .peer = under->peer};
    tls->under = under;
    tls->profile = tls_profile_ref(options->profile);
    tls->task.run = tls_stream_run;
    tls->owner = owner;
    tls->turned = true;
    stream_set_owner(under, owner, false);
    if (!prepare(tls, options, err)) {
        ERR_clear_error();
        stream_close(&tls->stream, true);
        return NULL;
    }
    return &tls->stream;
}

/* Nothing of a request was sent, and whatever went wrong with the stream below is about the upstream. */
static enum io fail_handshake(struct tls_stream *tls, struct error *err)
{
    enum io io = tls_stream_fail(tls, err);

    if (err->code == ERROR_RESET || err->code == ERROR_CLOSED)
        err->fault = FAULT_UPSTREAM;
    err->retry_safe = true;
    return io;
}

static void fail_impossible(struct tls_stream *tls)
{
    struct error err;

    error_set(&err, FAULT_CONFIG, ERROR_TLS_VERSION, "no TLS version lies between min_version and max_version");
    tls_stream_note_failure(tls, &err);
}

enum io tls_handshake(struct stream *stream, struct error *err)
{
    struct tls_stream *tls = tls_of(stream);
    int returned;
    enum io io;

    ASSERT(stream->ops == &tls_client_ops);
    if (tls->shaken)
        return IO_OK;
    if (tls->profile->impossible)
        fail_impossible(tls);
    if (tls->failure)
        return fail_handshake(tls, err);
    ERR_clear_error();
    tls_enter(tls);
    returned = SSL_do_handshake(tls->ssl);
    tls_leave(tls);
    tls->shaken = returned == 1;
    io = tls->shaken ? IO_OK : tls_stream_settle(tls, returned);
    (void)tls_stream_flush(tls, NULL); /* A failure shows when the answer is read. */
    if (io == IO_FAIL)
        return fail_handshake(tls, err);
    if (tls->shaken)
        tls->housekeeping = 0;
    return io;
}

int tls_stream_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_stream *tls = BIO_get_data(SSL_get_rbio(ssl));

    if (!tls->keeping)
        return 0;
    tls_sessions_put(tls->keeping->sessions, &tls->keeping->key, session);
    return 0; /* the session stays the connection's; a copy is kept */
}

void tls_info(struct stream *stream, struct tls_info *info)
{
    struct tls_stream *tls = tls_of(stream);
    const unsigned char *protocol = NULL;
    const char *group;
    unsigned len = 0;

    ASSERT(stream->ops == &tls_client_ops);
    ASSERT(tls->shaken);
    SSL_get0_alpn_selected(tls->ssl, &protocol, &len);
    group = SSL_group_to_name(tls->ssl, (int)SSL_get_negotiated_group(tls->ssl));
    *info = (struct tls_info){
        .version = SSL_get_version(tls->ssl),
        .cipher = SSL_get_cipher_name(tls->ssl),
        .group = group ? group : "",
        .protocol = str_of((const char *)protocol, len),
        .resumed = SSL_session_reused(tls->ssl) == 1,
    };
}

static bool certificate_names(X509 *certificate, unsigned flags, struct str name)
{
    struct addr addr;

    if (addr_parse_ip(name, &addr))
        return X509_check_ip(certificate, addr.ip, addr.family == ADDR_IPV4 ? 4 : 16, 0) == 1;
    if (str_ends(name, STR(".")))
        name.len--;
    return name.len > 0 && X509_check_host(certificate, name.data, name.len, flags, NULL) == 1;
}

bool tls_is_for(struct stream *stream, struct str name)
{
    struct tls_stream *tls = tls_of(stream);
    X509 *certificate;

    ASSERT(stream->ops == &tls_client_ops);
    ASSERT(tls->shaken);
    if (tls->profile->insecure || SSL_get_verify_result(tls->ssl) != X509_V_OK)
        return false;
    certificate = SSL_get0_peer_certificate(tls->ssl);
    return certificate &&
           certificate_names(certificate, X509_VERIFY_PARAM_get_hostflags(SSL_get0_param(tls->ssl)), name);
}
