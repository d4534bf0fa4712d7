/* transport.h: how requests travel to hosts: the settings of KrakenD's transport layer, in effect for one generation.
 * Filled from the root of the configuration (gateway/service.c); zero and negative meanings are settled here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_TRANSPORT_H
#define HOLDFAST_UPSTREAM_TRANSPORT_H

#include "base/addr.h"
#include "base/str.h"
#include "os/world.h"
#include "upstream/eject.h"
#include "upstream/idle_limit.h"
#include "upstream/quarantine.h"
#include "upstream/resend_budget.h"

/* holdfast/upstream "resend": how much a request may be sent again after a kept connection died under it (resend.h). */
enum resend_policy {
    RESEND_REPEATABLE, /* "idempotent": what may be done twice */
    RESEND_OFF,        /* only what has not left yet */
    RESEND_UNACKED,    /* as idempotent, and what the kernel proves the host never took */
};

/* holdfast/upstream "balance": which host of a backend's set gets the next request (balance.h). */
enum balance_policy {
    BALANCE_KRAKEND, /* not given: random, or with a single worker in turn from a random start */
    BALANCE_RANDOM,
    BALANCE_ROUND_ROBIN,
    BALANCE_LEAST_CONNECTIONS, /* fewest requests under way over the whole process, by weight; ties at random */
    BALANCE_P2C,               /* the lesser loaded of two random ones */
    BALANCE_POLICIES
};

/* holdfast/upstream "failover": may another host have what one failed (failover.h)? */
enum failover_policy { FAILOVER_IDEMPOTENT, FAILOVER_OFF };

/* holdfast/upstream "idle_timeout"; KrakenD's idle_connection_timeout other than 0 comes first. */
enum idle_policy { IDLE_LEARNED, IDLE_NEVER, IDLE_FIXED };

/* holdfast/upstream "protocol": what requests are sent in. KrakenD knows HTTP/1.1 only. */
enum upstream_protocol {
    PROTOCOL_HTTP1,
    PROTOCOL_AUTO, /* https:// hosts choose by ALPN, HTTP/2 first; others HTTP/1.1 */
    PROTOCOL_H2,   /* HTTP/2 alone: by ALPN, and to http:// hosts by prior knowledge */
    PROTOCOL_H2C,  /* HTTP/2 to http:// hosts by prior knowledge; https:// as auto */
};

/* holdfast/upstream "class": what traffic is like. Streams and tunnels last: their clocks are those of holdfast/stream
 * (gateway/service.h). */
enum traffic_class {
    CLASS_SHORT,
    CLASS_STREAM, /* answers that come bit by bit: server-sent events, long polling */
    CLASS_TUNNEL, /* clients may switch protocols: WebSocket */
};

enum { TRANSPORT_DECODED_BYTES_MAX = 64 << 20 }; /* default and most of max_decoded_bytes */

/* What holds for all hosts, whoever sends requests to them: hosts are the process's. The root's alone. */
struct host_rules {
    struct idle_rule idle;
    struct quarantine_rule quarantine;
    uint32_t rebalance_percent; /* of the connections, in a second (rebalance.h); 0: none */
};

#define HOST_RULES_DEFAULT                                                                                             \
    ((struct host_rules){{IDLE_CEILING_NS, IDLE_UNKNOWN_REPLAY_NS, IDLE_UNKNOWN_ANY_NS, IDLE_SENTINELS_MAX},           \
                         {QUARANTINE_MIN_NS, QUARANTINE_MAX_NS, QUARANTINE_AFTER},                                     \
                         1})

struct transport {
    int64_t dialer_timeout_ns;    /* of the whole dial; 0: none (the request's deadline still holds) */
    int64_t dialer_keep_alive_ns; /* TCP keep-alive idle and interval; 0: 15 s, 60 and 10 s for what lasts; negative:
                                     off */
    int64_t tcp_keep_alive_interval_ns; /* ... the interval alone; 0: as the idle time */
    int64_t tcp_keep_alive_count; /* unanswered probes that end a connection; 0: 9, as Go has it, 6 for what lasts */
    int64_t tcp_user_timeout_ns;  /* how long sent bytes may stay unacknowledged; 0: the system's */
    int64_t dialer_fallback_delay_ns;      /* head start of an address; 0: 300 ms; negative: one after the other */
    int64_t idle_connection_timeout_ns;    /* 0 or negative: TRANSPORT_IDLE_DEFAULT_NS, until limits are learned */
    int64_t response_header_timeout_ns;    /* from the request's last byte to the answer's head; 0: none */
    int64_t expect_continue_timeout_ns;    /* how long a body waits for 100 Continue; 0: not at all */
    int64_t max_idle_connections;          /* idle in all, over all hosts; 0: no limit; negative: none stays */
    int64_t max_idle_connections_per_host; /* 0: 250; negative: none stays */
    int64_t response_head_bytes_max;       /* of an answer's head; 0: 256 KiB */
    int64_t response_fields_max;           /* in it; 0: 256 */
    int64_t replay_bytes;                  /* of a request's body, kept until the answer's head is here; 0: 64 KiB;
                                              negative: none */
    int64_t first_flight_bytes;            /* of a request's body, here before it takes a connection; 0: none */
    int64_t first_flight_timeout_ns;       /* how long they are awaited of a longer body; 0: not at all */
    enum idle_policy idle_policy;          /* when idle_connection_timeout is 0 */
    int64_t idle_limit_ns;                 /* of IDLE_FIXED */
    int64_t max_connection_age_ns;         /* not used again from then on; 0: none */
    int64_t max_requests_per_connection;   /* 0: no limit */
    int64_t max_private_connections;       /* idle ones that stand for one client (private.h); 0: 5 */
    int64_t max_connections_per_host;      /* 0: no cap */
    int64_t queue_timeout_ns;              /* how long a request waits at that cap; 0: not at all */
    int64_t ping_after_ns;             /* HTTP/2: silence with requests open, then a PING leaves; 0: none by itself */
    int64_t ping_interval_ns;          /* between two PINGs; 0: TRANSPORT_PING_INTERVAL_NS */
    int64_t ping_timeout_ns;           /* silence behind one; 0: TRANSPORT_PING_TIMEOUT_NS */
    int64_t min_idle_per_host;         /* connections kept ready in all workers (warm_floor.h) */
    int64_t forward_proxy_timeout_ns;  /* for its answer to CONNECT; 0: what the dial has left, or 60 s */
    int64_t tls_handshake_timeout_ns;  /* with https:// hosts, from connected to secured; 0: none */
    bool pick_fifo;                    /* the connection idle for longest, not the last used */
    bool ignore_hints, ignore_learned; /* keep_alive_hints: false, learn: false */
    int64_t max_decoded_bytes;         /* of an answer's body that is decoded, unpacked */
    enum resend_policy resend;         /* of requests that a dying connection took along */
    enum balance_policy balance;       /* among the hosts of a backend */
    enum failover_policy failover;     /* the same */
    int64_t failovers_max;             /* of one request; BALANCE_TRIED_MAX at most */
    int64_t eject_after;               /* failures in a row until a host rests; 0: never */
    struct eject_rule eject;           /* ... and for how long */
    enum traffic_class traffic;        /* what the requests are like */
    enum upstream_protocol protocol;   /* what they are sent in */
    struct str pool;                   /* name of a separate pool to the same hosts; empty: the common one */
    struct addr source;                /* our end of connections; ADDR_NONE: as the routes have it */
    struct packet_marks marks;         /* of what is sent on them */
    uint8_t proxy_header;              /* version of the PROXY header in front of all else; 0: none */
    bool coalesce;                     /* connections to other hosts will do (coalesce.h) */
    bool disable_keep_alives;          /* one request for each connection */
    bool disable_compression;          /* do not ask for gzip by ourselves */
    struct resend_budget_rule resend_budget; /* of re-sends that come to nothing, and of failovers */
    struct host_rules rules;                 /* of the service's; a backend's copy is not looked at */
};

#define TRANSPORT_IDLE_DEFAULT_NS       60000000000
#define TRANSPORT_KEEP_ALIVE_DEFAULT_NS INT64_C(15000000000)
/* Of the classes stream and tunnel, where a connection is silent for long as a rule. */
#define TRANSPORT_LASTING_PROBE_NS    INT64_C(60000000000)
#define TRANSPORT_LASTING_INTERVAL_NS INT64_C(10000000000)
enum { TRANSPORT_LASTING_COUNT = 6 };
#define TRANSPORT_PING_AFTER_NS    INT64_C(30000000000)
#define TRANSPORT_PING_INTERVAL_NS INT64_C(300000000000) /* what servers of gRPC bear */
#define TRANSPORT_PING_TIMEOUT_NS  INT64_C(15000000000)
enum { TRANSPORT_EJECT_AFTER = 3 };
enum { TRANSPORT_FIRST_FLIGHT_BYTES = 16384, TRANSPORT_FIRST_FLIGHT_BYTES_MAX = 1048576 };
#define TRANSPORT_FIRST_FLIGHT_TIMEOUT_NS INT64_C(200000000)
enum { TRANSPORT_IDLE_PER_HOST_DEFAULT = 250, TRANSPORT_KEEP_ALIVE_COUNT = 9 };
enum { TRANSPORT_PRIVATE_DEFAULT = 5 };

enum { TRANSPORT_REPLAY_BYTES = 65536, TRANSPORT_REPLAY_BYTES_MAX = 64 << 20 };

/* How much of a request's body is kept, to be sent again. */
static inline int64_t transport_replay_bytes(const struct transport *transport)
{
    return transport->replay_bytes > 0   ? transport->replay_bytes
           : transport->replay_bytes < 0 ? 0
                                         : TRANSPORT_REPLAY_BYTES;
}

/* How many connections may be idle, in all and to one host. 0: none; UINT64_MAX: any number. */
static inline uint64_t transport_idle_max(const struct transport *transport)
{
    return transport->max_idle_connections > 0   ? (uint64_t)transport->max_idle_connections
           : transport->max_idle_connections < 0 ? 0
                                                 : UINT64_MAX;
}

static inline uint64_t transport_idle_per_host_max(const struct transport *transport)
{
    return transport->max_idle_connections_per_host > 0   ? (uint64_t)transport->max_idle_connections_per_host
           : transport->max_idle_connections_per_host < 0 ? 0
                                                          : TRANSPORT_IDLE_PER_HOST_DEFAULT;
}

static inline uint32_t transport_private_max(const struct transport *transport)
{
    return transport->max_private_connections > 0 ? (uint32_t)transport->max_private_connections
                                                  : TRANSPORT_PRIVATE_DEFAULT;
}

#endif
