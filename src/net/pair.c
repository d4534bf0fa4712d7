/* pair.c: two in-memory streams back to back. No descriptor, no clock and no chance: the same calls give the same
 * answers, so it runs over any world, also one that has no sockets.
 *
 * What one end writes lies in the ring of the other at once; the other's owner is woken by the loop. Closing follows
 * TCP where a protocol can tell the difference: closing with unread bytes resets, and a reset destroys what the other
 * end has not read. Start with pair_readv. SPDX-License-Identifier: Apache-2.0 */
#include "net/pair.h"

#include <stdlib.h>

struct pair;

struct pair_end {
    struct stream stream;
    struct pair *pair;
    struct task *owner;
    uint8_t *ring; /* bytes that came for this end; NULL once it is closed */
    size_t room, at, size;
    size_t limit;    /* most bytes of one call; 0: no limit */
    bool peer_ended; /* the peer has sent FIN */
    bool peer_reset;
    bool write_ended; /* this end has sent FIN */
    bool wants_room;  /* a write was cut short: reading at the other end wakes us */
};

struct pair {
    struct pair_end ends[2];
};

static struct pair_end *end_of(struct stream *stream)
{
    return container_of(stream, struct pair_end, stream);
}

static struct pair_end *other_end(struct pair_end *end)
{
    return end == &end->pair->ends[0] ? &end->pair->ends[1] : &end->pair->ends[0];
}

static void wake(struct pair_end *end)
{
    task_wake(end->stream.loop, end->owner);
}

static size_t most_bytes(const struct pair_end *end, const struct iovec *parts, int count)
{
    size_t bytes = 0;

    for (int i = 0; i < count; i++)
        bytes += parts[i].iov_len;
    return end->limit != 0 ? size_min(bytes, end->limit) : bytes;
}

static enum io fail_reset(struct error *err)
{
    error_set(err, FAULT_SYSTEM, ERROR_RESET, "connection reset by peer");
    return IO_FAIL;
}

/* The longest piece of the ring that starts at `at` and does not wrap. */
static size_t straight_bytes(const struct pair_end *end, size_t at, size_t size)
{
    return size_min(size, end->room - at);
}

static void take(struct pair_end *end, uint8_t *out, size_t size)
{
    while (size > 0) {
        size_t n = straight_bytes(end, end->at, size);

        memcpy(out, end->ring + end->at, n);
        end->at = (end->at + n) % end->room;
        end->size -= n;
        out += n;
        size -= n;
    }
}

static void put(struct pair_end *end, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t at = (end->at + end->size) % end->room;
        size_t n = straight_bytes(end, at, size);

        memcpy(end->ring + at, bytes, n);
        end->size += n;
        bytes += n;
        size -= n;
    }
}

static void tell_writer(struct pair_end *reader)
{
    struct pair_end *writer = other_end(reader);

    if (writer->wants_room) {
        writer->wants_room = false;
        wake(writer);
    }
}

static enum io pair_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    struct pair_end *end = end_of(stream);
    size_t left = size_min(most_bytes(end, parts, count), end->size);

    if (end->peer_reset)
        return fail_reset(err);
    if (end->size == 0)
        return end->peer_ended ? IO_END : IO_WAIT;
    *got = left;
    for (int i = 0; i < count && left > 0; i++) {
        size_t n = size_min(parts[i].iov_len, left);

        take(end, parts[i].iov_base, n);
        left -= n;
    }
    tell_writer(end);
    /* After a short read the reader may wait for news: bytes held back by the limit, and a FIN, are news. */
    if (end->size > 0 || end->peer_ended)
        wake(end);
    return IO_OK;
}

static enum io pair_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent, struct error *err)
{
    struct pair_end *end = end_of(stream), *reader = other_end(end);
    size_t left = most_bytes(end, parts, count);

    if (end->write_ended) {
        error_set(err, FAULT_SYSTEM, ERROR_CLOSED, "write after the end");
        return IO_FAIL;
    }
    if (end->peer_reset || !reader->ring)
        return fail_reset(err);
    if (left > reader->room - reader->size) {
        left = reader->room - reader->size;
        end->wants_room = true;
    }
    if (left == 0)
        return IO_WAIT;
    *sent = left;
    for (int i = 0; i < count && left > 0; i++) {
        size_t n = size_min(parts[i].iov_len, left);

        put(reader, parts[i].iov_base, n);
        left -= n;
    }
    wake(reader);
    if (end->limit != 0 && !end->wants_room)
        wake(end);
    return IO_OK;
}

static void pair_shutdown_write(struct stream *stream)
{
    struct pair_end *end = end_of(stream);

    if (end->write_ended)
        return;
    end->write_ended = true;
    other_end(end)->peer_ended = true;
    wake(other_end(end));
}

static enum io pair_peek(struct stream *stream)
{
    const struct pair_end *end = end_of(stream);

    if (end->peer_reset)
        return IO_FAIL;
    if (end->size > 0)
        return IO_OK;
    return end->peer_ended ? IO_END : IO_WAIT;
}

static bool pair_facts(struct stream *stream, struct tcp_facts *facts)
{
    (void)stream;
    (void)facts;
    return false;
}

static void pair_set_owner(struct stream *stream, struct task *owner, bool first)
{
    struct pair_end *end = end_of(stream);

    (void)first;
    end->owner = owner;
    if (end->size > 0 || end->peer_ended || end->peer_reset)
        wake(end);
}

static void reset_end(struct pair_end *end)
{
    end->peer_reset = true;
    end->size = 0;
    wake(end);
}

static void pair_close(struct stream *stream, bool reset)
{
    struct pair_end *end = end_of(stream), *other = other_end(end);

    end->owner = NULL;
    if (other->ring && (reset || end->size > 0))
        reset_end(other);
    else
        pair_shutdown_write(stream);
    free(end->ring);
    end->ring = NULL;
    if (!other->ring)
        free(end->pair);
}

static bool pair_detach(struct stream *stream)
{
    end_of(stream)->owner = NULL;
    stream->loop = NULL;
    return true;
}

static bool pair_attach(struct stream *stream, struct loop *loop, struct error *err)
{
    (void)err;
    ASSERT(!stream->loop);
    stream->loop = loop;
    return true;
}

static const struct stream_ops pair_ops = {
    .name = "pair",
    .readv = pair_readv,
    .writev = pair_writev,
    .shutdown_write = pair_shutdown_write,
    .peek = pair_peek,
    .facts = pair_facts,
    .set_owner = pair_set_owner,
    .close = pair_close,
    .detach = pair_detach,
    .attach = pair_attach,
};

static bool init_end(struct pair *pair, struct pair_end *end, struct loop *loop, size_t room)
{
    end->stream.ops = &pair_ops;
    end->stream.loop = loop;
    end->pair = pair;
    end->room = room;
    end->ring = malloc(room);
    return end->ring;
}

bool pair_new(struct loop *loop, size_t room, struct stream **a, struct stream **b)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    ASSERT(room > 0);
    if (!pair)
        return false;
    if (!init_end(pair, &pair->ends[0], loop, room) || !init_end(pair, &pair->ends[1], loop, room)) {
        free(pair->ends[0].ring);
        free(pair->ends[1].ring);
        free(pair);
        return false;
    }
    *a = &pair->ends[0].stream;
    *b = &pair->ends[1].stream;
    return true;
}

void pair_limit(struct stream *end, size_t bytes)
{
    ASSERT(end->ops == &pair_ops);
    end_of(end)->limit = bytes;
}
