/* frontend.h: one worker's client side: listeners, client connections, and their exchanges; and its drain.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FRONTEND_H
#define HOLDFAST_GATEWAY_FRONTEND_H

#include "gateway/generation.h"
#include "http/conn.h"
#include "net/listener.h"
#include "upstream/pool.h"

struct access_log;

enum { FRONTEND_STATUS_SLOTS = 1000 }; /* a status has three digits (RFC 9110 15) */

/* Numbers of one worker, written by it alone, read by anybody. */
struct frontend_counts {
    _Alignas(64) _Atomic uint64_t connections_opened;
    _Atomic uint64_t connections_closed;
    _Atomic uint64_t requests;
    _Atomic uint64_t exchanges; /* now */
};

struct frontend {
    struct loop *loop;
    struct pool *pool;
    struct generation *generation; /* held */
    struct access_log *access_log; /* NULL: none is written */
    struct http_conn_options conn_options;
    struct list doors;    /* listeners */
    struct list clients;  /* open client connections */
    uint64_t clients_max; /* this worker's share of max_connections; 0: as many as descriptors allow */
    struct task *drained; /* woken when draining and no client is left */
    bool draining;
    uint64_t started_ns;
    unsigned worker;
    uint64_t next_warning_ns; /* not before this is it told again that accepting pauses */
    struct frontend_counts counts;
    _Atomic(_Atomic uint64_t *) *requests_by_status; /* by endpoint index: numbers by status, made on first use */
};

struct frontend_options {
    struct loop *loop;
    struct pool *pool;
    struct generation *generation;
    struct access_log *access_log;
    unsigned worker, workers; /* its number, and how many there are */
};

/* The client side of a worker; no listener yet. NULL: no memory. */
struct frontend *frontend_new(const struct frontend_options *options);
void frontend_free(struct frontend *frontend); /* cuts what is still open. NULL is fine */

/* Adds a listener. *addr gets the address taken (port 0: which). False: *err. */
bool frontend_listen(struct frontend *frontend, struct addr *addr, const struct listen_options *options,
                     struct error *err) MUST_USE;

/* Stops accepting; every connection gets its answer in hand, or one more, with Connection: close; idle ones close.
 * `drained` is woken when none is left (maybe at once). */
void frontend_drain(struct frontend *frontend, struct task *drained);
bool frontend_is_empty(const struct frontend *frontend);
void frontend_cut(struct frontend *frontend); /* the hard limit: what is still open is closed without a clean end */

/* One client connection. */
struct client {
    struct http_conn *conn;
    struct frontend *frontend;
    struct task task;
    struct list_node node;
    struct list exchanges; /* open ones */
    bool over;             /* the conn has ended; the last exchange closes the client */
    struct addr peer;
};

void frontend_count_request(struct frontend *frontend, const struct endpoint *endpoint, uint16_t status);

#endif
