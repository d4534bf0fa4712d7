/* h1_internal.h: an HTTP/1 connection from the inside. For the files of h1/ only.
 *
 *   conn.c     birth, death, facts      drive.c   the conn's own task: bytes in and out
 *   receive.c  heads in                 body.c    bodies and trailers in      send.c   bodies and trailers out
 *   server.c   the server role          answer.c  its heads out               clock.c  its clocks
 *   client.c   the client role          move.c    to another loop             pace.c   how slow is too slow
 *   pipe.c     bodies not looked at     yield.c   who speaks HTTP/2 after all
 *
 * Three small machines stand side by side: `phase` of the conn, `receive` of the message that comes in, `send` of the
 * one that goes out. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_INTERNAL_H
#define HOLDFAST_HTTP_H1_INTERNAL_H

#include "base/assert.h"
#include "base/slab.h"
#include "http/conn.h"
#include "http/h1/chunked.h"
#include "http/h1/pace.h"
#include "http/h1/parse.h"
#include "http/h1/write.h"
#include "http/semantics.h"

#include <assert.h>

enum {
    H1_IN_MAX = 4 * BLOCK_LARGE_BYTES, /* bytes of a body that are read before somebody wants them */
    H1_OUT_MAX = 256 << 10,            /* bytes that wait to be sent before send_body answers IO_WAIT */
    H1_SKIP_MAX = 256 << 10,           /* bytes that are read only to be thrown away */
    /* Of a trailer section. gRPC sends three fields, checksums are one or two: many times that, so no setting. */
    H1_TRAILER_BYTES_MAX = 8 << 10,
    H1_TRAILERS_MAX = 32,
    H1_EMPTY_LINES_MAX = 2, /* before a request line (RFC 9112 2.2) */
    H1_INTERIMS_MAX = 32,   /* 1xx answers to one request */
};
/* For how long the rest of a body is thrown away. What was sent before the answer is here by then; who sends on loses
 * its connection, and no answer: nothing to set. */
#define H1_SKIP_NS UINT64_C(1000000000)

enum h1_phase {
    H1_LIVE,
    H1_SKIP,   /* server: the answer is out, the rest of the request's body is thrown away */
    H1_FINISH, /* server: what is queued still leaves, nothing more is understood */
    H1_LINGER, /* server: FIN is sent, the peer's bytes are thrown away until it closes too (RFC 9112 9.6) */
    H1_OVER,   /* server: accept answers IO_END */
};

/* What comes next of the peer's message. */
enum h1_receive {
    H1_RECEIVE_HEAD,       /* a head, or nothing when no message is under way */
    H1_RECEIVE_HEAD_READY, /* a head of head_bytes is whole, or head_fault tells why it never will be */
    H1_RECEIVE_LENGTH,     /* chunked.left bytes of a body */
    H1_RECEIVE_CHUNKS,
    H1_RECEIVE_TRAILERS,       /* a trailer section, not yet whole */
    H1_RECEIVE_TRAILERS_READY, /* one of head_bytes, checked */
    H1_RECEIVE_UNTIL_CLOSE,
    H1_RECEIVE_TUNNEL, /* behind 101: bytes of another protocol until the peer's FIN */
    H1_RECEIVE_END,    /* nothing: the message is complete */
    H1_RECEIVE_FAILED, /* nothing: it can never be complete; `failure` tells why */
};

/* What goes out next. */
enum h1_send {
    H1_SEND_HEAD,
    H1_SEND_LENGTH, /* send_left bytes of a body */
    H1_SEND_CHUNKS,
    H1_SEND_UNTIL_CLOSE,
    H1_SEND_TUNNEL,  /* behind 101: the end is a FIN, at once */
    H1_SEND_NO_BODY, /* bytes are swallowed: the message can have none (HEAD, 204, 304) */
    H1_SEND_END,
    H1_SEND_FAILED, /* cut, so that the peer can tell */
};

/* What only a message under way needs. It is lent by the loop when the first byte is read or a stream opened, and goes
 * back when nothing of a message is left: most connections are idle most of the time, and small. */
struct h1_message {
    struct http_stream stream;
    struct chain in, out;
    uint64_t since_ns;           /* server: when the first byte of the request under way, or of one too late, came */
    uint64_t head_end_ns;        /* server: when its head was whole */
    struct pace coming, leaving; /* server: a body while a reader waits for it; bytes while they wait in `out` */
    uint64_t send_left;
    struct h1_chunked chunked; /* `left` is used by H1_RECEIVE_LENGTH too */
    uint32_t seen;             /* bytes of `in` in which the end of a head was searched */
    uint32_t head_bytes;
    uint32_t skipped; /* bytes thrown away in the phases from SKIP on */
};
static_assert(sizeof(struct h1_message) <= LOOP_RECORD_BYTES, "it is lent by the loop");

struct h1_conn {
    struct http_conn base;
    struct h1_message *message; /* never NULL; h1_nothing: none is under way, and only reading is allowed */
    const struct h1_scanner *scanner;
    const struct error *failure; /* the first one; NULL: none. Not ours when it is h1_no_memory */
    uint64_t last_used_ns;
    uint64_t bytes_in, bytes_out;
    uint32_t messages;
    uint32_t head_bytes_max; /* of the options */
    int32_t hint_timeout_s, hint_max;
    uint8_t phase;      /* enum h1_phase */
    uint8_t receive;    /* enum h1_receive */
    uint8_t send;       /* enum h1_send */
    uint8_t tail;       /* enum h1_tail of the search */
    uint8_t unfit;      /* enum http_unfit */
    uint8_t head_fault; /* enum error_code, in H1_RECEIVE_HEAD_READY */
    uint8_t end;        /* server: enum http_end */
    uint16_t fields_max;
    uint8_t empty_lines, interims;
    bool stream_open : 1;  /* given by accept or open, not done yet */
    bool stream_waits : 1; /* server: accept would give one */
    bool peer_is_1_0 : 1;  /* of the message under way */
    bool head_only : 1;    /* the request is HEAD */
    bool keep : 1;         /* the conn may go on after this message pair */
    bool draining : 1;
    bool closing : 1;    /* server: it drains, and no further request is waited for */
    bool granted : 1;    /* server: the idle timeout was up as a request came */
    bool idle_close : 1; /* server: it was closed while idle: bytes that come now have raced */
    bool raced : 1;
    bool single_use : 1; /* client: of the options */
    bool upgrading : 1;  /* client: the request asks to switch the protocol */
    bool tunnel : 1;     /* it was switched: nothing of HTTP comes on this conn any more */
    bool fin_sent : 1;
    bool expects : 1;       /* server: the client waits for 100 Continue, or a final answer */
    bool ended : 1;         /* the peer's FIN was read */
    bool broken : 1;        /* no byte goes either way any more */
    bool stalled : 1;       /* reading has stopped for lack of room, not of bytes */
    bool receive_waits : 1; /* the stream's owner was told to wait for bytes */
    bool send_waits : 1;    /* ... for room */
    bool close_by_reset : 1;
    bool piped : 1; /* client: the reader waits for what comes by a pipe; server: bytes of the answer wait in one */
    bool large : 1; /* `in` may have a large buffer */
    bool bulk : 1;  /* the last read filled a large buffer: the next may ask for more at once */
};

/* Its bytes tell people what a host has sent unasked; none are kept without memory for them. */
struct h1_surplus {
    uint32_t len;
    char bytes[HTTP_SURPLUS_BYTES];
};

struct h1_client {
    struct h1_conn conn;
    struct h1_surplus *surplus; /* NULL: none came */
};
static_assert(sizeof(struct h1_client) <= 168, "an idle conn of the client role is small");

/* The server role: a conn, and what its clocks need. The client role has none, and pools hold many such. */
struct h1_server {
    struct h1_conn conn; /* first: freed as one */
    struct timer timer;
    const struct http_conn_options *options; /* borrowed, and may change */
    uint64_t until_ns;                       /* end of the phases SKIP and LINGER */
    uint32_t wait_ms;  /* how long the next request may be waited for: the last answer's promise */
    uint32_t grace_ms; /* ... and how much longer by the round trip; 0: not looked at */
};
static_assert(sizeof(struct h1_server) <= 216, "an idle conn is small");

extern const struct h1_message h1_nothing; /* zeroes */

static inline struct h1_conn *h1_of_conn(struct http_conn *conn)
{
    return container_of(conn, struct h1_conn, base);
}

static inline const struct h1_conn *h1_of_const(const struct http_conn *conn)
{
    return (const struct h1_conn *)(const void *)((const char *)conn - offsetof(struct h1_conn, base));
}

static inline struct h1_conn *h1_of_stream(struct http_stream *stream)
{
    return h1_of_conn(stream->conn);
}

static inline bool h1_is_server(const struct h1_conn *conn)
{
    return conn->base.role == HTTP_SERVER;
}

static inline struct h1_server *h1_server_of(struct h1_conn *conn)
{
    ASSERT_SLOW(h1_is_server(conn));
    return container_of(conn, struct h1_server, conn);
}

static inline struct h1_client *h1_client_of(struct h1_conn *conn)
{
    ASSERT_SLOW(!h1_is_server(conn));
    return container_of(conn, struct h1_client, conn);
}

static inline const struct h1_client *h1_client_of_const(const struct h1_conn *conn)
{
    ASSERT_SLOW(!h1_is_server(conn));
    return (const struct h1_client *)(const void *)conn;
}

static inline const struct h1_server *h1_server_of_const(const struct h1_conn *conn)
{
    ASSERT_SLOW(h1_is_server(conn));
    return (const struct h1_server *)(const void *)conn;
}

static inline const struct http_conn_options *h1_options(const struct h1_conn *conn) /* of the server role */
{
    return h1_server_of_const(conn)->options;
}

static inline bool h1_has_message(const struct h1_conn *conn)
{
    return conn->message != &h1_nothing;
}

static inline struct block_pool *h1_blocks(const struct h1_conn *conn)
{
    return loop_blocks(conn->base.loop);
}

static inline uint64_t h1_now(const struct h1_conn *conn)
{
    return loop_now_ns(conn->base.loop);
}

static inline enum fault h1_peer_fault(const struct h1_conn *conn)
{
    return h1_is_server(conn) ? FAULT_CLIENT : FAULT_UPSTREAM;
}

static inline void h1_wake_self(struct h1_conn *conn)
{
    task_wake(conn->base.loop, &conn->base.task);
}

/* conn.c */
extern const struct http_conn_ops h1_server_ops, h1_client_ops;
bool h1_take_message(struct h1_conn *conn) MUST_USE;                 /* has one from here on; false: no memory */
void h1_give_message(struct h1_conn *conn);                          /* gives it back, with what it holds */
void h1_give_message_if_idle(struct h1_conn *conn);                  /* ... when nothing of a message is left */
void h1_drop_bytes(struct h1_conn *conn);                            /* of both directions */
void h1_note_failure(struct h1_conn *conn, const struct error *err); /* kept when it is the first */
enum io h1_fail(const struct h1_conn *conn, struct error *err);      /* IO_FAIL, with the failure if there is one */
void h1_set_unfit(struct h1_conn *conn, enum http_unfit why);        /* kept when it is the first */
void h1_break(struct h1_conn *conn, const struct error *err);        /* the stream is of no use any more */
void h1_close(struct http_conn *base);
void h1_facts(const struct http_conn *base, struct http_conn_facts *facts);
/* chain_move, but a small piece is copied behind what is there: else a body that comes a few bytes at a time would pin
 * a large buffer for each. Returns less than size only without memory. */
size_t h1_move(struct h1_conn *conn, struct chain *to, struct chain *from, size_t size);
void h1_wake_stream(struct h1_conn *conn); /* the owner of the open stream, whatever it waits for */

/* Does something of what was sent wait for the peer to take it? */
static inline bool h1_has_unsent(const struct h1_conn *conn)
{
    return conn->message->out.size > 0 || (conn->piped && h1_is_server(conn));
}

/* Will the reader take what comes by a pipe? */
static inline bool h1_awaits_pipe(const struct h1_conn *conn)
{
    return conn->piped && !h1_is_server(conn);
}

static inline bool h1_is_in_body(const struct h1_conn *conn)
{
    const unsigned inside = 1u << H1_RECEIVE_LENGTH | 1u << H1_RECEIVE_CHUNKS | 1u << H1_RECEIVE_TRAILERS |
                            1u << H1_RECEIVE_UNTIL_CLOSE | 1u << H1_RECEIVE_TUNNEL;

    return inside >> conn->receive & 1;
}

/* drive.c */
void h1_run(struct task *task);
void h1_flush(struct http_conn *base);
void h1_stream_failed(struct h1_conn *conn, struct error *err); /* by the peer that is at its other end */
void h1_note_sent(struct h1_conn *conn, size_t bytes);          /* they have left, and the clocks know */
void h1_set_clock(struct h1_conn *conn);                        /* server: for the earliest that may be up */

/* receive.c */
void h1_begin_head(struct h1_conn *conn); /* the next that comes is a head */
/* In H1_RECEIVE_HEAD: is it whole, or wrong, by now? h1_find_head: there are bytes that were not searched. */
void h1_find_head(struct h1_conn *conn);
static inline void h1_look_for_head(struct h1_conn *conn)
{
    if (conn->message->in.size > conn->message->seen)
        h1_find_head(conn);
}
/* Goes on looking for the empty line that ends a head or trailers; *end: the bytes up to and with it. */
enum h1_found h1_search(struct h1_conn *conn, size_t *end);
enum io h1_recv_head(struct http_stream *stream, struct arena *arena, struct http_head **head, struct error *err);
void h1_fail_receive(struct h1_conn *conn, const struct error *err);
void h1_take_in(struct h1_conn *conn, size_t size); /* drops bytes of the message from the front of `in` */

/* body.c */
void h1_begin_body(struct h1_conn *conn, const struct http_head *head, const struct http_framing *framing);
enum io h1_recv_body(struct http_stream *stream, struct chain *into, size_t size_max, struct error *err);
/* Throws away what is here of the body. True: the message is complete. */
bool h1_skip_body(struct h1_conn *conn, size_t *skipped);
bool h1_is_received(const struct h1_conn *conn);

/* send.c */
enum io h1_cut(struct h1_conn *conn, const char *text, struct error *err); /* breaks the message off where it is */
enum io h1_send_body(struct http_stream *stream, struct chain *from, bool end, struct error *err);
enum io h1_finish_head(struct h1_conn *conn, struct h1_writer *writer,
                       struct error *err);                                          /* queues it, wakes the conn */
void h1_write_fields(struct h1_writer *writer, const struct http_headers *headers); /* but those a hop writes itself */
void h1_write_body_framing(struct h1_conn *conn, struct h1_writer *writer, int64_t body_bytes);
enum io h1_send_trailers(struct h1_conn *conn, const struct http_head *head, struct error *err);
void h1_write_upgrade(struct h1_writer *writer, struct str protocol); /* Connection and Upgrade */
void h1_begin_tunnel(struct h1_conn *conn);                           /* behind a head of status 101 */
void h1_send_fin(struct h1_conn *conn);                               /* once; what is queued has left */

/* server.c */
void h1_server_step(struct h1_conn *conn);
bool h1_server_takes(struct h1_conn *conn, struct http_head *head, struct error *err); /* a parsed head */
void h1_server_continue(struct h1_conn *conn); /* sends 100 Continue when the client waits for it */
void h1_server_enter(struct h1_conn *conn, enum h1_phase phase);
void h1_server_refuse(struct h1_conn *conn, enum error_code code); /* offers a stream whose recv_head fails */
void h1_note_end(struct h1_conn *conn, enum http_end end);         /* kept when it is the first */
bool h1_is_waiting(const struct h1_conn *conn);                    /* server: for a request, or its head */
/* Nothing came: FIN, and linger. False: something did, and is served. */
bool h1_server_end_idle(struct h1_conn *conn, enum http_end why);

/* answer.c */
enum io h1_server_send_head(struct http_stream *stream, const struct http_head *head, bool end, struct error *err);

/* clock.c */
uint64_t h1_server_deadline(const struct h1_conn *conn);     /* TIMER_OFF: none */
void h1_server_expire(struct h1_conn *conn);                 /* does what is due, if anything is */
void h1_server_got_body(struct h1_conn *conn, size_t bytes); /* ends the wait for it, if there is one */
uint64_t h1_late_ns(const struct h1_conn *conn);             /* for the facts of a conn that has raced */
struct pace_limit h1_coming_limit(const struct h1_conn *conn), h1_leaving_limit(const struct h1_conn *conn);

/* client.c */
void h1_client_step(struct h1_conn *conn);
bool h1_client_takes(struct h1_conn *conn, struct http_head *head, struct error *err);

#endif
