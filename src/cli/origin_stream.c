/* origin_stream.c: see the header. Reading is never touched. Start with faulty_writev.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_stream.h"

#include <stdlib.h>

enum { PARTS_MAX = 64, SLICES_PER_SECOND = 50 };
#define SECOND_NS UINT64_C(1000000000)

struct faulty {
    struct stream stream;
    struct stream *under;
    struct timer pace; /* wakes the owner when more may be sent */
    uint64_t bytes_per_second;
    uint64_t next_ns; /* when more may be sent */
    uint64_t cut_left;
    struct task *cut_task;
    bool reset;
};

static struct faulty *faulty_of(struct stream *stream)
{
    return container_of(stream, struct faulty, stream);
}

static enum io faulty_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    return stream_readv(faulty_of(stream)->under, parts, count, got, err);
}

/* The first `limit` bytes of the parts. Returns how many parts that are. */
static int shorten(const struct iovec *parts, int count, uint64_t limit, struct iovec *out)
{
    int used = 0;

    while (used < count && used < PARTS_MAX && limit > 0) {
        out[used] = parts[used];
        if (out[used].iov_len > limit)
            out[used].iov_len = (size_t)limit;
        limit -= out[used].iov_len;
        used++;
    }
    return used;
}

static size_t total(const struct iovec *parts, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return bytes;
}

static uint64_t slice_bytes(const struct faulty *faulty)
{
    uint64_t bytes = faulty->bytes_per_second / SLICES_PER_SECOND;

    return bytes > 0 ? bytes : 1;
}

static void note_sent(struct faulty *faulty, size_t sent)
{
    if (faulty->bytes_per_second > 0)
        faulty->next_ns = loop_now_ns(faulty->stream.loop) + sent * SECOND_NS / faulty->bytes_per_second;
    if (faulty->cut_left == UINT64_MAX)
        return;
    faulty->cut_left -= sent;
    if (faulty->cut_left == 0)
        task_wake(faulty->stream.loop, faulty->cut_task);
}

static enum io faulty_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent,
                             struct error *err)
{
    struct faulty *faulty = faulty_of(stream);
    struct iovec fewer[PARTS_MAX];
    uint64_t limit = faulty->cut_left;
    enum io io;

    if (limit == 0) {
        *sent = total(parts, count);
        return IO_OK;
    }
    if (faulty->bytes_per_second > 0 && loop_now_ns(stream->loop) < faulty->next_ns) {
        timer_set(stream->loop, &faulty->pace, faulty->next_ns);
        return IO_WAIT;
    }
    if (faulty->bytes_per_second > 0 && slice_bytes(faulty) < limit)
        limit = slice_bytes(faulty);
    io = stream_writev(faulty->under, fewer, shorten(parts, count, limit, fewer), sent, err);
    if (io == IO_OK)
        note_sent(faulty, *sent);
    return io;
}

static void faulty_shutdown_write(struct stream *stream)
{
    stream_shutdown_write(faulty_of(stream)->under);
}

static enum io faulty_peek(struct stream *stream)
{
    return stream_peek(faulty_of(stream)->under);
}

static bool faulty_facts(struct stream *stream, struct tcp_facts *facts)
{
    return stream_facts(faulty_of(stream)->under, facts);
}

static void faulty_set_owner(struct stream *stream, struct task *owner, bool first)
{
    struct faulty *faulty = faulty_of(stream);

    faulty->pace.task = owner;
    stream_set_owner(faulty->under, owner, first);
}

static void faulty_close(struct stream *stream, bool reset)
{
    struct faulty *faulty = faulty_of(stream);

    timer_clear(stream->loop, &faulty->pace);
    stream_close(faulty->under, reset || faulty->reset);
    free(faulty);
}

static const struct stream_ops faulty_ops = {
    .name = "faulty",
    .readv = faulty_readv,
    .writev = faulty_writev,
    .shutdown_write = faulty_shutdown_write,
    .peek = faulty_peek,
    .facts = faulty_facts,
    .set_owner = faulty_set_owner,
    .close = faulty_close,
};

struct stream *origin_stream_new(struct stream *under)
{
    struct faulty *faulty = calloc(1, sizeof(*faulty));

    if (!faulty) {
        stream_close(under, true);
        return NULL;
    }
    faulty->stream = (struct stream){.ops = &faulty_ops, .loop = under->loop, .peer = under->peer};
    faulty->under = under;
    faulty->pace.at_ns = TIMER_OFF;
    faulty->cut_left = UINT64_MAX;
    return &faulty->stream;
}

void origin_stream_reset_at_close(struct stream *stream)
{
    faulty_of(stream)->reset = true;
}

void origin_stream_cut_after(struct stream *stream, uint64_t bytes, struct task *task)
{
    faulty_of(stream)->cut_left = bytes;
    faulty_of(stream)->cut_task = task;
}

bool origin_stream_was_cut(const struct stream *stream)
{
    return ((const struct faulty *)(const void *)((const char *)stream - offsetof(struct faulty, stream)))->cut_left ==
           0;
}

void origin_stream_pace(struct stream *stream, uint64_t bytes_per_second)
{
    faulty_of(stream)->bytes_per_second = bytes_per_second;
    faulty_of(stream)->next_ns = 0;
}
