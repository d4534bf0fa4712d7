/* h2_internal.h: an HTTP/2 connection from the inside. For the files of h2/ only.
 *
 *   conn.c     birth, death, facts       drive.c    the conn's own task: bytes in and out
 *   session.c  what nghttp2 tells us     framer.c   where frames begin      guard.c  what is too much
 *   head.c     fields to heads           receive.c  heads and bodies to the user
 *   answer.c   heads out                 send.c     bodies out              priority.c  who goes first
 *   server.c   accept, done, drain       clock.c    its clocks              memory.c  what nghttp2 takes
 *
 * nghttp2 frames, compresses and keeps windows; it never sees a socket. A stream exists here from its HEADERS until
 * nghttp2 has closed it and its user has let go, whichever is later. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H2_INTERNAL_H
#define HOLDFAST_HTTP_H2_INTERNAL_H

#include "base/assert.h"
#include "http/h1/pace.h"
#include "http/h2/framer.h"
#include "http/h2/h2.h"

#include <assert.h>
#include <nghttp2/nghttp2.h>

enum {
    H2_IN_BYTES = BLOCK_LARGE_BYTES, /* read at a time */
    H2_OUT_MAX = 128 << 10,          /* bytes that wait for the socket before nghttp2 is asked for more */
    H2_STREAM_OUT_MAX = 128 << 10,   /* ... of one stream for nghttp2, while its window is open */
    H2_STREAM_OUT_MIN = 16 << 10,    /* ... while it is shut, or others have */
    H2_QUEUED_MAX = 256 << 10,       /* ... so much in all */
    H2_BLOCKED_MAX = 16,             /* streams whose user waits for room; with more, new ones wait at the door */
    H2_HEADS_BYTES_MAX = 512 << 10,  /* heads of a connection that nobody has taken yet */
    H2_SESSION_BYTES_MAX = 1 << 20,  /* memory of nghttp2 for one connection */
    H2_CONTINUATIONS_MAX = 16,       /* frames of one header block */
    H2_HEAD_TIMES_MAX = 4,           /* so many times head_bytes_max is decoded; then the connection ends */
    H2_IDS_KEPT = 16,                /* numbers of closed streams that are remembered */
    H2_SMALL_DATA_BYTES = 256,
    H2_SMALL_WINDOW_BYTES = 1024,
};

enum h2_phase {
    H2_LIVE,
    H2_FINISH, /* what is queued still leaves, nothing more is understood */
    H2_LINGER, /* FIN is sent, the peer's bytes are thrown away until it closes too */
    H2_OVER,   /* accept answers IO_END */
};

enum h2_send {
    H2_SEND_HEAD,
    H2_SEND_BODY,
    H2_SEND_NO_BODY, /* bytes are swallowed (HEAD, 204, 304) */
    H2_SEND_END,
    H2_SEND_FAILED,
};

struct h2_ids { /* the latest ones */
    uint32_t id[H2_IDS_KEPT];
    uint8_t at;
};

struct h2_guard {
    uint64_t at_ns;  /* when `points` was right */
    uint32_t points; /* left */
    uint32_t credit; /* frames of control that data accounts for */
    bool settings_seen;
};

struct h2_conn {
    struct http_conn base;
    nghttp2_session *session;
    struct chain out;
    struct chain first; /* bytes that somebody else has read */
    struct list streams;
    struct list waiting; /* those that accept will give */
    struct timer timer;
    const struct http_conn_options *options; /* borrowed */
    const struct h2_rules *rules;
    struct h2_counts *counts; /* NULL: nobody counts */
    const struct error *failure;
    struct h2_framer framer;
    struct h2_guard guard;
    struct pace leaving;
    uint64_t opened_ns, last_used_ns;
    uint64_t bytes_in, bytes_out;
    uint64_t block_ns; /* since when a header block is under way; 0: none is */
    uint64_t until_ns; /* end of the phases FINISH and LINGER */
    uint64_t drain_ns; /* when the last GOAWAY is due; 0: it is not */
    size_t session_bytes;
    size_t queued;                      /* in all streams' `out` */
    size_t head_bytes;                  /* in all streams' heads and tails */
    uint32_t block_bytes;               /* of the header block under way, as RFC 9113 6.5.2 counts */
    uint32_t block_frames;              /* CONTINUATION */
    uint32_t messages, open, blocked;   /* streams: ever, with a user, whose user waits for room */
    uint32_t skipped;                   /* bytes thrown away in the phase LINGER */
    uint32_t last_id;                   /* the peer's highest stream */
    struct h2_ids ended_ids, reset_ids; /* closed by the peer, and by us */
    uint8_t phase;                      /* enum h2_phase */
    uint8_t end;                        /* enum http_end */
    bool draining : 1;
    bool drained : 1;   /* the last GOAWAY is submitted */
    bool condemned : 1; /* nothing more is read of it: an error ended it */
    bool ended : 1;     /* the peer's FIN was read */
    bool broken : 1;    /* no byte goes either way any more */
    bool idle_close : 1;
    bool raced : 1;
    bool fat : 1; /* nghttp2 holds too much */
    bool granted : 1;
    bool met : 1; /* the peer's preface and first SETTINGS are here */
};
static_assert(sizeof(struct h2_conn) <= 640, "an idle conn is small");

struct h2_stream {
    struct http_stream base;
    struct list_node node, waits;
    struct task clock;
    struct timer timer;
    struct chain head, tail; /* decoded fields: of the request, and of its trailers */
    struct chain in, out;
    struct chain tail_out; /* trailers that wait behind `out` */
    struct pace coming;
    uint64_t begun_ns, head_end_ns, stalled_ns;
    uint64_t send_left;
    int32_t id;
    uint32_t fields;
    uint32_t error;     /* of RFC 9113, when nghttp2 has closed it */
    uint8_t send;       /* enum h2_send */
    uint8_t head_fault; /* enum error_code */
    bool live : 1;      /* nghttp2 has it */
    bool open : 1;      /* a user has it */
    bool offered : 1;   /* its head is whole */
    bool head_taken : 1;
    bool trailers : 1; /* `tail` is whole */
    bool no_body : 1;  /* END_STREAM came with the head */
    bool ended : 1;    /* END_STREAM came */
    bool head_only : 1;
    bool measured : 1; /* send_left counts */
    bool last : 1;     /* nothing comes behind what is in `out` */
    bool end_sent : 1; /* END_STREAM has left */
    bool expects : 1;
    bool receive_waits : 1;
    bool send_waits : 1;
    bool failed : 1;         /* by our clock */
    bool receive_failed : 1; /* its head or its trailers are wrong */
    bool write_failed : 1;
    bool reset_by_us : 1; /* RST_STREAM is submitted */
    bool reset_by_peer : 1;
    bool blamed : 1; /* its error is on the budget already */
};

static inline struct h2_conn *h2_of_conn(struct http_conn *conn)
{
    return container_of(conn, struct h2_conn, base);
}

static inline const struct h2_conn *h2_of_const(const struct http_conn *conn)
{
    return (const struct h2_conn *)(const void *)((const char *)conn - offsetof(struct h2_conn, base));
}

static inline struct h2_stream *h2_of_stream(struct http_stream *stream)
{
    return container_of(stream, struct h2_stream, base);
}

static inline struct h2_conn *h2_conn_of(const struct h2_stream *stream)
{
    return h2_of_conn(stream->base.conn);
}

static inline struct block_pool *h2_blocks(const struct h2_conn *conn)
{
    return loop_blocks(conn->base.loop);
}

static inline uint64_t h2_now(const struct h2_conn *conn)
{
    return loop_now_ns(conn->base.loop);
}

static inline void h2_wake_self(struct h2_conn *conn)
{
    task_wake(conn->base.loop, &conn->base.task);
}

static inline void h2_wake_user(struct h2_stream *stream)
{
    if (stream->open)
        task_wake(stream->base.conn->loop, stream->base.owner);
}

static inline void h2_count(_Atomic uint64_t *count)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* conn.c */
void h2_close(struct http_conn *base);
void h2_facts(const struct http_conn *base, struct http_conn_facts *facts);
void h2_note_failure(struct h2_conn *conn, const struct error *err);
void h2_note_end(struct h2_conn *conn, enum http_end end);
void h2_break(struct h2_conn *conn, const struct error *err); /* no byte goes any more; streams fail */
void h2_fail_streams(struct h2_conn *conn);                   /* all that are open, and those that wait */

/* session.c */
bool h2_session_open(struct h2_conn *conn, struct error *err) MUST_USE;
void h2_session_close(struct h2_conn *conn);

/* memory.c: nghttp2's memory is counted for each connection */
nghttp2_mem h2_memory(struct h2_conn *conn);

/* guard.c */
void h2_guard_init(struct h2_conn *conn);
void h2_guard_frame(struct h2_conn *conn, const struct h2_frame *frame); /* before nghttp2 sees it */
void h2_glitch(struct h2_conn *conn, enum h2_glitch glitch);
void h2_earn(struct h2_conn *conn); /* a frame with data went either way */
/* GOAWAY with that error, and the end: streams fail. */
void h2_condemn(struct h2_conn *conn, uint32_t error, enum http_end end, const char *text);
void h2_remember_closed(struct h2_conn *conn, const struct h2_stream *stream);

/* stream.c */
struct h2_stream *h2_stream_new(struct h2_conn *conn, int32_t id); /* NULL: no memory */
void h2_stream_gone(struct h2_stream *stream);                     /* nghttp2 has closed it: it may be freed */
void h2_stream_release(struct h2_stream *stream);                  /* frees it, when nobody has it any more */
void h2_stream_reset(struct h2_stream *stream, uint32_t error);    /* RST_STREAM, once */
void h2_stream_drop_in(struct h2_stream *stream);                  /* what was not read is given back to the window */
void h2_stream_drop_out(struct h2_stream *stream);                 /* ... and what was not sent */
void h2_set_send_waits(struct h2_stream *stream, bool waits);
enum io h2_stream_fail(const struct h2_stream *stream, struct error *err); /* IO_FAIL, with the reason */

/* head.c: fields as they wait in a chain */
bool h2_field_write(struct chain *fields, struct block_pool *pool, struct str name, struct str value) MUST_USE;
bool h2_field_read(struct str *fields, struct str *name, struct str *value); /* the next one; false: none is left */
bool h2_head_add(struct h2_stream *stream, struct str name, struct str value) MUST_USE; /* false: no memory */
enum io h2_head_request(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err);
enum io h2_head_trailers(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err);
void h2_head_clear(struct h2_stream *stream); /* and its trailers */

/* receive.c */
enum io h2_recv_head(struct http_stream *base, struct arena *arena, struct http_head **head, struct error *err);
enum io h2_recv_body(struct http_stream *base, struct chain *into, size_t size_max, struct error *err);

/* answer.c */
enum io h2_send_head(struct http_stream *base, const struct http_head *head, bool end, struct error *err);
void h2_send_continue(struct h2_stream *stream);
bool h2_submit_trailers(struct h2_stream *stream); /* behind the last data. False: no memory */

/* send.c */
enum io h2_send_body(struct http_stream *base, struct chain *from, bool end, struct error *err);
enum io h2_send_end(struct h2_stream *stream, struct error *err); /* the body is complete as it is */
ssize_t h2_data_read(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t len, uint32_t *flags,
                     nghttp2_data_source *source, void *user);
int h2_data_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t len,
                 nghttp2_data_source *source, void *user);

/* priority.c: RFC 9218 8: what the answer says of itself goes over what the client has said */
void h2_priority_apply(struct h2_stream *stream, struct str value);

/* drive.c */
void h2_run(struct task *task);

/* server.c */
extern const struct http_conn_ops h2_server_ops;
void h2_offer(struct h2_stream *stream);
void h2_open_door(struct h2_conn *conn); /* streams that wait for accept may try again */
void h2_step(struct h2_conn *conn);
void h2_enter(struct h2_conn *conn, enum h2_phase phase);
void h2_last_goaway(struct h2_conn *conn);
bool h2_end_idle(struct h2_conn *conn, enum http_end why);

/* clock.c */
void h2_expire(struct h2_conn *conn);
void h2_set_clock(struct h2_conn *conn);
void h2_stream_clock(struct h2_stream *stream); /* sets it, after anything that it depends on */
void h2_stream_run(struct task *task);
struct pace_limit h2_coming_limit(const struct h2_conn *conn);
struct pace_limit h2_leaving_limit(const struct h2_conn *conn);

#endif
