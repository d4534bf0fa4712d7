/* connect.h: from a name and port to a stream that requests can go over: the dial (net/dial.h), for https:// hosts
 * behind a forward proxy the way through it (tunnel.h), and for all https:// hosts the TLS handshake; before all that
 * one with an https:// proxy.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_CONNECT_H
#define HOLDFAST_UPSTREAM_CONNECT_H

#include "net/dial.h"
#include "tls/stream.h"
#include "upstream/host.h"
#include "upstream/tunnel.h"

struct connect_options {
    struct dial_options dial;        /* of the host, or of the proxy that leads there */
    struct str first;                /* goes before all else (a PROXY header); empty: nothing does */
    struct tunnel_options tunnel;    /* `proxy` empty: there is none; `target` empty: nothing to be asked of it here */
    uint64_t tunnel_limit_ns;        /* from asked to answered; 0: what the dial has left, or 60 s */
    struct tls_profile *proxy_tls;   /* NULL: the proxy is spoken to in cleartext */
    struct str proxy_name;           /* whom the proxy's certificate must be for */
    struct tls_profile *tls;         /* NULL: cleartext */
    struct str server_name;          /* whom the certificate must be for */
    const struct str *protocols;     /* offered by ALPN, the best first; borrowed as the rest */
    size_t protocol_count;           /* 0: no ALPN */
    struct tls_sessions *sessions;   /* NULL: never resume; must outlive the stream */
    struct str session_scope;        /* as in tls/stream.h */
    uint64_t tls_handshake_limit_ns; /* from connected to secured, with the proxy and with the host; 0: none */
    struct host_counts *counts;      /* where handshakes are counted; NULL: nowhere */
    struct dial_cost *cost;          /* is told how long it took; NULL: nobody is */
};

/* What it took. */
struct connect_facts {
    uint64_t dial_ns, tunnel_ns, tls_ns; /* 0: that step was not begun; the tunnel's with the proxy's TLS */
    bool resumed;                        /* the handshake was a short one */
};

struct connecting;

/* Starts; `owner` is woken when connect_result would no longer answer IO_WAIT. The options' texts and pointers are
 * borrowed until it is freed. NULL: no memory. */
struct connecting *connect_start(struct loop *loop, struct resolver *resolver, const struct connect_options *options,
                                 struct task *owner);

/* IO_OK: *stream is ready for the first byte of a request, and the caller's; IO_WAIT; IO_FAIL: *err is dial_result's,
 * tunnel_step's or tls_handshake's, or proxy_timeout, or tls_timeout; all but those of our own making are retry_safe.
 */
enum io connect_result(struct connecting *connecting, struct stream **stream, struct error *err);

void connect_set_owner(struct connecting *connecting, struct task *owner); /* NULL: nobody is woken */
const struct connect_facts *connect_facts(const struct connecting *connecting);

/* Ends it at any time, closing what is under way. NULL is fine. */
void connect_free(struct connecting *connecting);

#endif
