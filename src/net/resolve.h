/* resolve.h: names to addresses: an interface with a cache above it. c-ares stands behind it in resolve_cares.c; the
 * simulator brings its own. One resolver for each worker. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_RESOLVE_H
#define HOLDFAST_NET_RESOLVE_H

#include "os/loop.h"

enum { RESOLVE_ADDRS_MAX = 16 };

/* A question that no server has answered for so long fails (resolve_timeout), whatever else waits for it, unless
 * resolver_cares_set_limit says another time. c-ares' own defaults would go on for 75 s, longer than an outage of the
 * servers lasts. */
#define RESOLVE_LIMIT_NS UINT64_C(8000000000)

struct resolver;

struct resolved {
    struct addr addrs[RESOLVE_ADDRS_MAX]; /* ports are 0; in the order of the answer, never sorted */
    unsigned count;
    uint64_t ttl_ns;
};

/* A query under way. The backend fills it, then wakes `task`; it may also be answered at once. */
struct resolve_query {
    struct str name;   /* borrowed until done or cancelled; no port, no brackets */
    struct task *task; /* woken when done */
    bool done;
    struct resolved answer; /* when done and err.fault is FAULT_NONE */
    struct error err;       /* resolve_failed, resolve_timeout */
    void *backend;          /* the backend's own */
    struct list_node node;  /* the cache's own */
};

struct srv_query;

struct resolver_ops {
    /* Starts asking for A and AAAA. May complete at once. */
    void (*start)(struct resolver *resolver, struct resolve_query *query);
    void (*cancel)(struct resolver *resolver, struct resolve_query *query); /* forgets it; no wake comes any more */
    /* The same for SRV records (resolve_srv.h); NULL: it knows none. */
    void (*start_srv)(struct resolver *resolver, struct srv_query *query);
    void (*cancel_srv)(struct resolver *resolver, struct srv_query *query);
    void (*free)(struct resolver *resolver);
};

struct resolver {
    const struct resolver_ops *ops;
    struct loop *loop;
};

/* c-ares driven by the loop: sockets through its callbacks, which only mark and wake; /etc/hosts and resolv.conf are
 * honoured, but for its times: a server is asked up to three times, after 1 s, 2 s and 4 s. NULL with *err. */
struct resolver *resolver_cares_new(struct loop *loop, struct error *err);

/* How long questions that are asked from now on may stay unanswered. */
void resolver_cares_set_limit(struct resolver *resolver, uint64_t limit_ns);

/* Asks these servers from now on, not those of resolv.conf: "127.0.0.1:5353,[::1]:53". False: not understood. */
bool resolver_cares_use_servers(struct resolver *resolver, const char *servers) MUST_USE;

/* What a cache keeps, and for how long. */
struct resolve_rules {
    uint64_t ttl_min_ns, ttl_max_ns; /* of answers; where they cross the latter holds; not 0 */
    uint64_t failure_ns;             /* how long a failure is believed; not 0 */
    uint64_t patience_ns;            /* how long an answer is awaited before a stale one is used (RFC 8767 5) */
    uint64_t stale_max_ns;           /* how long past its TTL an answer is still used; 0: not at all */
    size_t names_max;                /* the least recently used goes first; not 0 */
};

#define RESOLVE_TTL_MIN_NS   UINT64_C(1000000000)
#define RESOLVE_TTL_MAX_NS   UINT64_C(3600000000000)
#define RESOLVE_FAILURE_NS   UINT64_C(1000000000)
#define RESOLVE_PATIENCE_NS  UINT64_C(300000000)
#define RESOLVE_STALE_MAX_NS UINT64_C(300000000000)
enum { RESOLVE_NAMES_MAX = 1024 };

/* A cache over `backend` (taken over, also when it fails): literal addresses are answered at once; answers are kept for
 * their TTL (at least 1 s, at most 1 h), failures for 1 s; a stale answer is used for up to 5 min when asking anew
 * fails, or takes longer than 300 ms; an answer tells what is left of its TTL; equal queries under way are joined into
 * one. All this until resolver_cache_obey says otherwise. NULL: no memory. */
struct resolver *resolver_cache_new(struct resolver *backend);

/* Other rules from now on. What is known stays until the time that was said of it then; names that are too many go as
 * new ones come. On its loop's thread. */
void resolver_cache_obey(struct resolver *cache, const struct resolve_rules *rules);

static inline void resolve_start(struct resolver *resolver, struct resolve_query *query)
{
    resolver->ops->start(resolver, query);
}

static inline void resolve_cancel(struct resolver *resolver, struct resolve_query *query)
{
    resolver->ops->cancel(resolver, query);
}

static inline void resolver_free(struct resolver *resolver) /* NULL is fine; no query may be under way */
{
    if (resolver)
        resolver->ops->free(resolver);
}

#endif
