/* conn.h: one HTTP connection, whatever the version, in either role.
 *
 * Pull-based: each call may answer IO_WAIT, and the stream's owner (or the conn's, for accept and open) is woken when a
 * new try is worth while. Nothing here calls upwards. What is sent leaves when the conn's own task runs, behind the
 * caller's task: so a head and the first piece of its body go out in one system call.
 *
 * Life of a message: heads come as any number of 1xx, then one final; then the body until IO_END; then at most one
 * trailer by recv_head again (IO_END when there is none). A stream ends with http_done by its user, exactly once, at
 * any time: what was not finished is cancelled by it. A conn ends with http_close, when no stream is open.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_CONN_H
#define HOLDFAST_HTTP_CONN_H

#include "http/head.h"
#include "net/stream.h"

struct http_conn;
struct http_stream;
struct h2_rules;
struct h2_counts;

enum http_role { HTTP_SERVER, HTTP_CLIENT };

/* Why a client-role conn cannot carry another request. Names go into the ledger. */
enum http_unfit {
    HTTP_FIT,              /* it can */
    HTTP_UNFIT_PEER,       /* the peer said Connection: close */
    HTTP_UNFIT_OURS,       /* we said Connection: close (drain, disable_keep_alives) */
    HTTP_UNFIT_VERSION,    /* HTTP/1.0 without keep-alive */
    HTTP_UNFIT_NO_LENGTH,  /* a body that ended by closing */
    HTTP_UNFIT_FRAMING,    /* a message that was malformed, or framed in a way that cannot be trusted */
    HTTP_UNFIT_SURPLUS,    /* bytes behind the last response, or without a request */
    HTTP_UNFIT_BLANK,      /* the same, but nothing else than CR and LF: a habit of some servers (RFC 9112 9.2) */
    HTTP_UNFIT_UNFINISHED, /* request or response was not complete when the user let go */
    HTTP_UNFIT_TUNNEL,     /* it was switched to another protocol */
    HTTP_UNFIT_CLOSED,     /* the peer closed or reset it */
    HTTP_UNFIT_TIMEOUT,    /* one of our clocks ended it */
    HTTP_UNFIT_GOAWAY,     /* HTTP/2: the peer sent GOAWAY; streams that it still serves go on */
    HTTP_UNFIT_USED_UP,    /* HTTP/2: no stream number is left */
};

/* Why a server-role conn ends: the first reason counts. Names go into the ledger (http/end.c). */
enum http_end {
    HTTP_END_NONE, /* it has not, or its user closed it */
#define HTTP_END(code, side, name, text) HTTP_END_##code,
#include "http/end.def"
#undef HTTP_END
};
enum { HTTP_ENDS = HTTP_END_CUT + 1 };
const char *http_end_name(enum http_end end);  /* "idle" */
bool http_end_is_by_client(enum http_end end); /* whose doing it is */

enum http_cancel {
    HTTP_CANCEL_GONE,     /* the other side went away, nobody waits for this any more */
    HTTP_CANCEL_DEADLINE, /* out of time */
    HTTP_CANCEL_ERROR,    /* what the peer sent is wrong, or we failed inside a message */
};

struct http_conn_options {
    uint32_t
        head_bytes_max;  /* request line or status line and all fields; 0: 1 MiB + 4096 (server), 256 KiB (client) */
    uint32_t fields_max; /* 0: 256; more is head_too_large */
    /* Server role; 0 switches each one off. */
    uint64_t idle_timeout_ns; /* wait for the first byte of a next request: what Keep-Alive: timeout= promises. A
                                 client's own Keep-Alive: timeout= makes it shorter. An answer's promise holds for the
                                 wait behind it, whatever this becomes meanwhile */
    uint64_t idle_grace_ns; /* waited beyond it, and twice the round trip if that is more, so that a client which trusts
                               the promise never races the close */
    uint64_t
        head_timeout_ns; /* from a request's first byte (of the first request: from accept) to the end of its head */
    uint64_t head_rate;  /* bytes per second that a head comes to, 5 s forgiven (h1/pace.h) */
    uint64_t read_timeout_ns; /* from the first byte to the end of the request's body (KrakenD's read_timeout) */
    uint64_t
        write_timeout_ns; /* from the end of the request's head to the end of the response (KrakenD's write_timeout) */
    uint64_t body_gap_ns; /* longest silence inside a request's body while somebody wants to read it */
    uint64_t body_rate;   /* bytes per second that such a body comes to, 5 s or a gap forgiven (h1/pace.h) */
    uint64_t send_gap_ns; /* longest time in which a client takes nothing of what waits for it */
    uint64_t send_rate;   /* bytes per second that it takes, the same forgiven */
    uint64_t linger_ns;   /* how long a closed sending side keeps reading so that the last answer is not lost; 0: 2 s */
    uint32_t requests_max;       /* after so many, the answer says Connection: close; 0: no limit */
    bool keep_alive_header;      /* send Keep-Alive: timeout=, max= on answers that keep the connection */
    struct http_dates *dates;    /* of all conns of a worker, borrowed; NULL: each answer makes its own Date */
    const struct h2_rules *h2;   /* HTTP/2 only (h2/h2.h), borrowed as the counts; NULL: its default */
    struct h2_counts *h2_counts; /* NULL: nobody counts */
    /* Client role. */
    bool single_use; /* say Connection: close on the request (disable_keep_alives) */
};

enum { HTTP_SURPLUS_BYTES = 64 };

struct http_conn_facts { /* for dumps, logs and the ledger */
    uint32_t messages;   /* heads received (server), requests sent (client) */
    uint64_t opened_ns, last_used_ns;
    uint64_t bytes_in, bytes_out;
    enum http_unfit unfit; /* client role */
    enum http_end end;     /* server role */
    bool raced;            /* server role: bytes came at a conn that we closed while it was idle */
    uint64_t late_ns; /* ... as its time was up: how long after what its last answer promised; 0: none was, or HTTP/2 */
    int64_t hint_timeout_s, hint_max; /* the peer's Keep-Alive field; -1: none */
    struct str surplus;             /* client role: the first of the bytes that nobody asked for, HTTP_SURPLUS_BYTES at
                                       most; the conn's */
    const struct error *last_error; /* the conn's; NULL: nothing went wrong */
};

struct http_conn_ops {
    const char *name; /* "h1" */
    enum io (*accept)(struct http_conn *conn, struct http_stream **stream, struct error *err);
    enum io (*open)(struct http_conn *conn, struct http_stream **stream, struct error *err);
    uint32_t (*room)(const struct http_conn *conn);
    enum io (*recv_head)(struct http_stream *stream, struct arena *arena, struct http_head **head, struct error *err);
    enum io (*recv_body)(struct http_stream *stream, struct chain *into, size_t size_max, struct error *err);
    enum io (*send_head)(struct http_stream *stream, const struct http_head *head, bool end, struct error *err);
    enum io (*send_body)(struct http_stream *stream, struct chain *from, bool end, struct error *err);
    void (*cancel)(struct http_stream *stream, enum http_cancel why);
    void (*done)(struct http_stream *stream);
    void (*drain)(struct http_conn *conn);
    bool (*close_idle)(struct http_conn *conn, enum http_end why); /* server role */
    void (*close)(struct http_conn *conn);
    enum io (*check_idle)(struct http_conn *conn, bool look);
    void (*flush)(struct http_conn *conn); /* NULL: what is queued leaves when its time has come */
    void (*facts)(const struct http_conn *conn, struct http_conn_facts *facts);
    size_t (*share)(const struct http_conn *conn); /* server role, multiplexed versions: http_share */
};

/* First member of every version's stream struct. */
struct http_stream {
    struct http_conn *conn;
    struct task *owner;           /* woken by news; set by the user right after accept or open */
    uint64_t bytes_in, bytes_out; /* bytes of this message pair on the wire, heads included */
    bool lasting; /* server role, set by the user: the answer has no end that could be waited for. write_timeout does
                     not count, and a client that closes its side is gone: recv_body answers IO_FAIL, client_gone */
    bool gone;    /* server role, set by the conn: the peer has broken the message off (RST_STREAM) */
    const struct http_conn *reader; /* client role, set by the user: the multiplexed conn that the answer goes to; at a
                                       time no more is read than http_share says. NULL: none such */
};

/* First member of every version's conn struct. */
struct http_conn {
    const struct http_conn_ops *ops;
    struct loop *loop;
    struct stream *stream;
    struct task task;   /* the conn's own: moves bytes, then wakes owners */
    struct task *owner; /* woken for accept, room and the end of the conn */
    uint64_t opened_ns;
    enum http_role role;
    bool multiplexed;    /* many streams at once: one that fails does not end the others */
    bool lazy;           /* client role, set by the user: of a body, nothing is read that nobody waits for */
    bool modest;         /* client role, set by the user: ... and at a time no more than one large buffer */
    bool ask_keep_alive; /* client role, set by the user: requests say Connection: keep-alive, which some servers
                            (Apache httpd) answer with their Keep-Alive: timeout= */
};

/* HTTP/1.0 and 1.1 (http/h1). They take `stream`, and wake `owner`. NULL with *err (stream is then closed). The server
 * role borrows the options, which must outlive the conn and may change meanwhile; the client role copies them. */
struct http_conn *h1_server_new(struct stream *stream, const struct http_conn_options *options, struct task *owner,
                                struct error *err);
struct http_conn *h1_client_new(struct stream *stream, const struct http_conn_options *options, struct task *owner,
                                struct error *err);

/* Server role of HTTP/1: when a conn that waits for its first request has HTTP/2's preface instead, or a line of
 * neither version (RFC 9113 3.4 knows an answer to that), the stream and the bytes that were read of it become the
 * caller's, and the conn is gone. Ask before http_accept. */
bool h1_yield(struct http_conn *conn, struct stream **stream, struct chain *bytes) MUST_USE;

/* Server role: the next request's stream. IO_WAIT: none yet. IO_END: the conn is over (closed by either side, timed
 * out, drained and lingered): call http_close. A malformed head comes as a stream too, whose recv_head answers IO_FAIL.
 */
static inline enum io http_accept(struct http_conn *conn, struct http_stream **stream, struct error *err)
{
    return conn->ops->accept(conn, stream, err);
}

/* Client role: a stream for a new request. IO_FAIL: no room (unfit, or full); retry_safe. */
static inline enum io http_open(struct http_conn *conn, struct http_stream **stream, struct error *err)
{
    return conn->ops->open(conn, stream, err);
}

static inline uint32_t
http_room(const struct http_conn *conn) /* streams that http_open would still give; 0: unfit or busy */
{
    return conn->ops->room(conn);
}

/* Server role, multiplexed versions: how much of the answer to one of its streams may lie here unsent, from
 * BLOCK_SMALL_BYTES to BLOCK_LARGE_BYTES. Of many streams none has much, as a peer may take nothing of any of them. */
static inline size_t http_share(const struct http_conn *conn)
{
    return conn->ops->share(conn);
}

/* The next head, in the arena. IO_FAIL errors: bad_* and head_too_large (fault CLIENT in the server role, UPSTREAM in
 * the client role), head_timeout, closed, reset, no_answer (the peer closed before the first byte of an answer). For
 * trailers status is 0 and method empty. HTTP/2's client role further: stream_refused, goaway (h2/h2.h). */
static inline enum io http_recv_head(struct http_stream *stream, struct arena *arena, struct http_head **head,
                                     struct error *err)
{
    return stream->conn->ops->recv_head(stream, arena, head, err);
}

/* Moves up to size_max body bytes to the end of `into`. IO_OK: at least one; IO_END: the body is complete; IO_FAIL:
 * body_incomplete (cut), bad_chunk, body_timeout, reset. In the server role the first call sends 100 Continue when the
 * request expects it, nothing of the body is here yet, and no final head was sent. */
static inline enum io http_recv_body(struct http_stream *stream, struct chain *into, size_t size_max, struct error *err)
{
    return stream->conn->ops->recv_body(stream, into, size_max, err);
}

/* Switching protocols. A request whose head has a `protocol` asks for it (no body, HTTP/1.1); an answer of status 101
 * with one grants it. From there on recv_body and send_body carry bytes of the new protocol both ways, each direction
 * until its own end (for HTTP/1 a FIN); no trailer follows, and the conn carries no other message. In the client role
 * 101 is handed up only when the request asked.
 *
 * HTTP/2 says it by extended CONNECT (RFC 8441), and users see no difference: a WebSocket's CONNECT is handed up as a
 * GET with a protocol and a Sec-WebSocket-Key made here, and 101 leaves as 200; the other way round a GET with a
 * protocol leaves as CONNECT, and 2xx is handed up as 101 with the Sec-WebSocket-Accept that fits the request's key.
 * Other streams of the conn go on. Where the peer does not offer it, http_send_head fails with bad_upgrade.
 * To an extended CONNECT any other 2xx would be a grant, too: it must not be sent. */

/* Sends a head; `end`: no body follows. The conn writes Host, framing, Connection, Keep-Alive and (server role, when
 * missing) Date itself and skips such fields of head->headers. Body framing from head->body_bytes: n: Content-Length
 * (exactly n bytes must be sent); -1: chunked, or closing for an HTTP/1.0 peer. To HEAD, and in 304, Content-Length is
 * announced_bytes. 1xx that the client cannot take, or did not ask for (100), are left out. A head with neither status
 * nor method is a trailer: it ends a body in place of send_body's `end`, and is left out where the framing has no room
 * for it. IO_OK or IO_FAIL (the conn is dead, err->retry_safe when nothing of a request was sent); never IO_WAIT. */
static inline enum io http_send_head(struct http_stream *stream, const struct http_head *head, bool end,
                                     struct error *err)
{
    return stream->conn->ops->send_head(stream, head, end, err);
}

/* Takes what fits from the front of `from`; `end`: nothing comes behind it. IO_OK: all was taken (and the end noted);
 * IO_WAIT: bytes are left in `from`, the owner is woken when there is room; IO_FAIL: the conn is dead. Call with an
 * empty chain and end to finish. */
static inline enum io http_send_body(struct http_stream *stream, struct chain *from, bool end, struct error *err)
{
    return stream->conn->ops->send_body(stream, from, end, err);
}

/* Client role: what is queued leaves now, and not when the conn's task has its turn, behind all that this turn of the
 * loop has to do. It costs a system call more when more follows. What goes wrong shows when the answer is read. */
static inline void http_flush(struct http_conn *conn)
{
    if (conn->ops->flush)
        conn->ops->flush(conn);
}

/* A body that nobody has to see, by way of a pipe (os/pipe.h) of the conns' loop: when its length is known and both
 * conns are HTTP/1 over bare sockets (h1/pipe.c). False: by recv_body and send_body. Bytes that are here already go
 * that way first. */
bool http_can_pipe(const struct http_stream *from, const struct http_stream *to);

/* Makes the pieces of an empty pipe short when they go where sends are spaced out. A system call. */
void http_pace_pipe(const struct http_stream *to, struct pipe *pipe);

/* A piece of the body into the empty pipe. IO_OK: the pipe holds some; IO_WAIT as recv_body; IO_END: no more goes this
 * way, and recv_body tells why: the body is complete, or was cut. */
enum io http_recv_pipe(struct http_stream *stream, struct pipe *pipe);

/* Sends what the pipe holds, behind all that was queued. IO_OK: it is empty; IO_WAIT: it is not, and the owner is woken
 * when there is room; IO_FAIL: the conn is dead. Never the end of a body: send_body says that. */
enum io http_send_pipe(struct http_stream *stream, struct pipe *pipe, struct error *err);

/* Breaks off the message so that the peer can tell (HTTP/1: the conn will be closed without a clean end). done must
 * follow. */
static inline void http_cancel(struct http_stream *stream, enum http_cancel why)
{
    stream->conn->ops->cancel(stream, why);
}

/* The user lets go; the pointer is dead. HTTP/2: what is unfinished is reset, the conn goes on. HTTP/1: server role:
 * the rest of an unread request body is drained in bounds (256 KiB, 1 s) or the conn closes; the next request follows.
 * Client role: the conn may have room again. */
static inline void http_done(struct http_stream *stream)
{
    stream->conn->ops->done(stream);
}

/* Server role: the answer in hand or the next one says Connection: close; an idle conn stays open for the one more
 * request that may be under way, until close_idle or its idle timeout. Client role: no new streams. */
static inline void http_drain(struct http_conn *conn)
{
    conn->ops->drain(conn);
}

/* Server role: a conn that waits for a request sends FIN and lingers, unless bytes are here already: a request that
 * came first is served, with Connection: close. False: nothing was closed, as it is busy or already on its way out (it
 * then drains). */
static inline bool http_close_idle(struct http_conn *conn, enum http_end why)
{
    return conn->ops->close_idle(conn, why);
}

/* Frees the conn at once, with whatever is still open on it (streams must be done). NULL is fine. */
static inline void http_close(struct http_conn *conn)
{
    if (conn)
        conn->ops->close(conn);
}

/* Client role, conn without a stream: is it still good? Uses what readiness already told, and with `look` a peek at the
 * socket. IO_WAIT: alive and quiet; IO_OK: stray bytes; IO_END: closed; IO_FAIL: reset. */
static inline enum io http_check_idle(struct http_conn *conn, bool look)
{
    return conn->ops->check_idle(conn, look);
}

static inline void http_facts(const struct http_conn *conn, struct http_conn_facts *facts)
{
    conn->ops->facts(conn, facts);
}

/* Client role, conn without a stream: takes it off its loop, so that another loop may have it (h1/move.c; multiplexed
 * versions stay where they are). Detached it can only be attached or closed. False: it does not move, as it is unfit,
 * or something is under way. */
bool http_detach(struct http_conn *conn) MUST_USE;

/* On the thread of the new loop; http_set_idle must follow. False: *err, and the conn can only be closed. */
bool http_attach(struct http_conn *conn, struct loop *loop, struct error *err) MUST_USE;

/* Client role, while pooled: news of the stream wakes `owner`; NULL: back to the conn itself. Multiplexed versions go
 * on reading, and wake the conn's owner when it is over. */
static inline void http_set_idle(struct http_conn *conn, struct task *owner)
{
    if (!conn->multiplexed)
        stream_set_owner(conn->stream, owner ? owner : &conn->task, true);
}

#endif
