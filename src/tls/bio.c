/* bio.c: OpenSSL's view of the stream below: one read of up to 63 KiB feeds many records, many records leave in one
 * send.
 *
 * OpenSSL is never told of an end or a failure, only to wait: it would call the session bad, and resuming is what comes
 * next. tls_stream_settle knows better. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "tls/bio_internal.h"
#include "tls/stream_internal.h"

enum { ROOM_IN_MIN = 4096 };

static void fail_memory(struct tls_stream *tls)
{
    struct error err;

    error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for TLS records");
    tls_stream_note_failure(tls, &err);
}

static void fail_housekeeping(struct tls_stream *tls)
{
    struct error err;

    error_set(&err, tls_peer_fault(tls), ERROR_TLS_PROTOCOL, "the peer sends TLS messages without end and no data");
    tls_stream_note_failure(tls, &err);
}

bool tls_bio_fill(struct tls_stream *tls)
{
    struct iovec part;
    struct error err;
    size_t got = 0;
    enum io io;

    if (tls->under_ended || tls->failure)
        return false;
    if (tls->housekeeping > TLS_HOUSEKEEPING_BYTES_MAX) {
        fail_housekeeping(tls);
        return false;
    }
    if (chain_reserve(&tls->in, loop_blocks(tls->stream.loop), ROOM_IN_MIN, BLOCK_LARGE_BYTES, &part, 1) == 0) {
        fail_memory(tls);
        return false;
    }
    io = stream_readv(tls->under, &part, 1, &got, &err);
    chain_commit(&tls->in, io == IO_OK ? got : 0);
    if (io == IO_END)
        tls->under_ended = true;
    else if (io == IO_FAIL)
        tls_stream_note_failure(tls, &err);
    tls->housekeeping += (uint32_t)got;
    return io == IO_OK;
}

static int bio_read(BIO *bio, char *out, size_t size, size_t *got)
{
    struct tls_stream *tls = BIO_get_data(bio);

    ASSERT(tls);
    BIO_clear_retry_flags(bio);
    *got = 0;
    if (tls->pieces_read < UINT8_MAX)
        tls->pieces_read++;
    if (tls->in.size == 0 && !tls_bio_fill(tls)) {
        BIO_set_retry_read(bio);
        return 0;
    }
    while (*got < size && tls->in.size > 0) {
        struct str front = str_first(chain_front(&tls->in), size - *got);

        memcpy(out + *got, front.data, front.len);
        chain_drop(&tls->in, front.len);
        *got += front.len;
    }
    return 1;
}

/* Sends what is collected and this record behind it, while OpenSSL still has it in its buffer: what `under` takes at
 * once need not be copied. Returns how much of the record has left. */
static size_t send_now(struct tls_stream *tls, struct str record)
{
    struct iovec parts[TLS_PARTS_OUT];
    int count = chain_parts(&tls->out, parts, TLS_PARTS_OUT);
    size_t collected = tls->out.size, sent = 0;
    struct error err;
    enum io io;

    if (count == TLS_PARTS_OUT || tls->write_failed || tls->fin_sent)
        return 0;
    parts[count++] = (struct iovec){.iov_base = (void *)(uintptr_t)record.data, .iov_len = record.len};
    io = stream_writev(tls->under, parts, count, &sent, &err);
    if (io == IO_FAIL)
        tls_stream_fail_write(tls, &err);
    if (io != IO_OK)
        return 0;
    tls->cipher_given += (uint32_t)sent;
    chain_drop(&tls->out, size_min(sent, collected));
    return sent > collected ? sent - collected : 0;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *taken)
{
    struct tls_stream *tls = BIO_get_data(bio);
    struct str left = str_of(bytes, size);

    ASSERT(tls);
    BIO_clear_retry_flags(bio);
    *taken = 0;
    if (tls->direct)
        left = str_from_offset(left, send_now(tls, left));
    if (tls->write_failed || tls->fin_sent) {
        tls->cipher_lost += (uint32_t)left.len;
    } else if (!chain_append(&tls->out, loop_blocks(tls->stream.loop), left)) {
        fail_memory(tls);
        BIO_set_retry_write(bio);
        return 0;
    }
    tls->cipher_of_turn += size;
    *taken = size;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "stream");

    if (method && BIO_meth_set_read_ex(method, bio_read) == 1 && BIO_meth_set_write_ex(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_ctrl) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

BIO *tls_bio_new(const BIO_METHOD *method)
{
    BIO *bio = BIO_new(method);

    if (bio)
        BIO_set_init(bio, 1);
    return bio;
}
