/* exchange.h: one client request, from its head to its log line, as one switch (exchange.c, exchange_run).
 *
 * An exchange lives in its own arena, inside its client connection and its generation. It belongs to nobody else: once
 * started it ends by itself. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_EXCHANGE_H
#define HOLDFAST_GATEWAY_EXCHANGE_H

#include "gateway/answer.h"
#include "gateway/forward.h"
#include "gateway/frontend.h"
#include "upstream/fetch.h"
#include "upstream/host_hold.h"

enum exchange_state {
    EXCHANGE_HEAD,    /* the request's head is awaited */
    EXCHANGE_ROUTE,   /* which endpoint? */
    EXCHANGE_REQUEST, /* the whole request body is collected (built-in endpoints, several calls) */
    EXCHANGE_EARLY,   /* the TLS handshake is not done, and the request must not go on before it is */
    EXCHANGE_FLIGHT,  /* the first of the request's body is awaited, before a host is chosen (first_flight.c) */
    EXCHANGE_CALL,    /* the request goes to the backend, its answer's head is awaited */
    EXCHANGE_RELAY,   /* no-op: both bodies stream */
    EXCHANGE_COLLECT, /* decoded: the backend's body is collected */
    EXCHANGE_DECODE,  /* ... and all here: it is decoded and rendered, at once or when its turn has come */
    EXCHANGE_COMPOSE, /* several calls are under way (compose.h) */
    EXCHANGE_SEND,    /* an answer of our own is sent */
    EXCHANGE_WATCH,   /* ... which goes on as long as the gateway does (grpc_watch.c) */
    EXCHANGE_FINISH,  /* log, count, let go */
};

struct composition;
struct leg;
struct stream_watch;
struct unpacking;

/* Where thousands are under way each line of it is one that has to be fetched: what every exchange needs stands in
 * front, and what is behind the error's fault and code is not even written before it is used. */
struct exchange {
    struct task task;
    struct list_node node; /* in the client's list */
    struct timer deadline;
    enum exchange_state state;
    bool request_ended; /* the client's body is complete here */
    bool request_sent;  /* and all of it was passed on */
    bool answer_ended;  /* the backend's body is complete here */
    bool early;         /* sent to the backend with Early-Data: 1 */
    bool upgrade;       /* the client asks for a WebSocket, and may have one */
    bool lasting;       /* counted as one that lasts (lasting.h) */
    bool grpc;          /* gRPC, over HTTP/2: errors are told in its words */
    bool leaving;       /* a stream that is to end at the next event's end */
    bool handed_over;   /* the client's stream belongs to a tunnel now */
    bool head_sent;     /* a final head went to the client: errors can only cut from here */
    uint16_t status;    /* of the answer, for the log */
    struct arena *arena;
    struct client *client;
    struct http_stream *stream;      /* NULL in a try of a composition: it has no client of its own */
    struct reign *reign;             /* entered; NULL in a try */
    struct generation *generation;   /* the reign's, or of what it is part of: outlives it */
    const struct endpoint *endpoint; /* NULL until routed */
    struct http_head *request;       /* NULL until read */
    const struct route_match *match;
    uint64_t started_ns;
    struct host_hold **holds; /* the hosts that it, or whatever it is part of, was led to */
    struct host_hold *own_holds;
    struct fetch_trail *trail; /* its connections to hosts, of all calls; NULL: a copy of which nobody is told */
    struct fetch_trail own_trail;
    struct chain request_body, response_body;
    struct leg *leg; /* of a try: whom it tells what has come of it */
    struct composition *composition;
    struct stream_watch *watch; /* RELAY of a stream: its clocks */
    struct http_head *trailers; /* of the request's body, as they go on; NULL: none */
    struct timer *patience;     /* FLIGHT: how long a body is awaited that may be long; NULL: none is */
    struct pipe *pipe;          /* RELAY: holds body of the answer; NULL: none does */
    struct str body;            /* COMPOSE: the client's, whole; data NULL: not collected */
    uint64_t due_ns;            /* the client's own deadline (grpc-timeout); 0: none */
    uint64_t request_bytes;     /* of its body, so far */
    struct call {
        const struct backend *backend;
        struct host *host;
        struct http_head *answer; /* what it answered */
        struct fetch *fetch;
        struct unpacking *unpacking;     /* NULL: the answer needs none */
        struct discovery_waiter *waiter; /* while its hosts are looked up; NULL: they never were */
        unsigned tried_count;
        unsigned hops;         /* redirects followed */
        uint32_t eject_after;  /* of this try, as in fetch.h */
        bool others;           /* ... too */
        bool own_referer;      /* the client has said Referer itself */
        bool asks_for_gzip;    /* by our own wish: nobody behind us sees that the answer was packed */
        struct http_head head; /* what is sent to the backend */
    } call;
    struct error error;                    /* why it failed; fault NONE when it did not */
    struct answer answer;                  /* SEND: what is sent */
    struct host *tried[BALANCE_TRIED_MAX]; /* hosts that have failed the call */
};

/* Takes a stream that http_accept gave and serves it. Without memory the stream is cancelled. */
void exchange_start(struct client *client, struct http_stream *stream);

/* Ends it now, the client sees a cut answer (hard limit of a drain). It is counted and logged like any other. */
void exchange_cut(struct exchange *exchange);

#endif
