/* h2.h: HTTP/2 (RFC 9113) on nghttp2, behind http/conn.h: how a connection is made in either role, its rules, what is
 * counted, and what only HTTP/2 knows of a connection to a host. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H2_H2_H
#define HOLDFAST_HTTP_H2_H2_H

#include "http/conn.h"

#include <stdatomic.h>

enum h2_glitch {
#define GLITCH(code, points, name, text) H2_GLITCH_##code,
#include "http/h2/glitch.def"
#undef GLITCH
    H2_GLITCHES
};
const char *h2_glitch_name(enum h2_glitch glitch); /* "ping" */

/* Error codes of RFC 9113 7; the last slot is for all that are not known. */
enum { H2_ERRORS = 15 };
const char *h2_error_name(unsigned code); /* "PROTOCOL_ERROR"; "unknown" */

/* The server role borrows them for the life of the conn, the client role copies them. */
struct h2_rules {
    uint32_t streams_max;       /* at once: announced by the server; what the client asks for at most */
    uint32_t head_bytes_max;    /* of one head as RFC 9113 6.5.2 counts, announced; the client has it in the options */
    uint32_t stream_window;     /* bytes of a body that may lie here unread */
    uint32_t connection_window; /* ... of all of them */
    uint32_t glitches_max;      /* points that the budget of a connection holds; 0: no budget */
    uint32_t glitches_back;     /* points that come back each second */
    bool tunnels;               /* server role: extended CONNECT (RFC 8441) is offered; see "Switching protocols" */
};
extern const struct h2_rules h2_rules_default;        /* of the server role */
extern const struct h2_rules h2_client_rules_default; /* of the client role */

/* Written by one thread, read by any. */
struct h2_counts {
    _Atomic uint64_t connections, streams;
    _Atomic uint64_t glitches[H2_GLITCHES];
    _Atomic uint64_t exhausted;                    /* connections that ended by their budget */
    _Atomic uint64_t stream_errors[H2_ERRORS];     /* RST_STREAM sent, by code */
    _Atomic uint64_t connection_errors[H2_ERRORS]; /* GOAWAY sent, by code; 0: in order */
    _Atomic uint64_t peer_resets;                  /* RST_STREAM received */
};

/* The server role. Takes `stream`, and with it `first`, bytes that were read from it already (may be NULL); wakes
 * `owner`; borrows the options as h1_server_new does. options->h2 NULL: the default rules. NULL with *err: the stream
 * is closed. */
struct http_conn *h2_server_new(struct stream *stream, struct chain *first, const struct http_conn_options *options,
                                struct task *owner, struct error *err);

/* The client role. Takes `stream` (ALPN h2, or prior knowledge: the preface is sent at once); `owner` is woken when
 * room comes back, when the peer's SETTINGS or GOAWAY come, and at the end of the conn. Copies the options; those of
 * the server role have no meaning. NULL with *err: the stream is closed.
 *
 * Errors of its streams beyond those of conn.h: stream_refused (REFUSED_STREAM before any answer) and goaway (above the
 * peer's last stream), both retry_safe for any method (RFC 9113 8.7); reset for any other RST_STREAM. What is malformed
 * resets its stream only. As it answers PING and takes SETTINGS, an idle conn keeps its stream's news: http_set_idle is
 * not for it. http_check_idle reads what is there; IO_END also behind a GOAWAY. */
struct http_conn *h2_client_new(struct stream *stream, const struct http_conn_options *options, struct task *owner,
                                struct error *err);

/* What only HTTP/2 knows of a conn of the client role. Times are the loop's; 0: never. */
struct h2_client_facts {
    uint64_t heard_ns;         /* when the peer's last byte came */
    uint64_t ping_sent_ns;     /* when h2_client_ping was called last */
    uint64_t ping_answered_ns; /* when the last answer to one came */
    uint32_t streams_open;     /* those that count for the room */
    uint32_t streams_max;      /* the smaller of our cap and the peer's */
    uint32_t goaway_error;     /* code of the peer's last GOAWAY */
    bool met;                  /* the peer's first SETTINGS are here */
    bool goaway;               /* a GOAWAY of the peer is here */
    bool too_many_pings;       /* ... which says so (gRPC: wait longer between PINGs from now on) */
    bool grpc;                 /* it was asked for gRPC */
    uint8_t pings_bare;        /* PINGs sent since the peer's last HEADERS or DATA; 255: that many or more */
    bool tunnels;              /* the peer takes extended CONNECT */
    bool window_shut;          /* bytes of ours wait for the window of the whole connection */
};
void h2_client_facts(const struct http_conn *conn, struct h2_client_facts *facts);

/* Sends one PING; none is ever sent unasked. False: one is still unanswered, or the conn is at its end. The owner is
 * woken when the answer comes. */
bool h2_client_ping(struct http_conn *conn) MUST_USE;

/* The owner has found out that nobody is there any more: the conn ends now, and its streams fail with `err`. */
void h2_client_give_up(struct http_conn *conn, const struct error *err);

/* The code of RFC 9113 7 with which the stream was closed, by either side; 0: it was not, or in order. */
uint32_t h2_client_stream_error(const struct http_stream *stream);

/* The peer wants this request in HTTP/1.1 (HTTP_1_1_REQUIRED, of the stream or in a GOAWAY); it has not processed it.
 */
bool h2_client_wants_http1(const struct http_stream *stream);

#endif
