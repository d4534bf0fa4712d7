/* server_stream.c: the server's handshake. What runs before it is done with early data is in server_early.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_stream.h"

#include "tls/bio_internal.h"
#include "tls/early_internal.h"
#include "tls/server_internal.h"
#include "tls/stream_internal.h"

#include <openssl/err.h>
#include <stdlib.h>

enum { METHOD_BYTES = 5 };

const char *tls_failed_name(enum tls_failed reason)
{
    static const char *const names[TLS_FAILURES] = {"timeout", "closed",      "crowded", "plain_http",
                                                    "version", "certificate", "alert",   "other"};

    ASSERT(reason < TLS_FAILURES);
    return names[reason];
}

static void count(_Atomic uint64_t *number)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + 1, memory_order_relaxed);
}

void tls_server_count(struct tls_stream *tls, enum tls_count what)
{
    count(&tls->counts->counts[what]);
}

void tls_count(const SSL *ssl, enum tls_count what)
{
    tls_server_count(BIO_get_data(SSL_get_rbio(ssl)), what);
}

void tls_count_failed(struct tls_server_counts *counts, enum tls_failed reason)
{
    count(&counts->failed[reason]);
}

static bool fail_memory(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a TLS stream");
}

/* A reference to it. NULL: no memory. */
static BIO *hold_bio(struct tls_server_common *common)
{
    if (!common->method)
        common->method = tls_bio_method_new();
    if (common->method && !common->bio)
        common->bio = tls_bio_new(common->method);
    if (common->bio)
        BIO_up_ref(common->bio);
    return common->bio;
}

void tls_server_common_end(struct tls_server_common *common)
{
    BIO_free(common->bio);
    BIO_meth_free(common->method);
    *common = (struct tls_server_common){NULL, NULL};
}

static bool prepare(struct tls_stream *tls, struct tls_server_common *common, bool early)
{
    BIO *bio;

    tls->ssl = SSL_new(tls->profile->settings);
    bio = tls->ssl ? hold_bio(common) : NULL;
    if (!bio)
        return false;
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_accept_state(tls->ssl);
    return !early || tls_early_new(tls);
}

struct stream *tls_server_stream(struct stream *under, struct tls_server *server, struct tls_server_common *common,
                                 struct tls_server_counts *counts, struct task *owner, struct error *err)
{
    struct tls_stream *tls = calloc(1, sizeof(*tls));
    struct tls_server_profile *profile;

    if (!tls) {
        fail_memory(err);
        stream_close(under, true);
        return NULL;
    }
    tls_server_await_look(server, loop_now_ns(under->loop));
    profile = tls_server_latest(server);
    tls->stream = (struct stream){.ops = &tls_client_ops, .loop = under->loop, .peer = under->peer};
    tls->server = true;
    tls->under = under;
    tls->profile = &profile->base;
    tls->counts = counts;
    tls->task.run = tls_stream_run;
    tls->owner = owner;
    tls->turned = true;
    stream_set_owner(under, owner, false);
    if (!prepare(tls, common, profile->early_data)) {
        ERR_clear_error();
        fail_memory(err);
        stream_close(&tls->stream, true);
        return NULL;
    }
    return &tls->stream;
}

/* The first bytes of a request where a TLS record was due. */
static bool looks_like_http(struct str bytes)
{
    static const char methods[][METHOD_BYTES + 1] = {"GET /", "HEAD ", "POST ", "PUT /",
                                                     "OPTIO", "DELET", "PATCH", "CONNE"};

    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (str_starts(bytes, str_of(methods[i], METHOD_BYTES)))
            return true;
    return false;
}

/* Looks at what comes first, before OpenSSL does. A record of TLS begins with a byte that is no letter. */
static enum io look_for_http(struct tls_stream *tls)
{
    struct str first;
    struct error err;

    if (tls->looked)
        return IO_OK;
    while (tls->in.size < METHOD_BYTES && tls_bio_fill(tls))
        ;
    first = chain_pull(&tls->in, loop_blocks(tls->stream.loop), size_min(tls->in.size, METHOD_BYTES));
    if (first.len < METHOD_BYTES && !tls->under_ended && !tls->failure &&
        (first.len == 0 || (first.data[0] >= 'A' && first.data[0] <= 'Z')))
        return IO_WAIT;
    tls->looked = true;
    tls->plain_http = looks_like_http(first);
    if (!tls->plain_http)
        return IO_OK;
    error_set(&err, FAULT_CLIENT, ERROR_TLS_HANDSHAKE, "client sent an HTTP request to an HTTPS server");
    tls_stream_note_failure(tls, &err);
    return IO_FAIL;
}

static enum tls_failed reason_of(const struct tls_stream *tls)
{
    const struct error *err = tls->failure;

    if (tls->plain_http)
        return TLS_FAILED_PLAIN_HTTP;
    if (err->code == ERROR_RESET || err->code == ERROR_CLOSED || tls->under_ended)
        return TLS_FAILED_CLOSED;
    if (err->code == ERROR_TLS_VERSION)
        return TLS_FAILED_VERSION;
    if (err->code == ERROR_TLS_VERIFY)
        return TLS_FAILED_CERTIFICATE;
    return err->code == ERROR_TLS_ALERT ? TLS_FAILED_ALERT : TLS_FAILED_OTHER;
}

void tls_server_count_failure(struct tls_stream *tls)
{
    if (!tls->counted)
        tls_count_failed(tls->counts, reason_of(tls));
    tls->counted = true;
}

static enum io fail_handshake(struct tls_stream *tls, struct error *err)
{
    enum io io = tls_stream_fail(tls, err);

    if (err->code == ERROR_RESET || err->code == ERROR_CLOSED)
        err->fault = FAULT_CLIENT;
    tls_server_count_failure(tls);
    return io;
}

static void note_shaken(struct tls_stream *tls)
{
    tls->shaken = true;
    tls->housekeeping = 0;
    SSL_set_tlsext_status_ocsp_resp(tls->ssl, NULL, 0); /* it has its copy of the staple */
    tls_server_count(tls, SSL_session_reused(tls->ssl) ? TLS_COUNT_RESUMED : TLS_COUNT_FULL);
}

enum io tls_server_shake(struct tls_stream *tls)
{
    int returned;

    ERR_clear_error();
    tls_enter(tls);
    returned = SSL_do_handshake(tls->ssl);
    tls_leave(tls);
    if (returned != 1)
        return tls_stream_settle(tls, returned);
    note_shaken(tls);
    return IO_OK;
}

static enum io step(struct tls_stream *tls)
{
    enum io io = look_for_http(tls);

    if (io != IO_OK)
        return io;
    return tls->early ? tls_early_step(tls) : tls_server_shake(tls);
}

enum io tls_server_handshake(struct stream *stream, struct error *err)
{
    struct tls_stream *tls = tls_of(stream);
    enum io io;

    ASSERT(tls->server);
    if (tls->shaken)
        return IO_OK;
    if (tls->failure)
        return fail_handshake(tls, err);
    io = step(tls);
    (void)tls_stream_flush(tls, NULL); /* A failure shows when the answer is read. */
    if (io == IO_FAIL)
        return fail_handshake(tls, err);
    if (tls->shaken && tls->in.size == 0)
        (void)SSL_free_buffers(tls->ssl);
    return io;
}

bool tls_server_has_begun(struct stream *stream)
{
    return tls_of(stream)->looked;
}

bool tls_client_spoke_http(const struct stream *stream)
{
    return tls_of((struct stream *)(uintptr_t)stream)->plain_http;
}

struct stream *tls_server_unwrap(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);
    struct stream *under = tls->under;

    ASSERT(!tls->shaken);
    stream_set_owner(under, tls->owner, tls->first);
    tls->under = NULL;
    stream_close(stream, true);
    return under;
}

struct str tls_server_protocol(struct stream *stream)
{
    const unsigned char *protocol = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(tls_of(stream)->ssl, &protocol, &len);
    return str_of((const char *)protocol, len);
}

bool tls_server_info(struct stream *stream, struct tls_info *info)
{
    const SSL *ssl;

    *info = (struct tls_info){0};
    if (!stream->ops->secure)
        return false;
    ASSERT(tls_of(stream)->server);
    ssl = tls_of(stream)->ssl;
    *info = (struct tls_info){
        .version = SSL_get_version(ssl),
        .cipher = SSL_get_cipher_name(ssl),
        .group = "",
        .protocol = tls_server_protocol(stream),
        .resumed = SSL_session_reused(ssl) == 1,
    };
    return true;
}
