/* tcp.c: a stream over a socket of the world. The hot path of every byte: one small struct, no copy, and no
 * system call whose answer is known.
 *
 * The watch remembers what the kernel last said. A short read means that the socket is drained, a short write that it
 * is full: the bit is cleared and the next call answers IO_WAIT by itself, until epoll's next edge sets it again.
 * READY_CLOSED keeps READY_READ alive, because the edge of a FIN comes only once. Start with tcp_readv.
 * SPDX-License-Identifier: Apache-2.0 */
#include "net/tcp.h"

#include "net/tcp_internal.h"

#include <assert.h>
#include <stdlib.h>

struct tcp {
    struct stream stream;
    struct watch watch;
    struct world *world; /* the loop's, kept here to save two loads on each call */
};
static_assert(sizeof(struct tcp) <= 64, "the size of a cache line for each connection");

static struct tcp *tcp_of(struct stream *stream)
{
    return container_of(stream, struct tcp, stream);
}

static size_t total_bytes(const struct iovec *parts, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

static void clear_bit(struct tcp *tcp, uint8_t bit)
{
    tcp->watch.ready = (uint8_t)(tcp->watch.ready & ~bit);
}

static enum io tcp_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    struct tcp *tcp = tcp_of(stream);
    enum io io;

    if (!(tcp->watch.ready & READY_READ))
        return IO_WAIT;
    io = tcp->world->ops->readv(tcp->world, tcp->watch.fd, parts, count, got, err);
    if (io == IO_WAIT)
        clear_bit(tcp, READY_READ);
    else if (io == IO_OK && !(tcp->watch.ready & READY_CLOSED) && *got < total_bytes(parts, count))
        clear_bit(tcp, READY_READ);
    return io;
}

static bool tcp_is_quiet(const struct stream *stream)
{
    const struct tcp *tcp = (const struct tcp *)(const void *)((const char *)stream - offsetof(struct tcp, stream));

    return !(tcp->watch.ready & READY_READ);
}

static enum io tcp_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent, struct error *err)
{
    struct tcp *tcp = tcp_of(stream);
    enum io io;

    if (!(tcp->watch.ready & READY_WRITE))
        return IO_WAIT;
    io = tcp->world->ops->writev(tcp->world, tcp->watch.fd, parts, count, sent, err);
    if (io == IO_WAIT || (io == IO_OK && *sent < total_bytes(parts, count)))
        clear_bit(tcp, READY_WRITE);
    return io;
}

/* A pipe may be full before the socket is empty: a short read says nothing. */
static enum io tcp_fill(struct stream *stream, struct pipe *pipe, size_t size_max, size_t *got, struct error *err)
{
    struct tcp *tcp = tcp_of(stream);
    enum io io;

    if (!(tcp->watch.ready & READY_READ))
        return IO_WAIT;
    io = tcp->world->ops->pipe_fill(tcp->world, tcp->watch.fd, pipe, size_max, got, err);
    if (io == IO_WAIT)
        clear_bit(tcp, READY_READ);
    return io;
}

static enum io tcp_drain(struct stream *stream, struct pipe *pipe, size_t *sent, struct error *err)
{
    struct tcp *tcp = tcp_of(stream);
    enum io io;

    if (!(tcp->watch.ready & READY_WRITE))
        return IO_WAIT;
    io = tcp->world->ops->pipe_drain(tcp->world, pipe, tcp->watch.fd, sent, err);
    if (io == IO_WAIT || (io == IO_OK && pipe->held > 0))
        clear_bit(tcp, READY_WRITE);
    return io;
}

static bool tcp_is_paced(struct stream *stream)
{
    const struct tcp *tcp = tcp_of(stream);

    return tcp->world->ops->is_paced(tcp->world, tcp->watch.fd);
}

static void tcp_shutdown_write(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    tcp->world->ops->shutdown_write(tcp->world, tcp->watch.fd);
}

static enum io tcp_peek(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);
    enum io io = tcp->world->ops->peek(tcp->world, tcp->watch.fd);

    /* Whoever runs over this stream may have to read to know what the bytes mean, before the loop has told of them. */
    if (io == IO_OK)
        tcp->watch.ready |= READY_READ;
    return io;
}

static bool tcp_facts(struct stream *stream, struct tcp_facts *facts)
{
    struct tcp *tcp = tcp_of(stream);

    return tcp->world->ops->facts(tcp->world, tcp->watch.fd, facts);
}

bool tcp_local_addr(struct stream *stream, struct addr *addr)
{
    struct tcp *tcp = tcp_of(stream);

    return tcp->world->ops->local_addr(tcp->world, tcp->watch.fd, addr);
}

static void tcp_set_owner(struct stream *stream, struct task *owner, bool first)
{
    struct tcp *tcp = tcp_of(stream);

    tcp->watch.task = owner;
    tcp->watch.first = first;
    /* News that came while another task was the owner has had its edge: without this wake the new owner would wait for
     * ever. */
    if (owner && (tcp->watch.ready & (READY_READ | READY_CLOSED)))
        task_wake(stream->loop, owner);
}

static void tcp_close(struct stream *stream, bool reset)
{
    struct tcp *tcp = tcp_of(stream);

    if (stream->loop)
        loop_forget(stream->loop, &tcp->watch);
    if (reset)
        tcp->world->ops->reset(tcp->world, tcp->watch.fd);
    else
        tcp->world->ops->close(tcp->world, tcp->watch.fd);
    free(tcp);
}

static bool tcp_detach(struct stream *stream)
{
    struct tcp *tcp = tcp_of(stream);

    loop_unwatch(stream->loop, &tcp->watch);
    tcp->watch.task = NULL;
    stream->loop = NULL;
    return true;
}

/* What the bits were is of the past: the new loop's world tells what there is, and until it has, everything may be
 * tried.
 */
static bool tcp_attach(struct stream *stream, struct loop *loop, struct error *err)
{
    struct tcp *tcp = tcp_of(stream);

    ASSERT(!stream->loop);
    tcp->world = loop_world(loop);
    tcp->watch.ready = READY_READ | READY_WRITE;
    if (!loop_watch(loop, &tcp->watch, err))
        return false;
    stream->loop = loop;
    return true;
}

static const struct stream_ops tcp_ops = {
    .name = "tcp",
    .readv = tcp_readv,
    .writev = tcp_writev,
    .shutdown_write = tcp_shutdown_write,
    .is_quiet = tcp_is_quiet,
    .peek = tcp_peek,
    .facts = tcp_facts,
    .local_addr = tcp_local_addr,
    .set_owner = tcp_set_owner,
    .close = tcp_close,
    .detach = tcp_detach,
    .attach = tcp_attach,
    .fill = tcp_fill,
    .drain = tcp_drain,
    .is_paced = tcp_is_paced,
};

/* Registers fd as a stream whose bits start as `ready`. Takes fd, also when it fails. */
static struct tcp *adopt(struct loop *loop, int fd, const struct addr *peer, struct task *owner, uint8_t ready,
                         struct error *err)
{
    struct world *world = loop_world(loop);
    struct tcp *tcp = malloc(sizeof(*tcp)); /* aligned_alloc leaves a hole of 112 bytes beside each */

    if (!tcp) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a stream");
        goto fail;
    }
    *tcp = (struct tcp){
        .stream = {.ops = &tcp_ops, .loop = loop, .peer = *peer},
        .watch = {.fd = fd, .ready = ready, .task = owner},
        .world = world,
    };
    /* The path is the caller's and may go before the stream does. */
    if (peer->family == ADDR_UNIX)
        tcp->stream.peer.path = NULL;
    if (!loop_watch(loop, &tcp->watch, err))
        goto fail;
    return tcp;
fail:
    free(tcp);
    world->ops->close(world, fd);
    return NULL;
}

struct stream *tcp_stream_new(struct loop *loop, int fd, const struct addr *peer, struct error *err)
{
    struct tcp *tcp = adopt(loop, fd, peer, NULL, READY_READ | READY_WRITE, err);

    return tcp ? &tcp->stream : NULL;
}

static bool may_come_from(const struct addr *source, const struct addr *peer, struct error *err)
{
    return source->family == ADDR_NONE || source->family == peer->family ||
           error_set(err, FAULT_UPSTREAM, ERROR_CONNECT_UNREACHABLE,
                     "connect: the source address is of the other family");
}

struct stream *tcp_stream_connect(struct loop *loop, const struct addr *peer, const struct socket_options *options,
                                  struct task *owner, struct error *err)
{
    struct world *world = loop_world(loop);
    struct socket_options chosen = *options;
    struct tcp *tcp;
    enum io io;
    int fd;

    chosen.kind = SOCKET_STREAM;
    chosen.family = (enum addr_family)peer->family;
    if (peer->family == ADDR_UNIX)
        chosen.source = (struct addr){0};
    if (!may_come_from(&chosen.source, peer, err))
        return NULL;
    fd = world->ops->socket(world, &chosen, err);
    if (fd == -1)
        return NULL;
    /* Connecting comes before registering: epoll calls a socket that has not begun to connect closed. */
    io = world->ops->connect(world, fd, peer, err);
    if (io == IO_FAIL) {
        world->ops->close(world, fd);
        return NULL;
    }
    tcp = adopt(loop, fd, peer, owner, io == IO_OK ? READY_WRITE : 0, err);
    return tcp ? &tcp->stream : NULL;
}

enum io tcp_stream_connected(struct stream *stream, struct error *err)
{
    struct tcp *tcp = tcp_of(stream);
    enum io io;

    ASSERT(stream->ops == &tcp_ops);
    if (!(tcp->watch.ready & (READY_WRITE | READY_CLOSED)))
        return IO_WAIT;
    io = tcp->world->ops->connect_end(tcp->world, tcp->watch.fd, err);
    if (io == IO_WAIT)
        clear_bit(tcp, READY_WRITE);
    return io;
}
