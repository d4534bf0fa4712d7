/* h2_internal.h: an HTTP/2 connection from the inside. For the files of h2/ only.
 *
 *   conn.c     birth, death, facts       drive.c    the conn's own task: bytes in and out
 *   open.c     the nghttp2 session       session.c  what it tells us        guard.c  what is too much
 *   framer.c   where frames begin        head.c     fields to heads         block.c  heads to fields
 *   receive.c  bodies to the user        send.c     bodies out              memory.c what nghttp2 takes
 *
 * Server role: server.c accept, done, drain; request.c heads in; answer.c heads out; priority.c who goes first; clock.c
 * its clocks. Client role: client.c open, room, done, close; ask.c heads out; response.c heads in; news.c what the peer
 * says of the connection.
 *
 * nghttp2 frames, compresses and keeps windows; it never sees a socket. A stream exists here from its HEADERS until
 * nghttp2 has closed it and its user has let go, whichever is later. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H2_INTERNAL_H
#define HOLDFAST_HTTP_H2_INTERNAL_H

#include "base/assert.h"
#include "base/text.h"
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
    H2_AHEAD_MAX = 576 << 10,        /* of answers, read ahead of what is sent; in the server role */
    H2_BLOCKED_MAX = 16,             /* streams whose user waits for room; with more, new ones wait to be accepted */
    H2_HEADS_BYTES_MAX = 512 << 10,  /* heads of a connection that nobody has taken yet */
    H2_HEADS_LOOSE_MAX = 4096,       /* ... so many bytes lie in buffers larger than they are */
    H2_SESSION_BYTES_MAX = 1 << 20,  /* memory of nghttp2 for one connection */
    H2_CLIENT_TIMES = 4,             /* both of them so many times in the client role, whose own heads wait there too */
    H2_INTERIMS_MAX = 32,            /* 1xx answers to one request */
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
    struct list waiting;      /* those that accept will give */
    struct h2_stream *recent; /* what h2_stream_of found last; NULL: nothing, or it is gone */
    struct timer timer;
    const struct http_conn_options *options; /* borrowed */
    const struct h2_rules *rules;
    struct h2_counts *counts; /* NULL: nobody counts */
    const struct error *failure;
    struct h2_framer framer;
    struct h2_guard guard;
    struct pace leaving;
    uint64_t last_used_ns;
    uint64_t bytes_in, bytes_out;
    uint64_t block_ns;   /* when the last header block began; 0: its end was seen */
    uint64_t block_from; /* what bytes_in was then */
    uint64_t until_ns;   /* end of the phases FINISH and LINGER */
    uint64_t drain_ns;   /* when the last GOAWAY is due; 0: it is not */
    uint64_t held_ns;    /* until when a request is held back (h2_is_wary); 0: none is */
    size_t session_bytes;
    size_t queued;                      /* in all streams' `out` */
    size_t head_bytes;                  /* in all streams' heads and tails */
    uint32_t block_bytes;               /* of the header block under way, as RFC 9113 6.5.2 counts */
    uint32_t block_frames;              /* CONTINUATION */
    uint32_t messages, open, blocked;   /* streams: ever, with a user, whose user waits for room */
    uint32_t skipped;                   /* bytes thrown away in the phase LINGER */
    uint32_t last_id;                   /* the highest stream: the peer's, or of the client role ours */
    uint32_t owed;                      /* bytes that were read, and not given back to the window of all */
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
    bool met : 1;        /* the peer's preface and first SETTINGS are here */
    bool block_ends : 1; /* no CONTINUATION follows what has come of the header block */
};
static_assert(sizeof(struct h2_conn) <= 640, "an idle conn is small");

/* The client role. */
struct h2_client {
    struct h2_conn h2; /* first: freed as one */
    struct http_conn_options options;
    struct h2_rules rules;
    uint64_t heard_ns, ping_sent_ns, ping_answered_ns;
    uint32_t slots;      /* streams that count for the room: given out, or still in nghttp2 */
    uint32_t unnumbered; /* those of them that have no number yet */
    uint32_t goaway_id, goaway_error;
    uint8_t unfit;      /* enum http_unfit */
    uint8_t pings_bare; /* since the peer's last HEADERS or DATA */
    bool grpc : 1;      /* it was asked for it */
    bool goaway : 1;
    bool too_many_pings : 1;
    bool ping_out : 1;
    bool roomy : 1; /* there was room when last looked at */
};

/* What a request asks to switch to (RFC 8441), and what the answer would say of it in HTTP/1. */
struct h2_switch {
    struct str protocol; /* behind `accept` */
    size_t accept_len;
    char accept[32];
    char text[];
};

struct h2_stream {
    struct http_stream base;
    struct list_node node, waits;
    struct task clock;
    struct timer timer;
    struct chain head, tail; /* decoded fields: of the request, and of its trailers */
    char *packed;            /* the bytes of `head` after h2_head_pack; else NULL */
    struct chain in, out;
    struct chain tail_out;       /* trailers that wait behind `out` */
    struct pace coming, leaving; /* server: a body while a reader waits for it; bytes while they wait in `out` */
    uint64_t begun_ns, head_end_ns;
    uint64_t send_left;
    struct h2_switch *switching; /* client role; NULL: it asks for no other protocol */
    int32_t id;                  /* client role: 0 until its head was sent */
    uint32_t fields;
    uint32_t error;     /* of RFC 9113, when nghttp2 has closed it */
    uint8_t send;       /* enum h2_send */
    uint8_t head_fault; /* enum error_code */
    uint8_t interims;   /* client role: 1xx that came */
    uint16_t status;    /* client role: of the head that comes in */
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
    bool blamed : 1;   /* its error is on the budget already */
    bool asked : 1;    /* extended CONNECT */
    bool switched : 1; /* ... which was granted: from here on it is a tunnel */
    bool counted : 1;  /* client role: it takes a place of the room */
    bool sent : 1;     /* ... its HEADERS have left */
    bool answered : 1; /* ... something of an answer came */
    bool wide : 1;     /* its window was made larger */
    bool deferred : 1; /* nghttp2 had asked for bytes when there were none, and is told when some are */
};

static inline struct h2_conn *h2_of_conn(struct http_conn *conn)
{
    return container_of(conn, struct h2_conn, base);
}

static inline const struct h2_conn *h2_of_const(const struct http_conn *conn)
{
    return (const struct h2_conn *)(const void *)((const char *)conn - offsetof(struct h2_conn, base));
}

static inline struct h2_client *h2_client_of(struct h2_conn *conn)
{
    return container_of(conn, struct h2_client, h2);
}

static inline const struct h2_client *h2_client_of_const(const struct h2_conn *conn)
{
    return (const struct h2_client *)(const void *)((const char *)conn - offsetof(struct h2_client, h2));
}

/* Of one stream that is read as fast as it comes. */
static inline uint32_t h2_wide_window(const struct h2_rules *rules)
{
    return rules->connection_window / 4;
}

static inline bool h2_is_client(const struct h2_conn *conn)
{
    return conn->base.role == HTTP_CLIENT;
}

/* Whose fault it is when the peer does wrong. */
static inline enum fault h2_peer_fault(const struct h2_conn *conn)
{
    return h2_is_client(conn) ? FAULT_UPSTREAM : FAULT_CLIENT;
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

/* open.c */
bool h2_session_open(struct h2_conn *conn, struct error *err) MUST_USE;
void h2_session_close(struct h2_conn *conn);

/* session.c */
void h2_set_callbacks(nghttp2_session_callbacks *callbacks);
void h2_got_end(struct h2_stream *stream);                        /* END_STREAM came */
struct h2_stream *h2_stream_of(struct h2_conn *conn, int32_t id); /* NULL: nghttp2 has none, or its user has let go */

/* memory.c: nghttp2's memory is counted for each connection */
nghttp2_mem h2_memory(struct h2_conn *conn);

/* guard.c */
void h2_guard_init(struct h2_conn *conn);
void h2_guard_frame(struct h2_conn *conn, const struct h2_frame *frame); /* before nghttp2 sees it */
void h2_glitch(struct h2_conn *conn, enum h2_glitch glitch);
void h2_answered(struct h2_conn *conn);      /* a whole answer has left */
bool h2_is_wary(struct h2_conn *conn);       /* much of the budget is gone */
void h2_earn(struct h2_conn *conn);          /* a frame with data went either way */
void h2_expect_strays(struct h2_conn *conn); /* client role: a stream was cut off, and much of it may be under way */
void h2_stray(struct h2_conn *conn);         /* a frame of a stream that is gone */
/* GOAWAY with that error, and the end: streams fail. */
void h2_condemn(struct h2_conn *conn, uint32_t error, enum http_end end, const char *text);
void h2_remember_closed(struct h2_conn *conn, const struct h2_stream *stream);

/* stream.c */
struct h2_stream *h2_stream_new(struct h2_conn *conn, int32_t id); /* NULL: no memory */
void h2_stream_gone(struct h2_stream *stream);                     /* nghttp2 has closed it: it may be freed */
void h2_stream_leave(struct h2_stream *stream);                    /* its user lets go */
void h2_stream_release(struct h2_stream *stream);                  /* frees it, when nobody has it any more */
void h2_stream_reset(struct h2_stream *stream, uint32_t error);    /* RST_STREAM, once */
void h2_set_send_waits(struct h2_stream *stream, bool waits);
enum io h2_stream_fail(const struct h2_stream *stream, struct error *err); /* IO_FAIL, with the reason */

/* What a head is put together in while its fields are walked (head.c). */
struct h2_reading {
    struct arena *arena;
    struct http_head *head;
    struct str text; /* what is left of the fields */
    struct str cookie;
    size_t cookie_at; /* its place among the fields */
    enum fault fault; /* whose it is when something is wrong */
    bool has_host, has_authority;
    struct error *err;
};

/* head.c: fields as they wait in a chain */
bool h2_field_write(struct chain *fields, struct block_pool *pool, struct str name, struct str value) MUST_USE;
bool h2_field_read(struct str *fields, struct str *name, struct str *value); /* the next one; false: none is left */
bool h2_head_add(struct h2_stream *stream, struct str name, struct str value) MUST_USE; /* false: no memory */
void h2_head_pack(struct h2_stream *stream);  /* a whole head that waits takes no more than it needs, from here on */
void h2_head_clear(struct h2_stream *stream); /* and its trailers */
/* Moves the fields into the arena, and reads them. */
bool h2_head_read(struct h2_stream *stream, struct chain *fields, struct h2_reading *reading) MUST_USE;
bool h2_head_refuse(const struct h2_reading *reading, enum error_code code, const char *text);
bool h2_head_no_memory(const struct h2_reading *reading);
enum io h2_head_trailers(struct h2_stream *stream, struct arena *arena, struct http_head **head, struct error *err);
enum io h2_head_failed(struct h2_stream *stream, struct error *err);
/* A head with Content-Length: 0 that does not end its message: what is behind it, if anything, are trailers. Unless it
 * is known by now that there are none, it says so: a body without an end yet, as one of HTTP/1 in chunks. */
void h2_head_expect_trailers(const struct h2_stream *stream, struct http_head *head);

/* request.c: the server role's heads in */
enum io h2_recv_request(struct http_stream *base, struct arena *arena, struct http_head **head, struct error *err);

/* response.c: the client role's heads in */
void h2_begin_response(struct h2_stream *stream);
void h2_got_response(struct h2_stream *stream, bool end); /* a whole header block came */
enum io h2_recv_response(struct http_stream *base, struct arena *arena, struct http_head **head, struct error *err);

/* receive.c */
void h2_give_window(struct h2_conn *conn, size_t bytes); /* that of all streams: so much was read, or thrown away */
enum io h2_recv_body(struct http_stream *base, struct chain *into, size_t size_max, struct error *err);

/* block.c: a head for nghttp2; names and values are borrowed until it is submitted */
enum { H2_FIELDS_ON_STACK = 48 };
struct h2_block {
    nghttp2_nv few[H2_FIELDS_ON_STACK];
    nghttp2_nv *fields;
    size_t count;
    char length[NUMBER_TEXT_BYTES];
};
bool h2_block_begin(struct h2_block *block, size_t fields_max) MUST_USE; /* false: no memory */
void h2_block_end(struct h2_block *block);
void h2_block_add(struct h2_block *block, struct str name, struct str value);
/* The name is in lower case and lies in this program, so that nghttp2 need not copy it. */
void h2_block_add_static(struct h2_block *block, struct str name, struct str value);
void h2_block_add_known(struct h2_block *block, enum header_id id, struct str value);
void h2_block_add_fields(struct h2_block *block, const struct http_headers *headers, bool handshake);
void h2_block_add_length(struct h2_block *block, int64_t bytes); /* -1: none */
enum io h2_send_no_memory(struct h2_stream *stream, struct error *err);
enum io h2_send_trailers(struct h2_stream *stream, const struct http_head *head, struct error *err);
bool h2_submit_trailers(struct h2_stream *stream); /* behind the last data. False: no memory */

/* answer.c: the server role's heads out */
enum io h2_send_answer(struct http_stream *base, const struct http_head *head, bool end, struct error *err);
void h2_send_continue(struct h2_stream *stream);

/* ask.c: the client role's heads out */
enum io h2_send_request(struct http_stream *base, const struct http_head *head, bool end, struct error *err);

/* send.c */
size_t h2_share(const struct http_conn *base);
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
void h2_flush(struct h2_conn *conn);
void h2_take_frames(
    struct h2_conn *conn); /* from nghttp2 to `out`, as far as there is room; in none of its callbacks */

/* server.c */
extern const struct http_conn_ops h2_server_ops;
void h2_offer(struct h2_stream *stream);
/* The head that is under way does not come: it is answered, and then the conn ends in order, as nothing else can come
 * before the rest of it. Without a stream for it: at once. */
void h2_give_up_head(struct h2_conn *conn);
void h2_offer_waiting(struct h2_conn *conn); /* streams that wait for accept may try again */
void h2_step(struct h2_conn *conn);
void h2_enter(struct h2_conn *conn, enum h2_phase phase);
bool h2_end_idle(struct h2_conn *conn, enum http_end why);

/* client.c */
extern const struct http_conn_ops h2_client_ops;
void h2_client_number(struct h2_stream *stream, int32_t id);
void h2_client_leave(struct h2_stream *stream); /* gives its place back */
void h2_set_unfit(struct h2_conn *conn, enum http_unfit why);

/* news.c: what the peer of a client says of the connection */
void h2_client_step(struct h2_conn *conn);
void h2_client_heard(struct h2_conn *conn, const nghttp2_frame *frame); /* SETTINGS, PING or GOAWAY */
void h2_client_told(struct h2_conn *conn, const nghttp2_frame *frame);  /* our GOAWAY leaves */
bool h2_is_past_goaway(const struct h2_stream *stream);
enum io h2_client_fail(const struct h2_stream *stream, struct error *err); /* IO_FAIL, with the reason */

/* clock.c */
bool h2_is_in_block(const struct h2_conn *conn); /* a header block has begun, and has not come to its end */
void h2_expire(struct h2_conn *conn);
void h2_set_clock(struct h2_conn *conn);
void h2_stream_clock(struct h2_stream *stream); /* sets it, after anything that it depends on */
void h2_stream_run(struct task *task);
struct pace_limit h2_coming_limit(const struct h2_conn *conn);
struct pace_limit h2_leaving_limit(const struct h2_conn *conn);
struct pace_limit h2_stream_leaving_limit(const struct h2_stream *stream);

#endif
