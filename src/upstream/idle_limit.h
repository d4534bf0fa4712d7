/* idle_limit.h: how long does a host keep an idle connection, and so: may this one still be used? Learned from how idle
 * periods ended, per host, for the whole process; no I/O, no clock: every event brings its times.
 *
 * The rules. A connection younger than `proven` may carry any request; between that and `learned` less the margin only
 * one that may be sent again (idempotent, RFC 9110 9.2.2); beyond that it is retired. While no limit is known: any
 * request up to 1 s, idempotent ones up to 4 s, growing by half after each 16 survivals in the top third of the bound.
 * A configured timeout wins, but what is not idempotent heeds closes that were seen below it. A Keep-Alive hint is an
 * upper bound always, and the limit while it is trusted and nothing lower was seen. Nothing is used after 90 s unless
 * configured. The 1 s, 4 s and 90 s, and how many sentinels there are, are the operator's to set (struct idle_rule).
 * What the estimator takes for certain, and how long its memory is, are not: they belong together, and what they give
 * was measured (keepalive F-1).
 *
 * The limit moves down when three closes at about one age stand against fewer than about a thousand survivals; up when
 * so many sentinels in a row outlive it that the old limit would be a coincidence of less than 1 %: sentinels are up
 * to two connections for each host that stay open beyond the retire point, are never picked, and wait for the peer.
 *
 * Threads. Anything may be called by any worker at any time. idle_limit_survived and the delays write the worker's own
 * table without locks, decisions only read published atomics; closes and estimates take the limit's lock.
 * All times are of one clock that counts while the machine sleeps (CLOCK_BOOTTIME).
 *
 * Start with idle_limit_may_use. The estimator: idle_estimate.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_IDLE_LIMIT_H
#define HOLDFAST_UPSTREAM_IDLE_LIMIT_H

#include "upstream/close_class.h"

/* Defaults. */
#define IDLE_CEILING_NS        UINT64_C(90000000000)
#define IDLE_UNKNOWN_ANY_NS    UINT64_C(1000000000)
#define IDLE_UNKNOWN_REPLAY_NS UINT64_C(4000000000)
enum { IDLE_SENTINELS_MAX = 2 };

/* What the operator has to say to the learner, of all hosts. */
struct idle_rule {
    uint64_t ceiling_ns;    /* nothing that is learned or hinted goes beyond */
    uint64_t start_ns;      /* idempotent requests, while no limit is known: to begin with */
    uint64_t risky_ns;      /* any request, until more is proven */
    uint32_t sentinels_max; /* of each host */
};

struct idle_limit;

/* Workers are numbered from 0. NULL: no memory. */
struct idle_limit *idle_limit_new(unsigned workers);
void idle_limit_free(struct idle_limit *limit); /* NULL is fine */

struct idle_limit_options {
    uint64_t timeout_ns; /* the operator's own idle timeout; 0: learn */
    /* Idempotent requests are sent again when they meet a close: of a short limit, of which the margin would take more
     * than an eighth, they may then use all of it and more, until the peer closes. A stale hit costs less there than a
     * dial for every request that comes a little later. Others keep the margin. */
    bool eager;
};

/* When a configuration that names the host is loaded. Before: {0}. */
void idle_limit_configure(struct idle_limit *limit, const struct idle_limit_options *options);

/* What hosts like it have been learned to keep idle connections for: as long as nothing was seen of this one, that less
 * the margin is where the bound of idempotent requests begins, whichever way it moves from there. */
void idle_limit_prior(struct idle_limit *limit, uint64_t limit_ns);

/* The same for the rule; before, that of the defaults holds. What was learned stays. */
void idle_limit_obey(struct idle_limit *limit, const struct idle_rule *rule);

/* The end of an idle period. */
struct idle_end {
    uint64_t now_ns;
    uint64_t idle_ns; /* since the last answer's last byte, or since pool entry for one that was never used */
    /* Closes only: by the host's clock it was idle for idle_ns at most, and for this much less at least. The host
     * counts from when it answered, which we read later, and so it is with its close. */
    uint64_t doubt_ns;
    uint64_t age_ns; /* since the connection was made */
    unsigned worker;
    uint32_t requests;   /* it had answered before */
    uint32_t idle_conns; /* of the host that remain idle, in all workers; closes only */
    bool announced;      /* the last answer said "Connection: close"; closes only */
    bool sentinel;
};

/* Reused with success: the first byte of the answer came. Lock-free but for one call in 512. */
void idle_limit_survived(struct idle_limit *limit, const struct idle_end *end);

/* We closed it ourselves: retired, evicted or flushed, alive as far as we know. A sentinel's place is free again. */
void idle_limit_retired(struct idle_limit *limit, const struct idle_end *end);

/* The peer closed or reset it while it was idle, seen before a request was sent. Gives the reason for the ledger. A
 * restart begins a new generation. A sentinel's place is free again. */
enum close_class idle_limit_closed(struct idle_limit *limit, const struct idle_end *end);

/* A request was sent and met a closed connection: the true limit is idle_ns or less. Idle connections of the present
 * generation that are as old, less the margin, carry only idempotent requests from now on (herd rule); after a second
 * hit within a second, all of them. */
void idle_limit_stale(struct idle_limit *limit, const struct idle_end *end);

/* Idle connections of the present generation carry only idempotent requests from now on: more of them may be dead. */
void idle_limit_suspect(struct idle_limit *limit);

/* The answer's Keep-Alive parameters, -1: not given. False: this connection is not to be kept (timeout=0, max=0).
 * Lock-free while they repeat. A lower timeout holds at once, a higher one after 16 answers in a row. */
bool idle_limit_hint(struct idle_limit *limit, int64_t timeout_s, int64_t requests_left) MUST_USE;

/* Nothing is known of the host's limit: it is worth asking for a hint. */
bool idle_limit_is_unknown(const struct idle_limit *limit);

/* For the margin: a round trip to the host as TCP measured it; the time from the look at a connection to the write on
 * it. How late answers and ends are read is no part of it: closes and stale hits bring idle ages by the host's clock.
 */
void idle_limit_rtt(struct idle_limit *limit, unsigned worker, uint64_t rtt_ns);
void idle_limit_lag(struct idle_limit *limit, unsigned worker, uint64_t lag_ns);

enum idle_use {
    IDLE_USE_YES,
    IDLE_USE_NO,     /* not for this request; for an idempotent one it is fine */
    IDLE_USE_HERD,   /* the same, since another connection as old as this was found dead */
    IDLE_USE_RETIRE, /* too old for any */
};

struct idle_pick {
    uint64_t idle_ns;
    uint64_t survived_ns; /* the longest idle age that this very connection survived; 0: none */
    uint32_t generation;  /* idle_limit_generation when it became idle */
    bool idempotent;      /* RFC 9110 9.2.2, and its body can be sent again */
};
enum idle_use idle_limit_may_use(const struct idle_limit *limit, const struct idle_pick *pick);

/* The idle age at which a connection is closed or made a sentinel. 0: do not pool at all. */
uint64_t idle_limit_retire_after_ns(const struct idle_limit *limit);

/* For an eager host with a short limit: below this idle age the connection that was idle for longest is the best one
 * for an idempotent request. What is not used is lost within milliseconds, and the next rush would have to dial. 0: use
 * the last used one, so that the surplus dies of itself. */
uint64_t idle_limit_refresh_ns(const struct idle_limit *limit);

/* Takes a sentinel's place for a connection at its retire point; false: close it. The connection must then end by
 * idle_limit_closed or idle_limit_retired with `sentinel` set, the latter at idle_limit_sentinel_until_ns at last. */
bool idle_limit_wants_sentinel(struct idle_limit *limit) MUST_USE;
uint64_t idle_limit_sentinel_until_ns(const struct idle_limit *limit); /* idle age */

/* Should a connection that answered so many requests be closed by us, since the host would? Says no once in 64 times,
 * so that a raised limit is noticed. */
bool idle_limit_is_spent(struct idle_limit *limit, unsigned worker, uint32_t requests) MUST_USE;

/* To be noted when a connection becomes idle. */
uint32_t idle_limit_generation(const struct idle_limit *limit);

enum idle_limit_kind { IDLE_LIMIT_UNKNOWN, IDLE_LIMIT_HINT, IDLE_LIMIT_LEARNED, IDLE_LIMIT_CONFIGURED };

/* What is believed now, for dumps and metrics. */
struct idle_limit_view {
    enum idle_limit_kind kind; /* where usable_ns comes from */
    uint64_t learned_ns;       /* the host's limit as seen, before the margin; 0: none */
    uint64_t proven_ns;        /* 0: nothing */
    uint64_t margin_ns;
    uint64_t usable_ns, any_ns; /* for idempotent requests (the retire point), for all */
    uint64_t hint_ns;           /* UINT64_MAX: none */
    bool hint_trusted;
    uint32_t contradictions; /* of the hint, by closes */
    uint32_t generation, sentinels;
    uint32_t requests_max; /* 0: none known */
    uint64_t survivals, closes, stale_hits, restarts;
};
void idle_limit_view(struct idle_limit *limit, struct idle_limit_view *view);

#endif
