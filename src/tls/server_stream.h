/* server_stream.h: TLS as a stream over another stream, in the server's role.
 *
 * First call tls_server_handshake until it answers IO_OK, under a clock of the caller's; then all of net/stream.h holds
 * as tls/stream.h has it. With early data it answers IO_OK as soon as such data is here, before the handshake is done:
 * what is read until then may be a replay (RFC 8470), and tls_await_handshake tells when that is over.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SERVER_STREAM_H
#define HOLDFAST_TLS_SERVER_STREAM_H

#include "net/stream.h"
#include "tls/server.h"
#include "tls/stream.h"

#include <openssl/ssl.h>

enum tls_count {
    TLS_COUNT_FULL, /* handshakes */
    TLS_COUNT_RESUMED,
    TLS_COUNT_TICKETS, /* given */
    TLS_COUNT_STAPLED,
    TLS_COUNT_EARLY_ACCEPTED, /* connections that sent early data */
    TLS_COUNT_EARLY_REJECTED,
    TLS_COUNTS
};

/* Why a handshake failed. */
enum tls_failed {
    TLS_FAILED_TIMEOUT,
    TLS_FAILED_CLOSED,      /* by the client, without a word */
    TLS_FAILED_CROWDED,     /* more at once than max_handshakes */
    TLS_FAILED_PLAIN_HTTP,  /* the client speaks HTTP without TLS */
    TLS_FAILED_VERSION,     /* none in common */
    TLS_FAILED_CERTIFICATE, /* the client's: none, or one that is not trusted */
    TLS_FAILED_ALERT,       /* the client's */
    TLS_FAILED_OTHER,
    TLS_FAILURES
};
const char *tls_failed_name(enum tls_failed reason); /* "timeout" */

/* Numbers of one worker, written by it alone, read by anybody. */
struct tls_server_counts {
    _Atomic uint64_t counts[TLS_COUNTS], failed[TLS_FAILURES];
};

/* What the streams of one loop share, so that each is smaller. A zeroed one is ready. */
struct tls_server_common {
    BIO_METHOD *method;
    BIO *bio;
};
void tls_server_common_end(struct tls_server_common *common); /* when all of its streams are closed */

/* Wraps an accepted stream, whose owner becomes `owner`. Takes `under`: it is closed on failure too. NULL with *err:
 * out_of_memory. */
struct stream *tls_server_stream(struct stream *under, struct tls_server *server, struct tls_server_common *common,
                                 struct tls_server_counts *counts, struct task *owner, struct error *err);

/* IO_OK: bytes may be moved. IO_WAIT: `owner` is woken. IO_FAIL: fault CLIENT: tls_version, tls_verify, tls_alert,
 * tls_handshake, closed, reset; SYSTEM without memory. An alert for the client is on its way then. It is counted. */
enum io tls_server_handshake(struct stream *stream, struct error *err);

/* Has anything come from the client that was looked at? What comes first takes the most time. */
bool tls_server_has_begun(struct stream *stream);

/* After IO_FAIL: the client sent a request of HTTP without TLS, and may be answered so. */
bool tls_client_spoke_http(const struct stream *stream);

/* Frees the TLS part and gives the stream below back, its owner the same. Before the handshake is done only. */
struct stream *tls_server_unwrap(struct stream *stream);

/* Counts a failure that the caller has decided on, before it closes the stream: timeout, crowded. */
void tls_count_failed(struct tls_server_counts *counts, enum tls_failed reason);

/* IO_OK: the handshake is done, or the stream is no TLS stream. IO_WAIT: `waiter` is woken when it is, or has failed
 * (one at a time; NULL only asks). IO_FAIL: it has failed: what was read may be a replay for ever. */
enum io tls_await_handshake(struct stream *stream, struct task *waiter);

/* Whether a request for this host (without a port) came over a connection whose certificate is for others, while we
 * have one for it: with another server name the client would have been shown that (RFC 9110 7.4, 15.5.20). Only then;
 * false for clients that sent no server name, hosts we have no certificate for, and streams that are no TLS streams. */
bool tls_is_misdirected(struct stream *stream, struct str host);

/* As tls_info, of an accepted stream. False: it is no TLS stream. */
bool tls_server_info(struct stream *stream, struct tls_info *info) MUST_USE;

/* What ALPN has chosen, also before the handshake is done; empty: nothing. */
struct str tls_server_protocol(struct stream *stream);

/* For callbacks of OpenSSL, which run inside of its calls. */
void tls_count(const SSL *ssl, enum tls_count what);

#endif
