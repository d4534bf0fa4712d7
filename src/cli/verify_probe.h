/* verify_probe.h: asks a server a few times over one connection and watches what becomes of it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_VERIFY_PROBE_H
#define HOLDFAST_CLI_VERIFY_PROBE_H

#include "http/conn.h"

enum { VERIFY_REQUESTS_MAX = 100 };

struct verify_target {
    struct str host; /* without brackets */
    uint16_t port;
    struct str authority, path;
    bool secure; /* https */
};

struct verify_options {
    struct verify_target target;
    unsigned requests;        /* 2 to VERIFY_REQUESTS_MAX */
    uint64_t idle_ns;         /* how long to wait for the close; 0: what was promised and 2 s, or 10 s */
    uint64_t answer_limit_ns; /* for each connection, each handshake and each answer */
    bool insecure;            /* whoever answers a handshake is believed */
};

struct verify_request {
    bool reused;
    uint16_t local_port;
    uint16_t status;       /* 0: there was no answer, `error` tells why */
    uint8_t version_minor; /* HTTP/1.x */
    uint64_t took_ns;
    int64_t hint_timeout_s, hint_max; /* Keep-Alive; -1: not said */
    enum http_unfit unfit;            /* why the connection cannot be used again */
    struct error error;
};

struct verify_result {
    struct verify_request requests[VERIFY_REQUESTS_MAX];
    unsigned count;       /* of them */
    unsigned connections; /* that were made */
    unsigned reused;      /* requests answered over a connection that had carried one */
    bool watched;         /* the last connection was left idle, and: */
    enum io end;          /* IO_WAIT: still open; IO_END: closed; IO_FAIL: reset; IO_OK: sent bytes nobody asked for */
    uint64_t idle_ns;     /* when that was, or how long was waited */
};

/* Runs it all on a loop of its own. False: not even the first request was answered, *err tells why. */
bool verify_probe(const struct verify_options *options, struct verify_result *result, struct error *err) MUST_USE;

#endif
