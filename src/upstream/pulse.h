/* pulse.h: is there still somebody at the other end of a connection that carries many requests (HTTP/2)?
 *
 * TCP says nothing while nothing is sent, and the answers of streams may take their time. So a PING asks for a sign of
 * life: with a request on a connection that was idle for longer than the path was seen to bear, and by a timer on one
 * that has requests open and was silent for ping_after; a known wall of the path (dead_path.h) makes that sooner, but
 * not sooner than 10 s. PINGs are never closer to each other than ping_interval, by default what servers of gRPC bear,
 * and twice that for each time the host has called them too many. None is sent without a request. Behind two that no
 * HEADERS or DATA of a server of gRPC have followed, the next ones are five minutes apart whatever ping_interval says:
 * such servers end a connection for more.
 *
 * A PING that nothing answers within ping_timeout ends the connection, whether it is used or idle: it is noticed by a
 * timer, counted from the moment when the PING was queued. Requests on it fail with dead_path, and are sent again as
 * the evidence allows (resend.h). Connections that stand for one client are not looked after.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_PULSE_H
#define HOLDFAST_UPSTREAM_PULSE_H

#include "upstream/pool.h"

#define PULSE_AFTER_MIN_NS UINT64_C(10000000000)

/* Of one connection; without memory for it there is none, and nobody looks after that. */
struct pulse {
    struct list_node node; /* in the pool's list, while somebody does */
    struct pooled *pooled;
    uint64_t heard_ns;    /* when an answer began on it last, or it became active */
    uint64_t pinged_ns;   /* when it was asked last; 0: never */
    uint64_t after_ns;    /* silence with requests open after which a PING leaves; 0: none does by itself */
    uint64_t interval_ns; /* from one PING to the next, at least */
    uint64_t timeout_ns;  /* silence behind a PING that ends the connection */
};

struct pulse *pulse_new(struct pooled *pooled, const struct transport *transport); /* NULL: no memory */
void pulse_free(struct pooled *pooled); /* the connection is about to be closed; any will do */

void pulse_open(struct pool *pool);
void pulse_close(struct pool *pool); /* none may be looked after */

/* It has got its first request; an answer began on it. */
void pulse_begin(struct pooled *pooled);
void pulse_heard(struct pooled *pooled);
uint64_t pulse_heard_ns(const struct pooled *pooled); /* when one of these was, last */

/* An idle one is about to be used: is a PING due? */
void pulse_prove(struct pooled *pooled);

/* It was asked for a sign of life a while ago, and has given none: nothing new should be given to it. */
bool pulse_is_weak(const struct pooled *pooled, uint64_t now_ns);

#endif
