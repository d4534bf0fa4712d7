/* tickets.h: the keys that session tickets are encrypted with (RFC 5077 4, RFC 8446 4.6.1), for all workers.
 *
 * Made in memory and changed by the clock, or read from files, so that several nodes resume each other's sessions. The
 * newest key encrypts; older ones still decrypt, and lead to a new ticket. Any thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_TICKETS_H
#define HOLDFAST_TLS_TICKETS_H

#include "base/error.h"
#include "base/str.h"

#include <openssl/ssl.h>

struct tls_tickets;

struct tls_tickets_options {
    const struct str *files; /* 48 bytes (name, MAC key, AES-128 key) or 80 (AES-256); borrowed. The first encrypts */
    size_t file_count;       /* 0: keys are made here */
    uint64_t rotation_ns;    /* how long a made key encrypts, and any key decrypts after it was the newest */
};

/* now_ns 0: the clock starts at the first refresh. NULL with *err: out_of_memory, system, or what is wrong with the
 * file of the index *bad (when not NULL). */
struct tls_tickets *tls_tickets_new(const struct tls_tickets_options *options, uint64_t now_ns, size_t *bad,
                                    struct error *err);
void tls_tickets_free(struct tls_tickets *tickets); /* NULL is fine */

/* Now and then, by one thread: rotates, reads files that have changed if they are `watched`, forgets keys that are too
 * old. A key that left the files goes on decrypting for a rotation. False with *err: a file is bad, and nothing has
 * changed. */
bool tls_tickets_refresh(struct tls_tickets *tickets, uint64_t now_ns, bool watched, bool *changed,
                         struct error *err) MUST_USE;

/* When that has something to do by the clock: to make a key, or to forget one. By the same thread. UINT64_MAX: never.
 */
uint64_t tls_tickets_due_ns(struct tls_tickets *tickets);

/* The same files, named elsewhere in memory: borrowed in place of those it was made with. */
void tls_tickets_renew(struct tls_tickets *tickets, const struct str *files);

/* For SSL_CTX_set_tlsext_ticket_key_evp_cb: 1, or 2 when a new ticket should follow; 0: a key that nobody knows. */
int tls_tickets_use(struct tls_tickets *tickets, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt);

size_t tls_tickets_count(struct tls_tickets *tickets); /* keys that decrypt */

#endif
