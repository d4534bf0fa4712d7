/* stream.h: a connected byte stream, whatever carries it: tcp (and Unix sockets), an in-memory pair, TLS over another
 * stream.
 *
 * Non-blocking and pull-based: a call that cannot go on answers IO_WAIT, and the owner's task is woken when it may. A
 * stream belongs to one loop. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_STREAM_H
#define HOLDFAST_NET_STREAM_H

#include "os/loop.h"

struct stream;

struct stream_ops {
    const char *name; /* "tcp", "pair" */
    bool secure;      /* it is TLS */
    enum io (*readv)(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err);
    enum io (*writev)(struct stream *stream, const struct iovec *parts, int count, size_t *sent, struct error *err);
    void (*shutdown_write)(struct stream *stream);
    bool (*is_quiet)(const struct stream *stream); /* NULL: never known without a try */
    enum io (*peek)(struct stream *stream);
    bool (*facts)(struct stream *stream, struct tcp_facts *facts);
    bool (*local_addr)(struct stream *stream, struct addr *addr); /* NULL: it cannot tell */
    void (*set_owner)(struct stream *stream, struct task *owner, bool first);
    void (*close)(struct stream *stream, bool reset);
    bool (*detach)(struct stream *stream); /* both NULL: it stays with its loop for life */
    bool (*attach)(struct stream *stream, struct loop *loop, struct error *err);
    /* Both NULL: its bytes are not those of a socket, or somebody has to see them. */
    enum io (*fill)(struct stream *stream, struct pipe *pipe, size_t size_max, size_t *got, struct error *err);
    enum io (*drain)(struct stream *stream, struct pipe *pipe, size_t *sent, struct error *err);
    bool (*is_paced)(struct stream *stream); /* NULL: never */
};

struct stream {
    const struct stream_ops *ops;
    struct loop *loop; /* NULL: detached */
    struct addr peer;  /* ADDR_NONE when not known */
};

/* Reads into the parts. IO_OK: *got > 0 bytes; IO_END: the peer has sent FIN; IO_FAIL: reset and the like. After a
 * short read the stream remembers that it is drained and answers the next call IO_WAIT without a system call until news
 * comes. */
static inline enum io stream_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got,
                                   struct error *err)
{
    return stream->ops->readv(stream, parts, count, got, err);
}

/* Is it known that stream_readv would answer IO_WAIT? Who asks first needs no room to read into. */
static inline bool stream_is_quiet(const struct stream *stream)
{
    return stream->ops->is_quiet && stream->ops->is_quiet(stream);
}

/* Writes what fits. IO_OK: *sent > 0 (maybe less than all: then the next call answers IO_WAIT without a system call
 * until there is room again). */
static inline enum io stream_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent,
                                    struct error *err)
{
    return stream->ops->writev(stream, parts, count, sent, err);
}

/* Can bytes go through pipes of its loop (pipe.h)? */
static inline bool stream_takes_pipes(const struct stream *stream)
{
    return stream->ops->fill;
}

/* Reads into an empty pipe, as stream_readv. It may be drained behind any read: only IO_WAIT tells. */
static inline enum io stream_fill(struct stream *stream, struct pipe *pipe, size_t size_max, size_t *got,
                                  struct error *err)
{
    return stream->ops->fill(stream, pipe, size_max, got, err);
}

/* Writes what the pipe holds, as stream_writev. */
static inline enum io stream_drain(struct stream *stream, struct pipe *pipe, size_t *sent, struct error *err)
{
    return stream->ops->drain(stream, pipe, sent, err);
}

/* Does the kernel space out what is sent (world.h)? A system call each time. */
static inline bool stream_is_paced(struct stream *stream)
{
    return stream->ops->is_paced && stream->ops->is_paced(stream);
}

static inline void stream_shutdown_write(struct stream *stream) /* sends FIN behind what was written */
{
    stream->ops->shutdown_write(stream);
}

/* Looks without taking: IO_WAIT: open and quiet; IO_OK: bytes wait; IO_END: FIN; IO_FAIL: reset. A system call each
 * time. */
static inline enum io stream_peek(struct stream *stream)
{
    return stream->ops->peek(stream);
}

/* What the kernel knows; false when the stream cannot tell. Read only after a failure (architecture 6.8). */
static inline bool stream_facts(struct stream *stream, struct tcp_facts *facts)
{
    return stream->ops->facts(stream, facts);
}

/* The address of our end; false when it cannot be told. A system call each time. */
static inline bool stream_local_addr(struct stream *stream, struct addr *addr)
{
    return stream->ops->local_addr && stream->ops->local_addr(stream, addr);
}

/* Who is woken by news. `first` marks an upstream connection: its news runs before all else of a batch, so that
 * hang-ups of idle ones are seen, and answered ones are idle again, before a new request takes one. NULL: nobody. */
static inline void stream_set_owner(struct stream *stream, struct task *owner, bool first)
{
    stream->ops->set_owner(stream, owner, first);
}

/* A way to another loop (architecture 6.2). Detached, a stream belongs to whoever holds it, on any thread, and can only
 * be attached or closed; it has no owner. False: streams of this kind do not move, or this one has something under
 * way. */
static inline bool stream_detach(struct stream *stream)
{
    return stream->ops->detach && stream->ops->detach(stream);
}

/* On the new loop's thread. News that came meanwhile wakes the next owner. False: *err, and the stream is still
 * detached (but closes in the new loop's world). */
static inline bool stream_attach(struct stream *stream, struct loop *loop, struct error *err)
{
    return stream->ops->attach(stream, loop, err);
}

/* Closes and frees. `reset`: with RST, which leaves no TIME_WAIT; else FIN. NULL is fine. */
static inline void stream_close(struct stream *stream, bool reset)
{
    if (stream)
        stream->ops->close(stream, reset);
}

#endif
