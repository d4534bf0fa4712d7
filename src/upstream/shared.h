/* shared.h: connections that carry many requests at once (HTTP/2), offered to all requests of their worker while they
 * have room.
 *
 * Such a connection has one place too: active from its first stream to its last, and idle as any other in between.
 * While it is active, and nothing speaks against one more request on it, it stands in its host's offer. What speaks
 * against it (age, its maximum of requests, a dead path ...) takes it out for good: its streams finish, then it is
 * closed. It never changes workers.
 *
 * A host may take no requests on a connection for a while (SETTINGS_MAX_CONCURRENT_STREAMS of 0, RFC 9113 6.5.2). Such
 * a connection is paused: streams that it has go on, it stays idle when they have ended, and requests for its host wait
 * in the queue (dial_gate.h) instead of making others, which would be told the same.
 *
 * A burst of requests to a host that may speak HTTP/2 makes one connection first: the others join that dial, as many as
 * such a connection is known to carry. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_SHARED_H
#define HOLDFAST_UPSTREAM_SHARED_H

#include "upstream/pool.h"

struct coalescing;

struct shared_pick {
    uint64_t since_ns;              /* only one that was made at this moment or later */
    uint32_t unlike;                /* id of one that will not do; 0: any will */
    const struct coalescing *guest; /* a request for another host (coalesce.h); NULL: for the connection's own */
};

/* A connection in use that takes one more request, lent to the caller; NULL: none. */
struct pooled *pool_take_shared(struct pool *pool, struct host *host, const struct transport *transport,
                                const struct shared_pick *pick);

/* A lent connection of which a request made nothing good: it is closed, or, when it carries others, only if it is over
 * or `reason` is one that all of them share (REASON_MIDDLEBOX). */
void pool_let_go(struct pooled *pooled, const struct transport *transport, enum reason reason, enum side side);

/* No request is given to it any more; closed for that reason with its last stream, unless it has one by then. Only of
 * those that carry many. */
void pool_withdraw(struct pooled *pooled, enum reason reason, enum side side);

/* An answer began on it. */
void pool_heard(struct pooled *pooled);

/* Has the host a connection in this worker on which it takes no requests for now? */
bool pool_is_paused(const struct pool *pool, const struct host *host);

/* Is this lent one such a connection? */
bool pool_pauses(struct pooled *pooled);

/* Does it carry on with others, whatever became of one request? */
bool pool_is_alive(const struct pooled *pooled);

/* Has a connection just gone for the sake of another worker, which should dial first? */
bool pool_owes_turn(const struct pool *pool, const struct host *host);

/* Are the dials that are under way here enough for one request more, beside those that have joined them? */
bool pool_dials_suffice(const struct pool *pool, const struct host *host);

/* A request waits for dials of others: it must be among the racers, and is woken whenever one of them has ended. */
struct pool_joining {
    bool joined;
    uint8_t lost;      /* how many of those dials have failed */
    uint64_t failures; /* that it has seen */
};
bool pool_join(struct pool *pool, struct host *host, struct pool_joining *joining) MUST_USE; /* false: no memory */
void pool_leave_dials(struct pool *pool, struct host *host, struct pool_joining *joining);   /* joined or not */

enum join_news {
    JOIN_WAIT, /* go on waiting */
    JOIN_DIAL, /* dial yourself */
    JOIN_FAIL, /* dials fail: *err is the last one's */
};
enum join_news pool_join_news(struct pool *pool, const struct host *host, struct pool_joining *joining,
                              struct error *err);

/* A dial to the host has failed, for those who have joined it. */
void pool_note_failed_dial(struct pool *pool, const struct host *host, const struct error *failure);

#endif
