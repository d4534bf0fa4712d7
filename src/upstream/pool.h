/* pool.h: one worker's part of the process's one pool of upstream connections.
 *
 * A connection is in exactly one place: idle here, lent to a fetch (or to several: shared.h), or closing. Idle ones
 * stand in a stack for each host, the last used on top. Caps count over the whole process. Liveness has two layers:
 * news of idle connections is handled before anything else of a batch, and a connection that was idle for longer than
 * one loop turn is looked at right before use. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_POOL_H
#define HOLDFAST_UPSTREAM_POOL_H

#include "http/conn.h"
#include "upstream/connect.h"
#include "upstream/dial_gate.h"
#include "upstream/host.h"
#include "upstream/transport.h"

#include <assert.h>

struct pool;
struct pulse;
struct flights;

/* A connection of the pool; lent ones are handed from call to call by this pointer. There is one for each idle
 * connection, so it is small: moments that need not be exact are ages of the connection in milliseconds. */
struct pooled {
    struct http_conn *conn;
    struct pool *pool;
    struct host *host;
    struct task task;         /* news while idle */
    struct list_node by_host; /* in the host's stack while idle, in its offer while offered */
    struct list_node by_age;  /* in the pool's list while idle, oldest first; while lent, in that of the lent ones */
    uint64_t idle_since_ns;
    uint64_t lent_ns;            /* when it was last lent */
    uint64_t used_at_idle_ns;    /* how long it had been idle when it was last lent */
    uint64_t survived_ns;        /* the longest idle time after which it still answered */
    struct private_conns *owner; /* of a bound one while it is idle */
    struct pulse *pulse;         /* of those that carry many: its signs of life (pulse.h); NULL: there was no memory */
    uint32_t idle_turn;          /* low bits of the loop's turn in which it became idle */
    uint32_t generation;         /* of the host, when it became idle */
    uint32_t old_at_ms;          /* not used again from this age on; POOLED_NEVER: always */
    uint32_t idle_limit_ms;      /* how long it may stay idle; POOLED_NEVER: for ever */
    uint32_t uses;               /* requests it was lent for */
    uint32_t guests;             /* ... of them for other hosts (coalesce.h) */
    uint32_t streams;            /* of those that carry many: requests it is lent for now; 0 for others */
    uint32_t rtt_us;             /* of the last sample; 0: none yet */
    uint32_t unsure_ns;          /* so much earlier the host may have begun to count than its last byte was read */
    uint32_t id;                 /* for people: of the worker that made it, counted from 1; times 256, and the worker */
    uint8_t made_for;            /* enum reason: why its first request had no kept one; of no use while warm */
    uint8_t place;               /* of its address in address_turns.h, from 1; 0: not known yet */
    uint8_t round;               /* which addresses `place` is of */
    uint8_t left_for, left_side; /* enum reason, enum side: why it was withdrawn */
    bool learned : 1;            /* its idle limit is the host's, not a configured one */
    bool far : 1;                /* by its last sample: bytes may cross a request on the way */
    bool sentinel : 1;           /* kept only to see when the host closes it; never lent */
    bool warm : 1;               /* made for a request that did not need it in the end */
    bool uneven : 1;             /* its address has too many (rebalance.h): not used again */
    bool tallied : 1;            /* it counts for the address at `place` */
    bool bound : 1;              /* it stands for one client: never lent to anybody else (private.h) */
    bool scolded : 1;            /* of those that carry many: it was ended for too many PINGs, and that was noted */
    bool offered : 1;            /* the same: to other requests while it is in use (shared.h) */
    bool withdrawn : 1;          /* ... not any more */
    bool lossy : 1;              /* the same: TCP sends again what is on it, and no answer came since */
    bool paused : 1;             /* the same: its host takes no requests on it for now (shared.h) */
};
static_assert(sizeof(struct pooled) <= 184,
              "with its h1_conn and its tcp an idle connection takes 448 bytes of the heap");

#define POOLED_NEVER UINT32_MAX

/* Was a lent connection idle before this use? */
static inline bool pooled_was_idle(const struct pooled *pooled)
{
    return pooled->uses > 1 || pooled->warm;
}

/* The pool of worker number `worker`. Borrows all. NULL: no memory. */
struct pool *pool_new(struct loop *loop, struct resolver *resolver, struct hosts *hosts, unsigned worker);
/* Ends it (pool_end in handoff.h, which all pools of the table must have had before any is freed while others live) and
 * closes the idle ones; none may be lent. NULL is fine. */
void pool_free(struct pool *pool);

struct loop *pool_loop(const struct pool *pool);
unsigned pool_worker(const struct pool *pool);
struct hosts *pool_hosts(const struct pool *pool);             /* the process's */
struct discoveries *pool_discoveries(const struct pool *pool); /* its hosts by SRV records (discover.h) */
struct flights *pool_flights(struct pool *pool);               /* requests under way (flight.h) */
struct host_counts *pool_counts(const struct pool *pool, const struct host *host); /* this worker's numbers */

/* An idle connection to host that is alive as far as is known, lent to the caller: the one used last, or under
 * pick_fifo the one idle for longest; NULL: none. Dead and expired ones met on the way are closed. `repeatable`: the
 * request may be sent again when the connection dies under it, so a riskier one will do. */
struct pooled *pool_take(struct pool *pool, struct host *host, const struct transport *transport, bool repeatable);

/* For a request that may not be sent again and cannot have a fresh connection either: a riskier one, if it is alive. */
struct pooled *pool_take_any(struct pool *pool, struct host *host, const struct transport *transport);

/* Why there was no connection to take; uses up the explanation. */
enum reason pool_explain(struct pool *pool, struct host *host, const struct transport *transport);

/* The worker's gate: a slot must be taken (gate_enter) before pool_dial; who finds none waits there. */
struct dial_gate *pool_gate(const struct pool *pool);

/* Starts a connection to host; `owner` is woken when connect_result has news. `first` goes before all else, and is
 * borrowed. NULL: no memory (the slot is given back). */
struct connecting *pool_dial(struct pool *pool, struct host *host, const struct transport *transport, struct str first,
                             struct task *owner);

/* Makes a lent connection of a freshly dialed stream (taken). NULL with *err. */
struct pooled *pool_adopt(struct pool *pool, struct host *host, const struct transport *transport,
                          struct stream *stream, struct error *err);
/* Once for each pool_dial: how it ended. What is not adopted gives its slot back. */
enum dial_end { DIAL_ADOPTED, DIAL_FAILED, DIAL_GIVEN_UP };
void pool_dial_ended(struct pool *pool, struct host *host, enum dial_end end);

/* The request's head was written to a lent connection. */
void pool_sent(struct pooled *pooled);

/* What became of the last use of a lent connection that had been idle: it answered, or it was dead already. */
void pool_survived(struct pooled *pooled);
void pool_was_stale(struct pooled *pooled);

/* Takes a lent connection back: it becomes idle if it is fit and the caps allow, else it is closed. */
void pool_return(struct pooled *pooled, const struct transport *transport);
void pool_discard(struct pooled *pooled, enum reason reason, enum side side); /* closes a lent connection */

enum { POOL_LIST_MAX = 1000 };

/* A connection of this worker, for people. */
struct pool_row {
    uint32_t id;
    struct host *host;
    enum pool_row_state { POOL_ROW_IDLE, POOL_ROW_ACTIVE, POOL_ROW_SENTINEL } state;
    bool warm, bound, tls, resumed;
    struct addr peer;
    enum reason made_for;     /* why the request that made it had no kept one; REASONS: no request has had it yet */
    uint32_t uses, guests;    /* requests it was lent for; of them for other hosts */
    uint64_t age_ns, idle_ns; /* idle_ns: when active, before this use */
    uint64_t bytes_in, bytes_out;
    uint64_t rtt_ns, acked_ago_ns; /* as TCP knows them; 0 and UINT64_MAX: it does not */
    uint32_t window;               /* of congestion, in segments; 0: not known */
    const char *protocol;          /* as ALPN calls it */
    const char *tls_version;       /* NULL: in the clear */
    uint32_t streams, streams_max; /* requests it carries now, and at most */
};

/* Fills rows with those connections whose id is above `after`, by id, `count` and POOL_LIST_MAX at most; how many. On
 * the worker's thread (pool_send_errand in handoff.h). */
size_t pool_list(struct pool *pool, uint32_t after, struct pool_row *rows, size_t count);

struct closed_row; /* closed_log.h */
/* Fills rows with the connections of this worker that closed last, the latest first, `count` and CLOSED_LOG_MAX at
 * most; how many. On the worker's thread. */
size_t pool_list_closed(const struct pool *pool, struct closed_row *rows, size_t count);

/* Closes all idle connections, and dials that nobody waits for (drain, flush). */
void pool_flush(struct pool *pool);

#endif
