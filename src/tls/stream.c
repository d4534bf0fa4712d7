/* stream.c: what a TLS stream does once its handshake is done. Start with tls_readv and tls_writev.
 *
 * Records that `under` has no room for stay in `out` and no plaintext is taken meanwhile; until they are gone our own
 * task stands in for the owner at `under`, because the owner believes that all is sent and would not come to ask.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tls/early_internal.h"
#include "tls/stream_internal.h"

#include <openssl/err.h>
#include <stdlib.h>

enum { PIECES_OF_RECORD = 2 /* its header, and what is in it */ };

/* Stands in for a failure that there was no memory to keep. */
static const struct error no_memory = {
    .fault = FAULT_SYSTEM, .code = ERROR_OUT_OF_MEMORY, .text = "no memory for a TLS stream"};

void tls_stream_note_failure(struct tls_stream *tls, const struct error *err)
{
    struct error *copy;

    if (tls->failure)
        return;
    copy = malloc(sizeof(*copy));
    if (copy)
        *copy = *err;
    tls->failure = copy ? copy : &no_memory;
}

enum io tls_stream_fail(const struct tls_stream *tls, struct error *err)
{
    *err = *tls->failure;
    return IO_FAIL;
}

/* FIN came where more was due. RFC 8446 6.1: only close_notify says that nothing was cut off. */
static void note_end_below(struct tls_stream *tls)
{
    struct error err;

    if (tls->shaken)
        error_set(&err, tls_peer_fault(tls), ERROR_TLS_TRUNCATED, "closed without close_notify");
    else
        error_set(&err, tls_peer_fault(tls), ERROR_TLS_HANDSHAKE, "closed during the TLS handshake");
    tls_stream_note_failure(tls, &err);
}

enum io tls_stream_settle(struct tls_stream *tls, int returned)
{
    int what = SSL_get_error(tls->ssl, returned);
    struct error err;

    if (what == SSL_ERROR_ZERO_RETURN) {
        tls->ended = true;
        return IO_END;
    }
    if (what == SSL_ERROR_WANT_READ && tls->under_ended)
        note_end_below(tls);
    if (what == SSL_ERROR_WANT_READ && !tls->failure)
        return IO_WAIT;
    if (!tls->failure) {
        tls_failure(tls, &err);
        tls_stream_note_failure(tls, &err);
    }
    ERR_clear_error();
    return IO_FAIL;
}

/* On: at once; off: from our own task only, as it may wake the owner, which nobody expects of a look or a read. */
static void hook(struct tls_stream *tls, bool on)
{
    if (tls->hooked == on)
        return;
    tls->hooked = on;
    stream_set_owner(tls->under, on ? &tls->task : tls->owner, tls->first);
}

static void end_below(struct tls_stream *tls)
{
    if (!tls->write_ended || tls->fin_sent)
        return;
    tls->fin_sent = true;
    stream_shutdown_write(tls->under);
}

void tls_stream_fail_write(struct tls_stream *tls, const struct error *err)
{
    tls->write_failed = true;
    tls->write_code = (uint8_t)err->code;
    tls->cipher_lost += (uint32_t)tls->out.size;
    chain_clear(&tls->out);
}

/* IO_OK: nothing is left in `out`. */
enum io tls_stream_flush(struct tls_stream *tls, struct error *err)
{
    struct iovec parts[TLS_PARTS_OUT];
    struct error unwanted;
    size_t sent;

    while (tls->out.size > 0) {
        int count = chain_parts(&tls->out, parts, TLS_PARTS_OUT);
        enum io io = stream_writev(tls->under, parts, count, &sent, err ? err : &unwanted);

        if (io == IO_WAIT) {
            hook(tls, true);
            return IO_WAIT;
        }
        if (io != IO_OK) {
            tls_stream_fail_write(tls, err ? err : &unwanted);
            return IO_FAIL;
        }
        tls->cipher_given += (uint32_t)sent;
        chain_drop(&tls->out, sent);
    }
    end_below(tls);
    return IO_OK;
}

void tls_stream_run(struct task *task)
{
    struct tls_stream *tls = container_of(task, struct tls_stream, task);

    (void)tls_stream_flush(tls, NULL); /* A failure is told by the owner's next write. */
    if (tls->out.size == 0)
        hook(tls, false);
    task_wake(tls->stream.loop, tls->owner);
}

/* After OpenSSL has asked for more: sends the answer to a key update, or an alert, and gives back what it holds. A
 * ticket makes it allocate a buffer to write with, which would stay until the next write. */
static void tidy_up(struct tls_stream *tls)
{
    (void)tls_stream_flush(tls, NULL);
    if (!tls->tidy && tls->in.size == 0)
        tls->tidy = SSL_free_buffers(tls->ssl) == 1; /* not while a part of a record is in them */
}

static bool has_unread(const struct tls_stream *tls)
{
    return tls->in.size > 0 || (!tls->emptied && SSL_pending(tls->ssl) > 0);
}

/* Nothing is here and nothing comes: OpenSSL need not be asked, which would take a buffer for its answer. An end or a
 * failure is not dry. */
static bool is_dry(struct tls_stream *tls)
{
    return !has_unread(tls) && (stream_is_quiet(tls->under) || !tls_bio_fill(tls)) && !tls->under_ended &&
           !tls->failure;
}

/* Emptying the queue costs more than to see that it is empty. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static bool tls_is_quiet(const struct stream *stream)
{
    const struct tls_stream *tls =
        (const struct tls_stream *)(const void *)((const char *)stream - offsetof(struct tls_stream, stream));

    return tls->shaken && !has_unread(tls) && !tls->under_ended && !tls->ended && !tls->failure &&
           stream_is_quiet(tls->under);
}

/* Has OpenSSL read. Where that takes a whole record of data and nothing else it leaves no buffer behind. */
static int read_some(struct tls_stream *tls, uint8_t *out, size_t size, size_t *got)
{
    int returned;

    tls->pieces_read = 0;
    tls_enter(tls);
    returned = SSL_read_ex(tls->ssl, out, size, got);
    tls_leave(tls);
    tls->emptied = returned == 1 && *got < size;
    tls->tidy &= tls->emptied && tls->pieces_read <= PIECES_OF_RECORD;
    return returned;
}

/* Reads until the part is full or there is no more. */
static enum io fill_part(struct tls_stream *tls, const struct iovec *part, size_t *filled)
{
    uint8_t *out = part->iov_base;

    *filled = 0;
    while (*filled < part->iov_len) {
        size_t got = 0;
        int returned;

        if (is_dry(tls))
            return IO_WAIT;
        forget_errors();
        returned = read_some(tls, out + *filled, part->iov_len - *filled, &got);
        if (returned != 1)
            return tls_stream_settle(tls, returned);
        *filled += got;
        tls->housekeeping = 0;
    }
    return IO_OK;
}

static enum io tls_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    struct tls_stream *tls = tls_of(stream);
    enum io io = IO_OK;
    size_t total = 0, filled;

    ASSERT(tls->shaken);
    if (tls->failure)
        return tls_stream_fail(tls, err);
    if (tls->ended)
        return IO_END;
    for (int i = 0; i < count && io == IO_OK; i++) {
        io = fill_part(tls, &parts[i], &filled);
        total += filled;
    }
    tidy_up(tls);
    if (total > 0) {
        *got = total;
        tls->turned = true;
        if (io == IO_END || io == IO_FAIL)
            task_wake(stream->loop, tls->owner); /* The stream below will not tell again. */
        return IO_OK;
    }
    return io == IO_FAIL ? tls_stream_fail(tls, err) : io;
}

/* Where a record's plaintext is taken from, piece by piece. */
struct plain {
    const struct iovec *parts;
    int count;
    size_t at; /* in the first part */
};

/* Up to `size` bytes: as they lie where one piece has as many, else copied together so that records are full. */
static struct str next_bytes(struct plain *plain, char *copy, size_t size)
{
    size_t len = 0;

    while (plain->count > 0 && len < size) {
        const struct iovec *part = plain->parts;
        const char *from = (const char *)part->iov_base + plain->at;
        size_t n = size_min(part->iov_len - plain->at, size - len);
        bool whole = len == 0 && (n == size || plain->count == 1);

        plain->at += n;
        if (plain->at == part->iov_len) {
            plain->parts++;
            plain->count--;
            plain->at = 0;
        }
        if (whole)
            return str_of(from, n);
        memcpy(copy + len, from, n);
        len += n;
    }
    return str_of(copy, len);
}

/* How many bytes one send carries: whole pieces where that comes to enough and more than a record follows, so that no
 * record is copied together of two buffers, and no buffer leaves a little for a send of its own. Frames of HTTP/2 are
 * pieces of a record each, and fill it. 0: all that is left is empty. */
static size_t bytes_of_send(const struct plain *plain)
{
    size_t total = 0;

    for (int i = 0; i < plain->count; i++) {
        size_t size = plain->parts[i].iov_len - (i == 0 ? plain->at : 0);

        if (total + size > TLS_SEND_BYTES_MAX) {
            bool whole = total >= TLS_SEND_BYTES || (total >= TLS_SEND_BYTES_ENOUGH && size > TLS_RECORD_BYTES);

            return whole ? total : TLS_SEND_BYTES;
        }
        total += size;
    }
    return total;
}

/* Encrypts what one send can carry, and has its last record sent with all before it. What `under` does not take is in
 * `out`. False: OpenSSL failed. */
static bool encrypt(struct tls_stream *tls, struct plain *plain, size_t *taken)
{
    char copy[TLS_RECORD_BYTES];
    size_t left = bytes_of_send(plain);

    if (left == 0)
        plain->count = 0;
    while (left > 0) {
        struct str bytes = next_bytes(plain, copy, size_min(left, TLS_RECORD_BYTES));
        size_t written = 0;
        int returned;

        left -= bytes.len;
        tls->direct = left == 0;
        tls_enter(tls);
        returned = SSL_write_ex(tls->ssl, bytes.data, bytes.len, &written);
        tls_leave(tls);
        tls->direct = false;
        if (returned != 1) {
            (void)tls_stream_settle(tls, returned);
            return false;
        }
        ASSERT(written == bytes.len);
        *taken += written;
        tls->plain_of_turn += written;
    }
    return true;
}

static enum io fail_closed(const struct tls_stream *tls, struct error *err)
{
    if (tls->write_failed)
        error_set(err, FAULT_SYSTEM, (enum error_code)tls->write_code, "the connection broke while it was written to");
    else
        error_set(err, FAULT_SYSTEM, ERROR_CLOSED, "write after the end");
    return IO_FAIL;
}

/* What failed while encrypting, which is seldom but for want of memory. */
static enum io fail_encrypting(struct tls_stream *tls, struct error *err)
{
    if (tls->failure)
        return tls_stream_fail(tls, err);
    error_set(err, FAULT_UPSTREAM, ERROR_TLS_PROTOCOL, "TLS takes no more data");
    return IO_FAIL;
}

static void begin_turn(struct tls_stream *tls)
{
    if (!tls->turned)
        return;
    tls->turned = false;
    tls->plain_of_turn = tls->cipher_of_turn = 0;
}

/* Lets OpenSSL look at what is here. */
static enum io look(struct tls_stream *tls)
{
    uint8_t byte;
    size_t got;
    int returned;
    enum io io;

    ERR_clear_error();
    tls_enter(tls);
    returned = SSL_peek_ex(tls->ssl, &byte, sizeof(byte), &got);
    tls_leave(tls);
    tls->emptied = tls->tidy = false;
    io = returned == 1 ? IO_OK : tls_stream_settle(tls, returned);
    tidy_up(tls);
    if (io == IO_FAIL && tls->failure->code == ERROR_TLS_TRUNCATED)
        return IO_END;
    return io;
}

/* A peer that closes says why first: its alert lies here unread, and tells more than the reset behind it. */
static enum io tell_why(struct tls_stream *tls, struct error *err)
{
    if (!tls->failure && !tls->ended && (has_unread(tls) || stream_peek(tls->under) == IO_OK))
        (void)!look(tls);
    if (tls->failure && tls->failure->code == ERROR_TLS_ALERT)
        return tls_stream_fail(tls, err);
    return IO_FAIL;
}

static enum io tls_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent, struct error *err)
{
    struct tls_stream *tls = tls_of(stream);
    struct plain plain = {parts, count, 0};
    uint32_t given;
    enum io io;

    ASSERT(tls->shaken);
    *sent = 0;
    if (tls->write_ended || tls->write_failed)
        return fail_closed(tls, err);
    io = tls_stream_flush(tls, err);
    if (io == IO_OK)
        begin_turn(tls);
    given = tls->cipher_given;
    while (io == IO_OK && plain.count > 0) {
        if (!encrypt(tls, &plain, sent))
            return fail_encrypting(tls, err);
        io = tls->write_failed ? fail_closed(tls, err) : tls_stream_flush(tls, err);
    }
    /* Whoever asks whether a request may have been seen must count what left before the failure, and only then. */
    if (io == IO_FAIL && tls->cipher_given == given)
        return tell_why(tls, err);
    return *sent > 0 ? IO_OK : io;
}

static void say_goodbye(struct tls_stream *tls)
{
    if (tls->write_ended)
        return;
    tls->write_ended = true;
    ERR_clear_error();
    if (!tls->shaken || tls->write_failed)
        return;
    tls_enter(tls);
    if (SSL_shutdown(tls->ssl) < 0)
        ERR_clear_error(); /* A broken session has said what there was to say. */
    tls_leave(tls);
}

static void tls_shutdown_write(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    say_goodbye(tls);
    (void)tls_stream_flush(tls, NULL);
}

static enum io tls_peek(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    ASSERT(tls->shaken);
    if (tls->failure)
        return tls->failure->code == ERROR_TLS_TRUNCATED ? IO_END : IO_FAIL;
    if (tls->ended)
        return IO_END;
    for (;;) {
        uint32_t read_before = tls->housekeeping;
        enum io io = has_unread(tls) ? IO_OK : stream_peek(tls->under);

        if (io != IO_OK)
            return io;
        io = look(tls);
        /* Behind tickets and the like something else may lie. */
        if (io != IO_WAIT || tls->housekeeping == read_before)
            return io;
    }
}

static bool tls_facts(struct stream *stream, struct tcp_facts *facts)
{
    const struct tls_stream *tls = tls_of(stream);
    uint64_t cipher = tls->cipher_of_turn, plain = tls->plain_of_turn, waiting;

    if (!stream_facts(tls->under, facts))
        return false;
    waiting = facts->unsent_bytes + tls->out.size + tls->cipher_lost;
    if (waiting < cipher) {
        uint64_t acked = cipher - waiting;

        plain = acked < plain ? plain - acked : 0;
    }
    facts->unsent_bytes = plain < UINT32_MAX ? (uint32_t)plain : UINT32_MAX;
    return true;
}

static bool tls_local_addr(struct stream *stream, struct addr *addr)
{
    return stream_local_addr(tls_of(stream)->under, addr);
}

static void tls_set_owner(struct stream *stream, struct task *owner, bool first)
{
    struct tls_stream *tls = tls_of(stream);

    tls->owner = owner;
    tls->first = first;
    stream_set_owner(tls->under, tls->hooked ? &tls->task : owner, first);
    /* News that lies here already is none to the stream below. */
    if (owner && (has_unread(tls) || tls->ended || tls->failure))
        task_wake(stream->loop, owner);
}

/* Blocks belong to a loop, so it moves only while none is in use. A part of a record that OpenSSL holds may go along.
 */
static bool is_quiet(const struct tls_stream *tls)
{
    return tls->shaken && !tls->failure && !tls->ended && !tls->write_ended && !tls->write_failed && !has_unread(tls) &&
           tls->out.size == 0 && !tls->hooked;
}

static bool tls_detach(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    if (!is_quiet(tls) || !stream_detach(tls->under))
        return false;
    chain_clear(&tls->in);
    chain_clear(&tls->out);
    task_forget(stream->loop, &tls->task);
    tls->owner = NULL;
    stream->loop = NULL;
    return true;
}

static bool tls_attach(struct stream *stream, struct loop *loop, struct error *err)
{
    if (!stream_attach(tls_of(stream)->under, loop, err))
        return false;
    stream->loop = loop;
    return true;
}

/* Detached it has no loop to say goodbye from. */
static void tls_close(struct stream *stream, bool reset)
{
    struct tls_stream *tls = tls_of(stream);

    if (!reset && tls->shaken && !tls->failure && stream->loop) {
        say_goodbye(tls);
        (void)tls_stream_flush(tls, NULL);
    }
    chain_clear(&tls->in);
    chain_clear(&tls->out);
    if (stream->loop)
        task_forget(stream->loop, &tls->task);
    stream_close(tls->under, reset);
    /* However the connection ended, its session is as good as before. */
    if (tls->ssl && tls->shaken)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    tls_early_free(tls);
    tls_profile_unref(tls->profile);
    if (tls->failure != &no_memory)
        free((void *)(uintptr_t)tls->failure);
    free(tls->keeping);
    free(tls);
}

const struct stream_ops tls_client_ops = {
    .name = "tls",
    .secure = true,
    .readv = tls_readv,
    .writev = tls_writev,
    .shutdown_write = tls_shutdown_write,
    .is_quiet = tls_is_quiet,
    .peek = tls_peek,
    .facts = tls_facts,
    .local_addr = tls_local_addr,
    .set_owner = tls_set_owner,
    .close = tls_close,
    .detach = tls_detach,
    .attach = tls_attach,
};
