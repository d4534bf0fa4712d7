/* stream_internal.h: a TLS stream's state, for its files: stream.c (the operations), handshake.c (birth and handshake),
 * bio.c (OpenSSL's view of the stream below), failure.c (OpenSSL's errors in our words).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_STREAM_INTERNAL_H
#define HOLDFAST_TLS_STREAM_INTERNAL_H

#include "tls/profile_internal.h"
#include "tls/stream.h"

#include <assert.h>

enum {
    TLS_RECORD_BYTES = 16384,            /* the most plaintext of one record (RFC 8446 5.1) */
    TLS_SEND_BYTES = BLOCK_LARGE_BYTES,  /* plaintext whose records are collected for one send: a whole buffer */
    TLS_SEND_BYTES_MAX = 65000,          /* ... with the head in front of it: its records still leave as one burst */
    TLS_SEND_BYTES_ENOUGH = 49152,       /* ... with less than a whole buffer behind it, which is left for the next */
    TLS_PARTS_OUT = 8,                   /* pieces in memory that one send may have */
    TLS_HOUSEKEEPING_BYTES_MAX = 1 << 20 /* read without a byte for the application among them */
};

/* Client: where its sessions are kept, and under which key. */
struct tls_keeping {
    struct tls_sessions *sessions;
    struct tls_digest key;
};

struct tls_stream {
    struct stream stream;
    struct stream *under;
    SSL *ssl;
    struct tls_profile *profile;
    struct tls_keeping *keeping;      /* client; NULL: its sessions are not kept */
    struct task task;                 /* sends what is left in `out`; then the owner is woken */
    struct task *owner;               /* ... of `under` too while `out` is empty */
    struct chain in;                  /* records not yet given to OpenSSL; empty whenever it asks for more */
    struct chain out;                 /* records not yet taken by `under` */
    struct tls_server_counts *counts; /* server: of this worker */
    struct tls_early *early;          /* server: until early data is over; NULL: there can be none */
    const struct error *failure;      /* why reading has failed for good; NULL: it has not */
    /* For facts: bytes made since the last turn from reading to writing, and those that went nowhere. */
    uint64_t plain_of_turn, cipher_of_turn;
    uint32_t cipher_lost;
    uint32_t cipher_given; /* ever, low bits: has any left? */
    uint32_t housekeeping; /* bytes read since the application got one */
    uint8_t write_code;    /* enum error_code: why write_failed */
    uint8_t pieces_read;   /* what OpenSSL has taken from `in` since it was last called to read; stays at 255 */
    bool server : 1;       /* our role */
    bool looked : 1;       /* server: what came first was looked at */
    bool plain_http : 1;   /* ... and is HTTP without TLS */
    bool counted : 1;      /* server: the handshake's failure was */
    bool turned : 1;       /* the next write begins a new turn */
    bool first : 1;        /* as set_owner was told */
    bool hooked : 1;       /* `under` wakes our task, not the owner */
    bool shaken : 1;       /* the handshake is done */
    bool under_ended : 1;  /* FIN was read */
    bool ended : 1;        /* close_notify was read */
    bool write_ended : 1;  /* close_notify was written; FIN goes behind `out` */
    bool fin_sent : 1;
    bool write_failed : 1; /* what is written now goes nowhere */
    bool direct : 1;       /* what OpenSSL writes now is the last for this time: it is sent at once, behind `out` */
    bool emptied : 1;      /* OpenSSL has given away all that it has decrypted */
    bool tidy : 1;         /* OpenSSL has no buffer that it does not need */
};
static_assert(sizeof(struct tls_stream) <= 216, "with the header of the heap a multiple of 16");

static inline struct tls_stream *tls_of(struct stream *stream)
{
    return container_of(stream, struct tls_stream, stream);
}

/* Around each call of OpenSSL that may read or write. */
static inline void tls_enter(struct tls_stream *tls)
{
    BIO_set_data(SSL_get_rbio(tls->ssl), tls);
}

static inline void tls_leave(struct tls_stream *tls)
{
    BIO_set_data(SSL_get_rbio(tls->ssl), NULL);
}

static inline enum fault tls_peer_fault(const struct tls_stream *tls)
{
    return tls->server ? FAULT_CLIENT : FAULT_UPSTREAM;
}

extern const struct stream_ops tls_client_ops;

/* stream.c */
void tls_stream_run(struct task *task);
enum io tls_stream_flush(struct tls_stream *tls, struct error *err);
void tls_stream_note_failure(struct tls_stream *tls, const struct error *err); /* the first one counts */
void tls_stream_fail_write(struct tls_stream *tls, const struct error *err);   /* `out` is lost */
enum io tls_stream_fail(const struct tls_stream *tls, struct error *err);      /* tells it: IO_FAIL */

/* What it means that an OpenSSL call has not succeeded: IO_WAIT, IO_END, or IO_FAIL with tls->failure set. */
enum io tls_stream_settle(struct tls_stream *tls, int returned);

/* failure.c: the newest error of OpenSSL's queue, which is emptied. */
void tls_failure(const struct tls_stream *tls, struct error *err);

/* bio.c: how OpenSSL reads and writes. A BIO is of the stream for which OpenSSL was called, and of none outside of such
 * calls: so many streams of one loop can share it. */
BIO *tls_bio_new(const BIO_METHOD *method); /* NULL: no memory */
bool tls_bio_fill(struct tls_stream *tls);  /* one read of `under` into `in`; false: nothing came */

#endif
