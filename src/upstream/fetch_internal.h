/* fetch_internal.h: a fetch from the inside: fetch.c (the state machine), fetch_connect.c (how it comes by a
 * connection), fetch_recover.c (when that dies under it), fetch_failover.c (what that tells of the host).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_FETCH_INTERNAL_H
#define HOLDFAST_UPSTREAM_FETCH_INTERNAL_H

#include "base/assert.h"
#include "upstream/coalesce.h"
#include "upstream/fetch.h"
#include "upstream/flight.h"
#include "upstream/handoff.h"
#include "upstream/resend.h"
#include "upstream/shared.h"

enum fetch_state {
    FETCH_PICK,   /* needs a connection */
    FETCH_LOOKUP, /* a connection to another host may do: the addresses of its own are asked for */
    FETCH_ASK,    /* another worker has some: its answer is awaited */
    FETCH_QUEUE,  /* waits for one at the cap of the host */
    FETCH_JOIN,   /* others dial a connection that will carry many: it waits for those */
    FETCH_DIAL,   /* one is being made; what becomes idle before is taken instead */
    FETCH_GIVE,   /* has one that the head can be given to */
    FETCH_PROOF,  /* the connection died; what the kernel knows of it is awaited */
    FETCH_PAUSE,  /* refused again and again: waits before it asks for a connection once more */
    FETCH_SENT,   /* the head was given to a connection; the answer's head is awaited */
    FETCH_ANSWER, /* the final head is here; its body comes */
    FETCH_OVER,   /* complete: the connection is back in the pool */
    FETCH_FAILED, /* failure tells why */
};

/* How a fetch comes by a connection that was not at hand. Most fetches have none of this. */
struct fetch_search {
    struct connecting *dial;        /* while DIAL */
    struct gate_waiter gate_waiter; /* in QUEUE */
    struct gate_waiter race_waiter; /* in ASK and DIAL */
    struct pool_wish wish;          /* in ASK and QUEUE */
    struct pool_joining joining;    /* in JOIN */
    struct coalescing *coalescing;  /* in LOOKUP */
    uint64_t queue_end_ns;          /* when it gives up; 0: it was not in the queue */
    enum error_code lack;           /* why it may not dial: pressure_fd, pressure_port, or none */
    struct timer queue_timer;       /* in QUEUE: looks again; in ASK: dials; in DIAL and JOIN: is the path silent? */
    struct path_doubt dial_doubt;   /* in DIAL and JOIN */
    struct flight_dial dial_flight; /* in DIAL and JOIN */
    uint64_t dial_began_ns;
};

enum fetch_clock {
    FETCH_CLOCK_HEAD,     /* response_header_timeout */
    FETCH_CLOCK_CONTINUE, /* expect_continue_timeout */
    FETCH_CLOCK_AGAIN,    /* in PROOF: the kernel is asked again; in PAUSE: the host is */
    FETCH_CLOCKS
};

/* Where thousands are under way each line of it is one that has to be fetched: what every request needs stands in
 * front, and what is behind `clocks` is not even written before it is used. */
struct fetch {
    struct fetch_options options;
    struct arena *arena;
    struct task *waiter;
    struct pooled *pooled; /* from GIVE to ANSWER */
    struct http_stream *stream;
    struct fetch_search *search; /* NULL: a connection was at hand each time */
    enum fetch_state state;
    enum reason reason; /* why this request's connection is new */
    struct fetch_stats stats;
    uint32_t refused_by; /* id of the connection that refused it last; 0: none has */
    bool replay_lost;    /* the body outgrew what is kept, or the answer is here */
    bool body_given;     /* the caller has given the last body byte */
    bool request_ended;  /* ... and the connection has taken it */
    bool hurries;        /* its first bytes are to leave at once */
    bool send_broken;    /* the connection takes no more of the body; the answer, or its lack, tells the rest */
    bool may_send;       /* the body need not wait for 100 Continue; a final answer instead leaves it false */
    bool repeatable;     /* it may be sent again when its connection dies */
    bool fresh_only;     /* a re-send: only a new connection will do, or one that carries many and was made... */
    bool pending_whole;  /* pending is the body from its first byte */
    bool may_have_run;   /* a host may have read the request, on a connection that is gone */
    bool answer_seen;    /* that connection had begun to answer */
    bool heard;          /* this one has: a head came, be it an interim one */
    bool path_lost;      /* it had bytes that were not acknowledged */
    bool path_dead;      /* the path was found silent, and the request may not be sent again */
    bool awaiting;       /* counted among the host's awaited answers */
    bool timed;          /* one of the clocks was set, so that all of them are valid */
    uint8_t resends;
    uint8_t rung;                         /* enum resend: why it was sent again, until that has come to something;
                                             RESEND_NO: it has */
    uint64_t fresh_since_ns;              /* ... at this moment or later */
    uint64_t sent_at_ns;                  /* when the head was given to the connection */
    uint64_t body_left;                   /* of an answer whose last byte is its end; 0: the connection tells */
    uint64_t in_before, out_before;       /* the connection's bytes when the request was given to it */
    struct flight flight;                 /* in SENT, until the answer's head is here */
    struct chain replay;                  /* a copy of the body so far, while it is kept */
    struct chain pending;                 /* kept bytes that a fresh connection has not taken yet */
    size_t kept_ahead;                    /* bytes at the end of replay that the connection has not taken, so that they
                                             come again */
    const struct http_head *trailers_out; /* behind the request's body; NULL: none */
    struct http_head *trailers;           /* behind the answer's; NULL: none */
    struct timer clocks[FETCH_CLOCKS];    /* with `timed` */
    struct error failure;                 /* in PROOF and FAILED */
};

static inline struct loop *fetch_loop(const struct fetch *fetch)
{
    return pool_loop(fetch->options.pool);
}

static inline struct host_counts *fetch_counts(const struct fetch *fetch)
{
    return pool_counts(fetch->options.pool, fetch->options.host);
}

/* May the request go to another host of its set when this one fails it? */
static inline bool fetch_has_others(const struct fetch *fetch)
{
    return fetch->options.eject_after > 0 && fetch->options.transport->failover != FAILOVER_OFF;
}

/* What went over the wire for this request, on the connection that it has; `in` is 0 while no answer has begun. */
struct fetch_bytes {
    uint64_t in, out;
};

/* fetch.c */
void fetch_set_clock(struct fetch *fetch, enum fetch_clock clock, uint64_t after_ns); /* from now */
bool fetch_clock_is_up(const struct fetch *fetch, enum fetch_clock clock);
void fetch_clear_clocks(struct fetch *fetch);
struct fetch_bytes fetch_bytes(const struct fetch *fetch);
enum io fetch_fail(struct fetch *fetch, const struct error *failure, struct error *err);
void fetch_forget_replay(struct fetch *fetch);
void fetch_drop(struct fetch *fetch, enum reason reason, enum side side);

/* fetch_connect.c: one step of the states PICK to DIAL. IO_OK: the state has moved on. */
enum io fetch_connect(struct fetch *fetch, struct error *err);
void fetch_stop_connecting(struct fetch *fetch, enum dial_end end); /* at the fetch's end, in any state */

/* fetch_recover.c: the connection died before the answer's head. IO_OK: go on with a fresh one; IO_WAIT: the kernel is
 * asked; IO_FAIL. */
enum io fetch_recover(struct fetch *fetch, const struct error *failure, struct error *err);
enum io fetch_prove(struct fetch *fetch, struct error *err);     /* in FETCH_PROOF */
enum io fetch_pause(struct fetch *fetch);                        /* in FETCH_PAUSE: IO_OK or IO_WAIT */
void fetch_end_resend(struct fetch *fetch, enum resend_end end); /* if it was sent again */
void fetch_spend_resend(const struct fetch *fetch); /* if it was: the host's budget pays for what came to nothing */
/* The answer whose head has come: did the host say it before it could have had the request? Then it belongs to nobody.
 */
bool fetch_answer_is_stray(const struct fetch *fetch);
void fetch_note_said(const struct fetch *fetch, const struct http_head *head); /* of such an answer, for people */
enum io fetch_refuse_answer(struct fetch *fetch, struct error *err);           /* as fetch_recover, of such an answer */
/* The answer is 421 (RFC 9110 15.5.20): another connection may be one that is meant for this request. True: it goes on
 * with a fresh one. */
bool fetch_try_elsewhere(struct fetch *fetch, const struct http_head *answer);

/* fetch_failover.c: what the fetch's fate tells of its host, for balance.c and eject.c */
void fetch_start_awaiting(struct fetch *fetch); /* the head was given to a connection */
void fetch_stop_awaiting(struct fetch *fetch);
void fetch_answered(struct fetch *fetch); /* an answer's head is here */
void fetch_blame_host(struct fetch *fetch, const struct error *failure);
void fetch_blame_deadline(struct fetch *fetch); /* the request's time is up */
void fetch_look_back(struct fetch *fetch);      /* before a connection goes: may the host have read the request? */
enum failover fetch_may_hand_over(const struct fetch *fetch, const struct error *failure); /* behind fetch_look_back */
/* The path drops what was sent. IO_OK: go on with a fresh connection; IO_WAIT: the request must not be sent again, so
 * it goes on waiting; IO_FAIL: another host should have it. */
enum io fetch_lost_path(struct fetch *fetch, struct error *err);
enum reason fetch_reason_of_death(const struct fetch *fetch); /* of a connection that failed under this request */

#endif
