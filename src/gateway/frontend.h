/* frontend.h: one worker's client side: listeners, client connections, and their exchanges; and its drain.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FRONTEND_H
#define HOLDFAST_GATEWAY_FRONTEND_H

#include "base/ring.h"
#include "gateway/client_log.h"
#include "gateway/generation.h"
#include "gateway/grace.h"
#include "gateway/reign.h"
#include "gateway/status_table.h"
#include "http/h2/h2.h"
#include "net/listener.h"
#include "observe/seconds.h"
#include "os/mailbox.h"
#include "tls/server_stream.h"
#include "upstream/pool.h"
#include "upstream/private.h"

#include <assert.h>

struct access_log;
struct crowd;
struct budget;
struct json_shapes;

enum { CLIENT_REQUESTS_BOUNDS = 8 };
/* Who ended a tunnel, and how many kinds of close codes are told apart (websocket_code_name). */
enum tunnel_by { TUNNEL_BY_CLIENT, TUNNEL_BY_HOST, TUNNEL_BY_US, TUNNEL_BYS };
enum { TUNNEL_CODES = 18, GRPC_STATUSES = 17 };

/* Numbers of one worker, written by it alone, read by anybody. */
struct frontend_counts {
    _Alignas(64) _Atomic uint64_t connections_opened;
    _Atomic uint64_t connections_closed;
    _Atomic uint64_t requests;
    _Atomic uint64_t exchanges; /* now */
    /* Of those that have closed: by requests (client_request_bounds) and by time (seconds_bounds_ms), and the sums. */
    _Atomic uint64_t requests_by[CLIENT_REQUESTS_BOUNDS + 1], dwell_by[SECONDS_BOUNDS + 1];
    _Atomic uint64_t requests_on_closed, dwell_ms;
    _Atomic uint64_t races;         /* a request arrived at a connection that we had just closed */
    _Atomic uint64_t hinted;        /* closed connections whose client had said how long it keeps them */
    _Atomic uint64_t idle_grace_ns; /* how much longer than promised idle clients are waited for, now */
    /* Exchanges that last (lasting.h, websocket.h). */
    _Atomic uint64_t streams, streams_open, tunnels, tunnels_open; /* ever, and now */
    _Atomic uint64_t lasting_refused;
    _Atomic uint64_t tunnel_bytes[2], tunnel_messages[2]; /* of clients, of hosts */
    _Atomic uint64_t tunnel_closes[TUNNEL_BYS][TUNNEL_CODES];
    _Atomic uint64_t grpc_errors[GRPC_STATUSES]; /* that we said to clients of gRPC, by status */
    _Atomic uint64_t told, told_served;          /* that the next answer is the last; and had one more */
    _Atomic uint64_t passed;                     /* accepted here, and given to a worker with fewer (spread.h) */
    _Atomic uint64_t load;                       /* connections now */
    _Atomic uint64_t coming;                     /* given by others and not taken in yet: the one number others write */
};

/* Upper bounds of the slots; the last slot is for all beyond. */
const uint32_t *client_request_bounds(void);

/* The end of a worker's client side, or of what came by one of its listeners (drain.c). */
enum { DRAIN_ALL = -1 };
struct drain {
    struct frontend *frontend;
    struct task task, *ended; /* NULL: nobody waits for its end */
    struct timer timer;
    uint64_t started_ns, window_ns;
    uint64_t limit_ns;       /* when those who are left are cut, from its beginning; 0: never by it */
    uint64_t clients;        /* at its beginning */
    uint64_t fresh_until_ns; /* behind the window: when those who came just before its end are idle; 0: nobody did */
    int door;                /* number of the listener, or DRAIN_ALL */
    bool begun;
    bool windowed; /* the window is not over */
    bool closed;   /* the listener takes nobody any more */
};

/* How long connections are kept (keep.c). */
struct keeper {
    struct task task;
    struct timer timer;
    struct chore chore;
    uint64_t looked_run; /* tasks that the loop had run at the last look */
    bool sleeps;         /* the timer, if it is set, is for somebody's age */
    bool adapts;
    uint64_t idle_min_ns, idle_max_ns, age_ns; /* 0: none */
    uint64_t age_first_ns;                     /* nothing happens to who is younger; 0: to nobody */
    uint64_t next_evict_ns;
    uint64_t crowded_since_ns; /* at each look since then somebody waited without room; 0: not at the last one */
};

/* The workers' client sides, for each other (spread.h). */
struct spread {
    struct frontend *const *all; /* NULL: it is alone */
    unsigned count;
    struct mailbox *mailbox;
    struct task task;
};

struct frontend {
    struct loop *loop;
    struct pool *pool;
    struct reign *reign;           /* what requests begin in */
    struct generation *generation; /* its */
    struct access_log *access_log; /* NULL: none is written */
    size_t request_memory_max;     /* of each exchange */
    struct http_conn_options conn_options;
    struct h2_rules h2_rules;
    struct http_dates dates;
    bool h2c;            /* without TLS too, to who speaks it from the first byte */
    struct list doors;   /* listeners */
    struct list clients; /* open client connections, in the order in which they came */
    struct list shadows; /* requests whose answers nobody waits for (shadow.h) */
    uint32_t shadow_count, shadows_max;
    struct list arrivals;        /* connections whose TLS handshake is not done, oldest first (arrival.c) */
    struct list greetings;       /* connections of which no more is known than that they were accepted (greeting.c) */
    unsigned refused;            /* those among both that are only to hear why */
    uint64_t refuse_from_ns;     /* the budget of handshakes for them: full when this is past (greeting.c) */
    struct crowd *crowd;         /* connections by address, of all workers; NULL: no limit */
    struct crowd *lasting_crowd; /* the same of exchanges that last */
    unsigned workers;
    _Atomic uint64_t clients_max; /* this worker's share of max_connections; 0: as many as descriptors allow */
    size_t door_room;             /* listeners that there can be, by their numbers */
    struct drain drain;           /* of all. While it goes on health says that it is not ready for newcomers */
    struct drain *door_drains;    /* by listener */
    struct json_shapes *shapes;   /* of the documents that are written */
    struct keeper keeper;
    struct grace grace; /* of promises; not asked without any */
    struct spread spread;
    const struct budget *budget; /* descriptors of the process; NULL: not watched */
    uint64_t started_ns;
    unsigned worker;
    uint64_t next_warning_ns; /* not before this is it told again that accepting pauses */
    struct frontend_counts counts;
    struct tls_server_counts tls_counts;
    struct tls_server_common tls_common;
    struct h2_counts h2_counts;
    struct client_log closed;                 /* connections, for people */
    _Atomic uint64_t (*closes_by)[HTTP_ENDS]; /* closed connections by listener and reason */
    _Atomic uint64_t *open_by;                /* connections by listener, now */
    _Atomic uint64_t *busy_by;                /* of these, with a request or a tunnel */
    _Atomic(struct status_table *) statuses;  /* requests by endpoint and status */
};

struct frontend_options {
    struct loop *loop;
    struct pool *pool;
    struct generation *generation;
    struct access_log *access_log;
    unsigned worker, workers;    /* its number, and how many there are */
    const struct budget *budget; /* of descriptors; NULL: they are not watched */
    struct crowd *crowd;         /* for max_connections_per_ip, of all workers; NULL: no limit */
    struct crowd *lasting_crowd; /* for max_streams_per_ip */
};

/* The client side of a worker; no listener yet. NULL: no memory. */
struct frontend *frontend_new(const struct frontend_options *options);
void frontend_free(struct frontend *frontend); /* cuts what is still open. NULL is fine */

/* What is due on a listener's connections before HTTP. */
struct door_options {
    struct tls_server *tls; /* borrowed, or held by what outlives the turn; NULL: plain */
    enum proxy_rule proxy_protocol;
    uint16_t number; /* of the listener in the configuration */
};

/* Adds a listener. *addr gets the address taken (port 0: which). `door` NULL: plain HTTP. False: *err. */
bool frontend_listen(struct frontend *frontend, struct addr *addr, const struct listen_options *options,
                     const struct door_options *door, struct error *err) MUST_USE;

/* Listeners can be added, with numbers up to so many more than the first generation has. */
enum { FRONTEND_DOORS_MORE = 16 };

/* What a worker needs for its next generation, made by the main thread so that nothing can fail here. */
struct succession {
    struct reign *next;            /* goes over */
    struct status_table *statuses; /* with room for its endpoints, empty; the old one is put in its place, for the main
                                      thread, which alone reads them all */
    struct access_log *access_log; /* NULL: none is written from now on */
};
/* On the worker's thread, between two tasks: requests that begin from here on are served by it. Connections stay. */
void frontend_succeed(struct frontend *frontend, struct succession *succession);

/* Before the workers start: all of them, this one too (borrowed), share what they accept. */
void frontend_meet(struct frontend *frontend, struct frontend *const *all, unsigned count);
/* On the worker's thread when its loop has ended: the others can give it nothing any more. All must have ended before
 * any is freed. */
void frontend_end(struct frontend *frontend);

/* Ends the client side gently: over the window every connection is told by an answer with Connection: close, at its end
 * listeners and idle connections close. `ended` is woken when none is left (maybe soon). */
void frontend_drain(struct frontend *frontend, uint64_t window_ns, struct task *ended);
/* The same for one listener, which takes nobody any more from here on: its connections end over the window, and who is
 * left after limit_ns (0: no limit) is cut. The others go on. Once more changes nothing. */
void frontend_drain_door(struct frontend *frontend, uint16_t number, uint64_t window_ns, uint64_t limit_ns);
/* What is still there, a log line for each of the first ones: for a limit that is about to cut them. */
void frontend_tell_left(const struct frontend *frontend);
bool frontend_is_empty(const struct frontend *frontend);
/* keep.c: is the process so short of memory or descriptors that idle connections end? Any thread. A worker that sleeps
 * hears of it when its loop is stirred. */
bool keep_budget_is_tight(const struct budget *budget);
void frontend_cut(struct frontend *frontend); /* the hard limit: what is still open is closed without a clean end */

/* One client connection. */
struct client {
    struct http_conn *conn;
    struct frontend *frontend;
    struct task task;
    struct list_node node;
    struct ring exchanges; /* open ones */
    struct ring tunnels;   /* what became of some */
    struct private_conns privates;
    const struct addr *peer; /* in the conn's stream */
    uint64_t told_ns;        /* when it was */
    struct voucher *voucher; /* what a proxy said of it; NULL: nothing */
    uint16_t door;           /* number of the listener that it came by */
    uint16_t told_messages;  /* requests before it was told, low bits */
    uint8_t told;            /* enum http_end: why the next answer is the last */
    uint8_t cut;             /* enum http_end: why it is cut off */
    bool over : 1;           /* the conn has ended; the last exchange closes the client */
    bool may_be_h2c : 1;     /* HTTP/1, but for all we know its first bytes say something else */
    bool evicted : 1;        /* to make room; its end is on its way */
};
static_assert(sizeof(struct client) <= 120,
              "an idle connection is small; with the header of the heap a multiple of 16");

static inline bool client_is_busy(const struct client *client)
{
    return !ring_is_empty(&client->exchanges) || !ring_is_empty(&client->tunnels);
}

/* An exchange or a tunnel of the client begins, or ends: in that ring of its. */
void client_take(struct client *client, struct ring *ring, struct list_node *node);
void client_let_go(struct client *client, struct ring *ring, struct list_node *node);

void frontend_count_close(struct frontend *frontend, uint16_t door, enum http_end end);
void frontend_count_request(struct frontend *frontend, const struct endpoint *endpoint, uint16_t status);
/* Adds a worker's answers of an endpoint, by its index, to `sums` by status; from any thread. */
void frontend_add_answers(const struct frontend *frontend, uint32_t slot, uint64_t sums[STATUS_SLOTS]);

#endif
