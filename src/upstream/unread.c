/* unread.c: see the header. All but reading is the stream's below. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/unread.h"

#include <stdlib.h>

struct unread {
    struct stream stream;
    struct stream *under;
    struct task *owner;
    size_t at, len; /* of the bytes: how many were read, how many there are */
    char bytes[];
};

static struct unread *unread_of(struct stream *stream)
{
    return container_of(stream, struct unread, stream);
}

static size_t left(const struct unread *unread)
{
    return unread->len - unread->at;
}

static size_t take(struct unread *unread, char *out, size_t size)
{
    size_t taken = size_min(left(unread), size);

    memcpy(out, unread->bytes + unread->at, taken);
    unread->at += taken;
    return taken;
}

/* A reader may take a short read for a sign that nothing is left, so it is told to come again. */
static enum io unread_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    struct unread *unread = unread_of(stream);

    if (left(unread) == 0)
        return stream_readv(unread->under, parts, count, got, err);
    *got = 0;
    for (int i = 0; i < count; i++)
        *got += take(unread, parts[i].iov_base, parts[i].iov_len);
    task_wake(stream->loop, unread->owner);
    return IO_OK;
}

static enum io unread_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent,
                             struct error *err)
{
    return stream_writev(unread_of(stream)->under, parts, count, sent, err);
}

static void unread_shutdown_write(struct stream *stream)
{
    stream_shutdown_write(unread_of(stream)->under);
}

static enum io unread_peek(struct stream *stream)
{
    struct unread *unread = unread_of(stream);

    return left(unread) > 0 ? IO_OK : stream_peek(unread->under);
}

static bool unread_facts(struct stream *stream, struct tcp_facts *facts)
{
    return stream_facts(unread_of(stream)->under, facts);
}

static bool unread_local_addr(struct stream *stream, struct addr *addr)
{
    return stream_local_addr(unread_of(stream)->under, addr);
}

static void unread_set_owner(struct stream *stream, struct task *owner, bool first)
{
    struct unread *unread = unread_of(stream);

    unread->owner = owner;
    stream_set_owner(unread->under, owner, first);
    if (left(unread) > 0)
        task_wake(stream->loop, owner);
}

static void unread_close(struct stream *stream, bool reset)
{
    struct unread *unread = unread_of(stream);

    stream_close(unread->under, reset);
    free(unread);
}

static bool unread_detach(struct stream *stream)
{
    struct unread *unread = unread_of(stream);

    if (left(unread) > 0 || !stream_detach(unread->under))
        return false;
    unread->owner = NULL;
    stream->loop = NULL;
    return true;
}

static bool unread_attach(struct stream *stream, struct loop *loop, struct error *err)
{
    if (!stream_attach(unread_of(stream)->under, loop, err))
        return false;
    stream->loop = loop;
    return true;
}

static const struct stream_ops unread_ops = {
    .name = "unread",
    .readv = unread_readv,
    .writev = unread_writev,
    .shutdown_write = unread_shutdown_write,
    .peek = unread_peek,
    .facts = unread_facts,
    .local_addr = unread_local_addr,
    .set_owner = unread_set_owner,
    .close = unread_close,
    .detach = unread_detach,
    .attach = unread_attach,
};

struct stream *unread_stream(struct stream *under, struct str bytes, struct error *err)
{
    struct unread *unread = malloc(sizeof(*unread) + bytes.len);

    if (!unread) {
        stream_close(under, true);
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a stream");
        return NULL;
    }
    *unread = (struct unread){
        .stream = {.ops = &unread_ops, .loop = under->loop, .peer = under->peer}, .under = under, .len = bytes.len};
    memcpy(unread->bytes, bytes.data, bytes.len);
    stream_set_owner(under, NULL, false);
    return &unread->stream;
}
