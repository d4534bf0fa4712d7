/* server_early.c: a server's stream between the first early data and the end of the handshake (RFC 8446 2.3). What
 * OpenSSL gives out until then waits in `data`; our own task goes on with the handshake, whether anybody reads or not.
 * When it is done the stream is like any other. Start with tls_early_step. SPDX-License-Identifier: Apache-2.0 */
#include "tls/early_internal.h"
#include "tls/server_internal.h"
#include "tls/server_stream.h"

#include <openssl/err.h>
#include <stdlib.h>

enum { PIECE_BYTES = 4096 };

struct tls_early {
    struct chain data;   /* read and not yet taken */
    struct task *waiter; /* woken when the handshake is done, or has failed */
    bool over;           /* there is no more of it */
    bool given;          /* the stream is used already, before the handshake is done */
    bool end_wanted;     /* shutdown_write: close_notify can be sent only when the handshake is done */
};

bool tls_early_new(struct tls_stream *tls)
{
    tls->early = calloc(1, sizeof(*tls->early));
    return tls->early;
}

void tls_early_free(struct tls_stream *tls)
{
    if (tls->early)
        chain_clear(&tls->early->data);
    free(tls->early);
    tls->early = NULL;
}

static bool keep(struct tls_stream *tls, const char *bytes, size_t size)
{
    struct error err;

    if (chain_append(&tls->early->data, loop_blocks(tls->stream.loop), str_of(bytes, size)))
        return true;
    error_set(&err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for early data");
    tls_stream_note_failure(tls, &err);
    return false;
}

static void note_over(struct tls_stream *tls)
{
    int status = SSL_get_early_data_status(tls->ssl);

    tls->early->over = true;
    if (status == SSL_EARLY_DATA_ACCEPTED)
        tls_server_count(tls, TLS_COUNT_EARLY_ACCEPTED);
    else if (status == SSL_EARLY_DATA_REJECTED)
        tls_server_count(tls, TLS_COUNT_EARLY_REJECTED);
}

/* Reads early data. IO_OK: there is no more of it. */
static enum io take_early(struct tls_stream *tls)
{
    char bytes[PIECE_BYTES];
    size_t got = 0;
    int returned;

    while (!tls->early->over) {
        ERR_clear_error();
        tls_enter(tls);
        returned = SSL_read_early_data(tls->ssl, bytes, sizeof(bytes), &got);
        tls_leave(tls);
        switch (returned) {
        case SSL_READ_EARLY_DATA_SUCCESS:
            tls->housekeeping = 0;
            if (!keep(tls, bytes, got))
                return IO_FAIL;
            break;
        case SSL_READ_EARLY_DATA_FINISH:
            note_over(tls);
            break;
        case SSL_READ_EARLY_DATA_ERROR:
            return tls_stream_settle(tls, 0);
        }
    }
    return IO_OK;
}

/* The handshake is done: what is left of early data goes first, then the stream is an ordinary one. */
static void end_early(struct tls_stream *tls)
{
    struct tls_early *early = tls->early;

    task_wake(tls->stream.loop, early->waiter);
    early->waiter = NULL;
    if (early->end_wanted)
        tls_client_ops.shutdown_write(&tls->stream);
    if (early->data.size > 0)
        return;
    tls->stream.ops = &tls_client_ops;
    tls_early_free(tls);
}

static enum io go_on(struct tls_stream *tls)
{
    enum io io = take_early(tls);

    if (io != IO_OK || tls->shaken)
        return io;
    io = tls_server_shake(tls);
    if (io == IO_OK)
        end_early(tls);
    return io;
}

static const struct stream_ops early_ops;
static void run_early(struct task *task);

enum io tls_early_step(struct tls_stream *tls)
{
    enum io io = go_on(tls);
    struct tls_early *early = tls->early;

    if (!early || io == IO_FAIL || early->data.size == 0 || early->given)
        return io;
    early->given = true;
    tls->stream.ops = &early_ops;
    if (!tls->shaken) {
        tls->task.run = run_early;
        tls->hooked = true;
        stream_set_owner(tls->under, &tls->task, tls->first);
    }
    return IO_OK;
}

/* In place of tls_stream_run while the handshake is not done. */
static void run_early(struct task *task)
{
    struct tls_stream *tls = container_of(task, struct tls_stream, task);
    enum io io = tls->failure ? IO_FAIL : go_on(tls);

    if (io == IO_FAIL)
        tls_server_count_failure(tls);
    if (io == IO_FAIL && tls->early) {
        task_wake(tls->stream.loop, tls->early->waiter);
        tls->early->waiter = NULL;
    }
    if (io == IO_WAIT) {
        (void)tls_stream_flush(tls, NULL);
        task_wake(tls->stream.loop, tls->owner);
        return;
    }
    tls->task.run = tls_stream_run;
    tls_stream_run(task);
}

static enum io early_readv(struct stream *stream, const struct iovec *parts, int count, size_t *got, struct error *err)
{
    struct tls_stream *tls = tls_of(stream);
    struct chain *data = &tls->early->data;
    size_t total = 0;

    if (data->size == 0)
        return tls->failure ? tls_stream_fail(tls, err) : IO_WAIT;
    for (int i = 0; i < count; i++) {
        char *out = parts[i].iov_base;

        for (size_t filled = 0; filled < parts[i].iov_len && data->size > 0;) {
            struct str front = str_first(chain_front(data), parts[i].iov_len - filled);

            memcpy(out + filled, front.data, front.len);
            chain_drop(data, front.len);
            filled += front.len;
            total += front.len;
        }
    }
    *got = total;
    tls->turned = true;
    if (tls->shaken)
        end_early(tls);
    task_wake(stream->loop, tls->owner); /* Behind it other data may lie, which the stream below will not tell of. */
    return IO_OK;
}

/* An answer that leaves before the handshake is done: the client can read it, since it has our Finished. */
static enum io early_writev(struct stream *stream, const struct iovec *parts, int count, size_t *sent,
                            struct error *err)
{
    struct tls_stream *tls = tls_of(stream);
    enum io io;

    *sent = 0;
    if (tls->shaken)
        return tls_client_ops.writev(stream, parts, count, sent, err);
    if (tls->failure || tls->early->end_wanted)
        return tls->failure ? tls_stream_fail(tls, err) : IO_WAIT;
    io = tls_stream_flush(tls, err);
    for (int i = 0; i < count && io == IO_OK; i++) {
        size_t size = size_min(parts[i].iov_len, TLS_RECORD_BYTES), taken = 0;
        int returned;

        ERR_clear_error();
        tls_enter(tls);
        returned = SSL_write_early_data(tls->ssl, parts[i].iov_base, size, &taken);
        tls_leave(tls);
        if (returned != 1) {
            error_set(err, FAULT_CLIENT, ERROR_CLOSED, "the handshake was not finished");
            return IO_FAIL;
        }
        tls->plain_of_turn += taken;
        *sent += taken;
        io = tls_stream_flush(tls, err);
        if (taken < parts[i].iov_len)
            break;
    }
    return *sent > 0 ? IO_OK : io;
}

static void early_shutdown_write(struct stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    if (tls->shaken || tls->failure)
        tls_client_ops.shutdown_write(stream);
    else
        tls->early->end_wanted = true;
}

static enum io early_peek(struct stream *stream)
{
    const struct tls_stream *tls = tls_of(stream);

    if (tls->early->data.size > 0)
        return IO_OK;
    return tls->failure ? IO_FAIL : IO_WAIT;
}

static bool early_facts(struct stream *stream, struct tcp_facts *facts)
{
    return tls_client_ops.facts(stream, facts);
}

static bool early_local_addr(struct stream *stream, struct addr *addr)
{
    return tls_client_ops.local_addr(stream, addr);
}

static void early_set_owner(struct stream *stream, struct task *owner, bool first)
{
    const struct tls_stream *tls = tls_of(stream);

    tls_client_ops.set_owner(stream, owner, first);
    if (tls->early->data.size > 0)
        task_wake(stream->loop, owner);
}

static void early_close(struct stream *stream, bool reset)
{
    tls_client_ops.close(stream, reset);
}

static const struct stream_ops early_ops = {
    .name = "tls",
    .secure = true,
    .readv = early_readv,
    .writev = early_writev,
    .shutdown_write = early_shutdown_write,
    .peek = early_peek,
    .facts = early_facts,
    .local_addr = early_local_addr,
    .set_owner = early_set_owner,
    .close = early_close,
};

enum io tls_await_handshake(struct stream *stream, struct task *waiter)
{
    struct tls_stream *tls;

    if (stream->ops != &early_ops)
        return IO_OK;
    tls = tls_of(stream);
    if (tls->shaken)
        return IO_OK;
    if (tls->failure)
        return IO_FAIL;
    if (waiter)
        tls->early->waiter = waiter;
    return IO_WAIT;
}
