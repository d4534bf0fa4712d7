/* host.h: upstream hosts of the process, by address and identity (host_key). They outlive configurations: a generation
 * holds the hosts it names, and the counters and idle connections of a host stay when the next generation names it
 * again. Those that only SRV records or redirects led to are given back when nobody has needed them for long
 * (host_leave.h).
 *
 * Shared between workers: the table is guarded by a lock (taken when configurations load), the numbers are atomic; each
 * worker keeps its own idle connections in its pool. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_HOST_H
#define HOLDFAST_UPSTREAM_HOST_H

#include "base/addr.h"
#include "base/lines.h"
#include "os/world.h"
#include "tls/profile.h"
#include "tls/sessions.h"
#include "upstream/budget.h"
#include "upstream/dead_path.h"
#include "upstream/demand.h"
#include "upstream/dial_cost.h"
#include "upstream/eject.h"
#include "upstream/forward_proxy.h"
#include "upstream/idle_limit.h"
#include "upstream/ledger.h"
#include "upstream/quarantine.h"
#include "upstream/resend.h"
#include "upstream/resend_budget.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

enum { WORKERS_MAX = 256 };

struct watch_stats;
struct turns_told;
struct host_leave;

/* How a kept connection was found dead under a request, within a moment of it. */
enum stale_phase { STALE_AT_WRITE, STALE_BY_EOF, STALE_BY_RESET, STALE_PHASES };

/* One worker's numbers about one host, written by that worker only. What a request on a kept connection writes is the
 * first line: with thousands of hosts it has to come from afar for each. */
struct host_counts {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t requests_reused; /* requests sent on a kept connection */
    _Atomic uint64_t idle, active;       /* connections now; together with dialing: all that are open */
    _Atomic uint64_t oldest_idle;        /* since when the oldest of the idle is, plus 1; 0: none is */
    _Atomic uint64_t awaited;            /* requests sent whose answer has not begun */
    _Atomic uint64_t progress_ns;        /* when an answer began last, or one was awaited where none was before */
    struct addresses *addresses;         /* what DNS says, for that worker alone (addresses.h); NULL: not asked */
    _Atomic(struct watch_stats *) watch; /* histograms and what-if (watch.h); NULL: nothing to tell yet */

    _Atomic uint64_t requests_new;    /* requests whose own dial was used */
    _Atomic uint64_t requests_shared; /* requests that joined others on a connection in use (shared.h); every request is
                                         one of these three */
    _Atomic uint64_t requests_coalesced; /* of the reused and shared: on a connection to another host (coalesce.h) */
    _Atomic uint64_t streams;            /* requests now on connections that carry many */
    _Atomic uint64_t
        beside; /* requests now beside the first of such a connection, or waiting for the dial of another */
    _Atomic uint64_t connections_opened;
    _Atomic uint64_t opened_by_ipv4, opened_by_ipv6; /* of these, by the family of the address that was reached */
    _Atomic uint64_t connections_closed;
    _Atomic uint64_t dial_failures;
    _Atomic uint64_t proxy_failures;                                          /* at the forward proxy */
    _Atomic uint64_t handshakes_full, handshakes_resumed, handshake_failures; /* of TLS */
    _Atomic uint64_t handshake_ns;                                            /* what the first two took in all */
    _Atomic uint64_t stale;       /* kept connections found dead right before use */
    _Atomic uint64_t closed_idle; /* kept connections that the host closed, seen while they were idle */
    _Atomic uint64_t resends;
    _Atomic uint64_t dialing;
    _Atomic uint64_t warming;             /* of the dialing: what nobody waits for any more */
    _Atomic uint64_t waiting;             /* requests in the queue at the host's cap */
    _Atomic uint64_t racing;              /* requests that wait for a dial of theirs or for what becomes idle before */
    _Atomic uint64_t requests_warm;       /* of the reused: on a connection that no request had used */
    _Atomic uint64_t moved_in, moved_out; /* idle connections that changed workers (handoff.h): for each worker
                                             opened + moved_in = closed + idle + active + moved_out */
    _Atomic uint64_t failures;            /* requests that ended in an upstream error */
    _Atomic uint64_t stale_in_use[STALE_PHASES];
    _Atomic uint64_t resends_by[RESEND_COUNT];
    _Atomic uint64_t resend_ends[RESEND_COUNT][RESEND_ENDS];
    _Atomic uint64_t
        refused_by[REFUSALS];           /* requests that died with their connection, by why they were not sent again */
    _Atomic uint64_t failovers;         /* requests that went on to another host */
    _Atomic uint64_t failovers_refused; /* requests that could have, but the backend's budget was spent */
    _Atomic uint64_t pings, ping_timeouts; /* HTTP/2: sent; connections that ended as one had no answer */
    _Atomic uint64_t held;                 /* by requests that were led to it, and letters under way (host_hold.h) */
    _Atomic(struct turns_told *) turns; /* how much each address has had (address_turns.h); NULL: nothing to tell yet */
    struct ledger ledger;
};
static_assert(offsetof(struct host_counts, requests_new) == CACHE_LINE_BYTES,
              "a request on a kept connection writes one line");

struct hosts; /* the process's table */

/* What connections to a host speak. */
enum host_protocol {
    HOST_HTTP1,
    HOST_ALPN, /* what it chooses, each time anew */
    HOST_HTTP2,
};

/* What it chose last. */
enum host_choice { CHOICE_UNKNOWN, CHOICE_HTTP1, CHOICE_HTTP2 };

/* Where connections lead: hosts that differ in their pool alone take local ports from one supply. */
struct host_place {
    _Atomic uint32_t open; /* connections and dials, of all these hosts */
    uint32_t hosts;        /* how many they are; guarded by the table's lock, as the key is */
    size_t key_len;
    char key[];
};

enum { HOST_NEAR_BYTES = 32 };

/* A request reads three lines of its host, beside its worker's counts and the line of the idle limit: what stays as it
 * is and is shared by all workers; what changes with connections and failures; and what says that all is well, with the
 * name that it sends. The rest is for dials, failures and people. */
struct host {
    _Alignas(CACHE_LINE_BYTES) struct host_counts *counts; /* one for each worker */
    struct idle_limit *idle_limit;                         /* how long it keeps idle connections, as far as we know */
    struct str authority;          /* "api.example.com:8080", without a default port: what Host says */
    struct forward_proxy *forward; /* what `proxy` says; NULL: none */
    struct tls_profile *tls;       /* of "https://" hosts, with a reference; NULL: cleartext */
    uint32_t index;                /* place in the table: pools keep an array by it */
    unsigned workers;
    uint8_t protocol;            /* enum host_protocol, made of that in host_key */
    uint8_t proxy_header;        /* as in host_key */
    _Atomic uint8_t choice;      /* enum host_choice, of HOST_ALPN */
    _Atomic bool http1_required; /* it chose HTTP/2, and then wanted HTTP/1.1: nothing else is offered to it */
    _Atomic bool apart;          /* it has said 421 on a connection to another host (coalesce.h) */
    _Atomic bool configured;     /* the newest configuration names it, not only SRV records */
    uint16_t port;

    _Alignas(CACHE_LINE_BYTES) _Atomic uint32_t idle; /* idle connections in all workers, for the cap */
    _Atomic uint32_t waiting;                         /* requests in the queues of all workers, at that cap */
    _Atomic uint32_t open;        /* connections and dials in all workers, for max_connections_per_host */
    _Atomic uint32_t streams_max; /* of its last HTTP/2 connection, at once; 0: there was none */
    struct health health;         /* is it in use, or does it rest? */
    struct quarantine quarantine; /* does it keep to its own answers? Its first word is of the line above */

    struct str url; /* "http://api.example.com:8080", as it was written: for logs */
    struct resend_budget resend_budget;
    char near[HOST_NEAR_BYTES]; /* where `authority` is, if it fits */
    struct path path;           /* does the way there carry bytes? */

    struct str label;      /* the name in metrics: the url, with "#pool" and, where that is taken already, "~2" ... */
    struct str key;        /* tells it from all others; may hold any byte */
    struct str pool;       /* as in host_key, kept */
    struct str proxy;      /* the same */
    struct str name;       /* "api.example.com", or the literal without brackets */
    struct addr unix_addr; /* family ADDR_UNIX for "unix:/path" hosts */
    struct addr source;    /* as in host_key */
    struct packet_marks marks;       /* the same */
    struct str tunnel;               /* "name:port", what CONNECT asks it for; empty: no tunnel */
    struct tls_profile *proxy_tls;   /* of an "https://" proxy on the way, with a reference; NULL: none */
    struct host_place *place;        /* connections and dials, for the budget of ports */
    _Atomic uint32_t ping_doublings; /* connections that it has ended for too many PINGs */
    struct demand demand;            /* how many connections it needs at once */
    struct dial_cost dial_cost;      /* how long it takes to make one */
    struct port_budget ports;        /* local ports towards it */
    _Atomic uint32_t floor;          /* min_idle_per_host (warm_floor.h) */
    _Atomic uint32_t named;          /* SRV names that lead to it, in all workers, and backends by which is served */
    _Atomic uint64_t left_ns;        /* when the last of these went; 0: none has */
    struct host_leave *leave;        /* of the main thread: it has left its pages (host_leave.h); NULL: it has not */
    bool suspected;                  /* nobody has asked the table for it since hosts_suspect; guarded by its lock */
    struct arena *arena;             /* holds this and its texts */
};
#define HOST_LINE(member) (offsetof(struct host, member) / CACHE_LINE_BYTES)
static_assert(HOST_LINE(port) == 0, "the first line is full");
static_assert(HOST_LINE(idle) == 1 && HOST_LINE(health.failures) == 1 && HOST_LINE(quarantine.until_ns) == 1,
              "what changes with connections and failures is one line");
static_assert(HOST_LINE(resend_budget.noted_ns) == HOST_LINE(path.wall_ns), "what says that all is well is one line");
static_assert(HOST_LINE(resend_budget.noted_ns) == HOST_LINE(near), "with the name");

/* A table for `workers` workers. NULL: no memory. */
struct hosts *hosts_new(unsigned workers);
void hosts_free(struct hosts *hosts); /* NULL is fine */

/* The rules of a configuration, from now on; before, HOST_RULES_DEFAULT. Any thread. */
void hosts_obey(struct hosts *hosts, const struct host_rules *rules);
struct host_rules hosts_rules(struct hosts *hosts); /* takes the table's lock: not for each request */

/* What makes connections alike: only those of the same key are in one pool. */
struct host_key {
    struct str url;                  /* "http://name[:port]", "https://name[:port]" or "unix:/path" */
    struct str pool;                 /* name of a pool of its own; empty: the common one */
    struct str proxy;                /* URL of the proxy that leads there; empty: none */
    struct tls_profile *tls;         /* of "https://" in url or proxy, compared by its identity; else not looked at */
    uint8_t proxy_header;            /* version of the PROXY header that names the client; 0: none (introduce.h) */
    struct addr source;              /* address of our end, without a port; ADDR_NONE: as the routes have it */
    struct packet_marks marks;       /* of what is sent on them */
    enum upstream_protocol protocol; /* those that come to the same thing are alike */
};

/* The host of a key, made when it is new. It stays for as long as it is in use (host_is_in_use), and in any case until
 * the worker that calls has ended its turn: who keeps it for longer says so by then. NULL with *err: address_invalid
 * (another scheme, path, bad port; an https:// proxy without `tls`; of the proxy as forward_proxy_parse),
 * out_of_memory. Any thread. */
struct host *hosts_intern(struct hosts *hosts, const struct host_key *key, struct error *err);

/* Is `authority` a host and a port for certain? A name has been checked byte by byte as the URL was read, a literal in
 * brackets has not. */
static inline bool host_has_plain_name(const struct host *host)
{
    return host->authority.len > 0 && host->authority.data[0] != '[';
}

/* Do its connections carry many requests at once, or may they, as far as is known? */
static inline bool host_multiplexes(const struct host *host)
{
    return host->protocol != HOST_HTTP1 &&
           (host->protocol == HOST_HTTP2 ||
            (atomic_load_explicit(&host->choice, memory_order_relaxed) != CHOICE_HTTP1 &&
             !atomic_load_explicit(&host->http1_required, memory_order_relaxed)));
}

/* Requests ever sent to it, by all workers. */
uint64_t host_requests(const struct host *host);

/* Is it a URL that a key can have? False: *err, as above. A NUL follows that of a Unix path. */
bool host_url_check(struct str url, struct error *err) MUST_USE;

/* The proxy on the way to a URL that a key can have, as forward_rules_find; none leads to a Unix path. */
bool host_url_proxy(const struct forward_rules *rules, struct str url, const struct forward_proxy **proxy,
                    struct error *err) MUST_USE;

/* Does a configuration or SRV record name it, has it a connection, or is a request or a letter held by it? */
bool host_is_in_use(const struct host *host);

/* How a host is given back, by the main thread (host_leave.c): it is suspected, then each worker is asked by letter
 * whether it has to do with it, and lets go of what it keeps. When all had nothing to do with it, and nobody has asked
 * the table for it meanwhile, there is nobody left who could. */
void hosts_suspect(struct hosts *hosts, struct host *host);
bool hosts_give_back(struct hosts *hosts, struct host *host); /* true: it is freed */

/* Somebody on the main thread keeps hosts that a worker has told of: none is given back. */
void hosts_pin(struct hosts *hosts);
void hosts_unpin(struct hosts *hosts);

unsigned hosts_workers(const struct hosts *hosts);
uint32_t hosts_count(struct hosts *hosts);                  /* past the highest index ever */
uint32_t hosts_known(struct hosts *hosts);                  /* how many there are */
struct host *hosts_at(struct hosts *hosts, uint32_t index); /* NULL past the end, and where one was given back. Main
                                                               thread */
_Atomic uint64_t *hosts_idle_total(struct hosts *hosts);    /* idle connections of the process */
_Atomic uint64_t *hosts_with_idle(struct hosts *hosts);     /* hosts that have any */
struct budget *hosts_budget(struct hosts *hosts);
/* TLS handshakes with all hosts, those that were given back too: whole ones, and such that resumed a session. Main
 * thread. */
struct handshake_sums {
    uint64_t full, resumed;
};
struct handshake_sums hosts_handshakes(struct hosts *hosts);
struct tls_sessions *hosts_sessions(struct hosts *hosts); /* what the process can resume TLS with */

/* Where the workers' pools find each other. Any thread. */
struct pool;
void hosts_set_pool(struct hosts *hosts, unsigned worker, struct pool *pool);
struct pool *hosts_pool(struct hosts *hosts, unsigned worker); /* NULL: it has none */

/* Adds to a number that only the calling worker writes: no locked instruction is needed. */
static inline void host_count_add(_Atomic uint64_t *count, int64_t change)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + (uint64_t)change,
                          memory_order_relaxed);
}

/* The sum over all workers, read while they run. What is between two workers counts as idle. */
struct host_totals {
    uint64_t requests_reused, requests_new, requests_shared, requests_coalesced, streams, connections_opened,
        opened_by_ipv4, opened_by_ipv6, connections_closed, dial_failures, proxy_failures, handshakes_full,
        handshakes_resumed, handshake_failures, handshake_ns, stale, closed_idle, resends, idle, active, dialing,
        failures, warming, requests_warm, moved, waiting, racing, failovers, failovers_refused, pings, ping_timeouts;
    uint64_t resend_budget_spent; /* re-sends that came to nothing */
    uint64_t ejections, resting;  /* rests begun ever; 1 while it rests */
    uint64_t dead_paths, silences, strays, quarantines, shed_by_fd, shed_by_port;
    uint64_t time_waits; /* by the last sample (time_wait.h) */
    uint64_t new_by[REASONS], closes_by[REASONS][SIDE_COUNT], resends_by[RESEND_COUNT],
        resend_ends[RESEND_COUNT][RESEND_ENDS], refused_by[REFUSALS], stale_in_use[STALE_PHASES];
};
void host_totals(const struct host *host, struct host_totals *totals);

#endif
