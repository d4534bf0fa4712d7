/* sessions.h: what servers gave us to resume with: the newest few tickets of each key, for the whole process, so that a
 * worker resumes what another has begun. Any thread.
 *
 * A key is a digest of all that makes two connections alike (who is dialed, by which name, under which profile), so a
 * session never meets another identity. A TLS 1.3 ticket is used once (RFC 8446 C.4); a TLS 1.2 session until a newer
 * one comes. What is kept, and what is taken, are copies: no session is part of two connections' states at once.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SESSIONS_H
#define HOLDFAST_TLS_SESSIONS_H

#include "tls/digest.h"

#include <openssl/ssl.h>

enum { TLS_TICKETS_MAX = 8 }; /* of one key: as many as a burst of new connections can use at once */

struct tls_sessions;

/* Keeps at most keys_max keys: the one longest unused yields. `seed` is of its hash map. NULL: no memory. */
struct tls_sessions *tls_sessions_new(size_t keys_max, uint64_t seed);
void tls_sessions_free(struct tls_sessions *sessions); /* NULL is fine; streams that name it must be closed */

/* Keeps a copy of the session, when there is memory for it. */
void tls_sessions_put(struct tls_sessions *sessions, const struct tls_digest *key, const SSL_SESSION *session);

/* The newest that still is of use, the caller's; NULL: none. */
SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions, const struct tls_digest *key);

size_t tls_sessions_count(struct tls_sessions *sessions); /* tickets of all keys */

#endif
