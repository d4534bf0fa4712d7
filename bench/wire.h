/* wire.h: sockets of the rig's own programs (relay, origin, load): loopback only, never blocking, plain or TLS.
 *
 * These programs measure the gateway, so they share nothing with it. TLS goes through memory BIOs: one recv for what
 * has come, one send for what has been written. Terms are the same for all: TLS 1.3, X25519, AES-128-GCM.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BENCH_WIRE_H
#define HOLDFAST_BENCH_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What every WebSocket of the rig asks with, and the answer to it (RFC 6455 1.3). */
#define WIRE_WEBSOCKET_KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define WIRE_WEBSOCKET_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { WIRE_END = 0, WIRE_FAIL = -1, WIRE_AGAIN = -2, WIRE_PIECE = 65536 };

struct wire {
    int fd;
    SSL *ssl; /* NULL: plain */
    BIO *in, *out;
    bool drained; /* TLS: the last recv was short; the owner clears it at each event */
};

/* All of these end the program with a message when they fail: a rig that cannot start has nothing to say. */
SSL_CTX *wire_server_context(const char *certificate, const char *key);
SSL_CTX *wire_client_context(void);
int wire_listen(uint32_t host, uint16_t port); /* on 127.0.0.0 + host; 0: on all addresses */
int wire_epoll(void);
void wire_watch(int epoll, int fd, void *owner); /* in and out, edge-triggered, for good */

/* False: nobody waits. */
bool wire_accept(struct wire *wire, int listener, SSL_CTX *context);

/* Connects to 127.0.0.0 + `host` from 127.0.0.0 + `source` and waits until that is done, which on loopback is at once.
 */
bool wire_connect(struct wire *wire, uint32_t host, uint16_t port, uint32_t source, SSL_CTX *context);

/* Bytes, or WIRE_END, WIRE_FAIL, WIRE_AGAIN. A handshake goes on inside them. */
ssize_t wire_recv(struct wire *wire, char *bytes, size_t size);

/* TLS takes everything or nothing; what the socket does not take yet goes with wire_flush. */
ssize_t wire_send(struct wire *wire, const char *bytes, size_t size);

/* 1: nothing is left, or WIRE_AGAIN, WIRE_FAIL. */
int wire_flush(struct wire *wire);

void wire_close(struct wire *wire);

uint64_t wire_now_ns(void);
uint64_t wire_number(const char *text); /* ends the program when it is none */

#endif
