/* tls_stage.h: a TLS client stream over an in-memory pair and a server of OpenSSL's own at the other end, with
 * certificates made on the spot. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_TLS_TLS_STAGE_H
#define HOLDFAST_TESTS_UNIT_TLS_TLS_STAGE_H

#include "harness/test.h"
#include "net/pair.h"
#include "tls/stream.h"
#include "unit/os/fake_world.h"
#include "unit/os/temporary.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct made { /* a certificate and its key */
    EVP_PKEY *key;
    X509 *certificate;
};

struct made_options {
    const char *names;         /* subjectAltName: "DNS:origin.test,IP:127.0.0.1" */
    const struct made *issuer; /* NULL: self-signed */
    bool authority, expired;
};

struct made made_new(const struct made_options *options);
void made_free(struct made *made);
struct str made_file(struct temporary *folder, const char *name, const struct made *made, bool key); /* PEM; its path */

/* Bytes that OpenSSL holds now, in this process. */
size_t openssl_bytes(void);

struct probe {
    struct task task;
    unsigned runs;
};

struct tls_stage_options {
    const struct made *certificate; /* of the server; NULL: one for "origin.test" that the client trusts */
    const char *server_name;        /* NULL: "origin.test" */
    struct tls_client_options client;
    int server_min, server_max; /* versions; 0: any */
    bool wants_certificate;     /* the server does */
    bool no_alpn;
    bool system_ca;     /* the client trusts the system's CAs, which SSL_CERT_FILE says are the stage's */
    size_t room, limit; /* of the pair; 0: 64 KiB, no limit */
    struct tls_sessions *sessions;
};

struct tls_stage {
    struct fake_world fake;
    struct loop *loop;
    struct temporary folder;
    struct made authority, own;
    struct tls_profile *profile;
    SSL_CTX *settings; /* the server's */
    SSL *server;
    struct stream *client, *far; /* NULL once closed */
    struct stream *near;         /* what client runs over; its own to close */
    struct probe owner;
    struct error err;
};

/* Makes profile and server, and a first connection. */
void stage_open(struct tls_stage *stage, const struct tls_stage_options *options);
void stage_connect(struct tls_stage *stage, const struct tls_stage_options *options);
void stage_disconnect(struct tls_stage *stage); /* closes what is open of the connection */
void stage_close(struct tls_stage *stage);      /* checks that no buffer is out */

void stage_turn(struct tls_stage *stage);     /* the loop's tasks, until nobody is awake */
void stage_move(struct tls_stage *stage);     /* carries bytes between the server's SSL and the pair, and a turn */
enum io stage_shake(struct tls_stage *stage); /* handshake of both ends; the client's answer */
void stage_shaken(struct tls_stage *stage, const struct tls_stage_options *options); /* open, and shake: must succeed */
size_t stage_serve(struct tls_stage *stage, char *out, size_t size);                 /* what the server can read now */
void stage_answer(struct tls_stage *stage, struct str text);                         /* the server writes all of it */
void stage_end_far(struct tls_stage *stage); /* FIN of the server, without close_notify */

enum io stage_read(struct tls_stage *stage, char *out, size_t size, size_t *got);
enum io stage_write(struct tls_stage *stage, struct str text, size_t *sent);

#endif
