/* h2.h: HTTP/2 (RFC 9113) on nghttp2, behind http/conn.h: how a connection is made, its rules, and what is counted.
 * SPDX-License-Identifier: Apache-2.0 */
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
const char *h2_glitch_text(enum h2_glitch glitch);

/* Error codes of RFC 9113 7; the last slot is for all that are not known. */
enum { H2_ERRORS = 15 };
const char *h2_error_name(unsigned code); /* "PROTOCOL_ERROR"; "unknown" */

/* Server role. Borrowed for the life of the conn. */
struct h2_rules {
    uint32_t streams_max;       /* at once, announced */
    uint32_t head_bytes_max;    /* of one head as RFC 9113 6.5.2 counts, announced */
    uint32_t stream_window;     /* bytes of a request's body that may lie here unread */
    uint32_t connection_window; /* ... of all of them */
    uint32_t glitches_max;      /* points that the budget of a connection holds; 0: no budget */
    uint32_t glitches_back;     /* points that come back each second */
};
extern const struct h2_rules h2_rules_default;

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

#endif
