/* fetch.h: one upstream request, from pick to last byte. Everything about which connection and how often is behind
 * these functions; nothing here knows exchanges. Pull-based: the waiter's task is woken when a new try is worth while.
 *
 * A fetch takes a connection only when its head is ready to be written; whoever starts it sees to it that the first of
 * the body is, too. A request that died on a kept connection before any byte of an answer is sent once more, on a fresh
 * connection, when that is safe (resend.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_FETCH_H
#define HOLDFAST_UPSTREAM_FETCH_H

#include "upstream/failover.h"
#include "upstream/pool.h"
#include "upstream/private.h"

struct fetch;

struct fetch_options {
    struct pool *pool;
    struct host *host;
    const struct transport *transport; /* borrowed for the fetch's life */
    const struct http_head *head;      /* borrowed for the fetch's life; authority is what Host says */
    struct private_conns *privates;    /* of the client connection; NULL: it keeps none */
    const struct addr *client;         /* who is asking, for hosts that are told; NULL: not known */
    struct stream *client_stream;      /* ... and over what; NULL: that is gone */
    uint32_t eject_after;              /* failures in a row until the host rests (eject.h); 0: never */
    bool others;                       /* another host of the set may have the request behind this one */
    const struct http_conn *reader;    /* of many streams, to one of which the answer goes (http/conn.h); else NULL */
    struct fetch_trail *trail;         /* outlives the fetch; NULL: nobody asks */
};

/* How a client's request came by its connections, over all its fetches; zeroed: by none yet. */
struct fetch_trail {
    struct host *host;  /* of the last; NULL: there was none */
    enum reason reason; /* why that was new; REASONS: it was a kept one */
    bool shared;        /* of a kept one: others were under way on it */
    uint32_t tries;     /* connections that were given it */
};

/* Why a connection was new or reused, for logs and the ledger. */
struct fetch_stats {
    bool reused;        /* the answer came over a kept connection */
    bool shared;        /* ... on which others were under way */
    enum reason reason; /* why it was new; REASONS: it was a kept one */
};

/* Starts; `waiter` is woken by news. The fetch lives in the arena, but holds resources: fetch_end must be called. NULL:
 * no room. */
struct fetch *fetch_start(struct arena *arena, const struct fetch_options *options, struct task *waiter);

/* Sends request body from the front of `from` (for heads with body_bytes other than 0). IO_OK: all was taken; IO_WAIT:
 * bytes are left, or there is no connection yet; IO_FAIL. `end`: nothing comes behind it. Once an answer's head is here
 * a failure is no longer reported: the rest of the body is dropped. */
enum io fetch_send(struct fetch *fetch, struct chain *from, bool end, struct error *err);

/* The answer's head. Interim answers are passed over, but 100 ends a wait (fetch_may_send), and 101 is final: it comes
 * only when the head asked for another protocol, and takeover.h must follow. Errors: fault UPSTREAM with
 * connect_*, resolve_*, no_answer, reset, bad_*, response_header_timeout ... The head lives in `arena`. */
enum io fetch_head(struct fetch *fetch, struct arena *arena, struct http_head **head, struct error *err);

/* False while a body should be held back for 100 Continue (expect_continue_timeout), and for good when a final answer
 * came instead; fetch_head moves this on. */
bool fetch_may_send(struct fetch *fetch);

/* Trailers that go behind the request's body, borrowed for the fetch's life. Before the fetch_send that says `end`;
 * left out where the framing has no room for them. */
void fetch_set_trailers(struct fetch *fetch, const struct http_head *trailers);

/* Body bytes of the answer, as http_recv_body, but the last ones may come with IO_END: complete. */
enum io fetch_body(struct fetch *fetch, struct chain *into, size_t size_max, struct error *err);

/* What came behind a body that is complete, in the arena of fetch_start; NULL: nothing. */
const struct http_head *fetch_trailers(const struct fetch *fetch);

/* The same by way of a pipe (http/conn.h): may the rest go to this stream so; and a piece, as http_recv_pipe. */
bool fetch_can_pipe(const struct fetch *fetch, const struct http_stream *to);
enum io fetch_pipe(struct fetch *fetch, struct pipe *pipe);

/* A fetch that failed before an answer's head: may another host have the request, and what of the body must it be given
 * again? Unless FAILOVER_NO those bytes are put in front of `body`, which holds what this fetch had not taken, and only
 * fetch_end may follow. */
enum failover fetch_hand_over(struct fetch *fetch, struct chain *body);

const struct fetch_stats *fetch_stats(const struct fetch *fetch);

/* Ends it at any time: a connection that is still lent is closed (when the answer was complete it went back to the pool
 * already). `why` says what was the matter: a deadline counts as the host's failure. NULL is fine. */
void fetch_end(struct fetch *fetch, enum http_cancel why);

#endif
