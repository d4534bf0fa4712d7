/* stream.h: TLS as a stream over another stream, in the client's role. What runs over it (http/h1) sees bytes only.
 *
 * First call tls_handshake until it answers IO_OK, under a clock of the caller's; then all of net/stream.h holds:
 * - reading and peeking take care of tickets and key updates by themselves; they are no news (IO_WAIT).
 * - close_notify is IO_END. FIN without it is IO_FAIL tls_truncated when read (whoever reads decides whether what it
 *   has is whole) and IO_END when peeked.
 * - what was written may lie here encrypted, 64 KiB at most, until the stream below has room; then it goes by itself.
 * - facts count `unsent_bytes` in bytes of the application since it last turned from reading to writing: equal to what
 *   was written if and only if no byte of the first record behind that turn was acknowledged (keepalive D.4).
 * - an idle stream holds no buffer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_STREAM_H
#define HOLDFAST_TLS_STREAM_H

#include "net/stream.h"
#include "tls/profile.h"
#include "tls/sessions.h"

struct tls_stream_options {
    struct tls_profile *profile; /* the stream keeps a reference */
    struct str server_name; /* a name (sent as SNI) or an IP literal (not sent): what the certificate must be for */
    const struct str *protocols;   /* ALPN, the best first */
    size_t protocol_count;         /* 0: no ALPN */
    struct tls_sessions *sessions; /* of this worker; NULL: never resume. Must outlive the stream */
    struct str session_scope;      /* what else tells upstreams apart: address and port, proxy, privacy ... */
};

/* Wraps a connected stream, whose owner becomes `owner`. Nothing is sent before tls_handshake. Takes `under`: it is
 * closed on failure too. The options are borrowed during the call. NULL with *err: out_of_memory, tls_handshake (a
 * server name that cannot be one; fault CONFIG). */
struct stream *tls_client_stream(struct stream *under, const struct tls_stream_options *options, struct task *owner,
                                 struct error *err);

/* IO_OK: done, bytes may be moved. IO_WAIT: `owner` is woken. IO_FAIL: tls_verify (whom we met is not who we want:
 * "certificate verify failed: self-signed certificate"), tls_version, tls_alert, tls_handshake, reset ..., all
 * retry_safe, fault UPSTREAM; CONFIG when our own versions leave nothing, SYSTEM without memory. */
enum io tls_handshake(struct stream *stream, struct error *err);

struct tls_info {
    const char *version, *cipher, *group; /* "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519" ("" when it cannot tell) */
    struct str protocol;                  /* chosen by ALPN; empty: none */
    bool resumed;
};

/* After the handshake; texts live as long as the stream. */
void tls_info(struct stream *stream, struct tls_info *info);

/* After the handshake: was the peer's certificate verified, and is it for this name or IP literal too, by the same
 * rules? Resumed sessions remember it. */
bool tls_is_for(struct stream *stream, struct str name);

#endif
