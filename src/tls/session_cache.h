/* session_cache.h: sessions of TLS 1.2 clients that take no tickets, by session id, for all workers. Bounded: the one
 * longest unused yields. Any thread. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SESSION_CACHE_H
#define HOLDFAST_TLS_SESSION_CACHE_H

#include "base/str.h"

#include <openssl/ssl.h>

struct tls_session_cache;

struct tls_session_cache *tls_session_cache_new(size_t sessions_max, uint64_t seed); /* NULL: no memory */
void tls_session_cache_free(struct tls_session_cache *cache);                        /* NULL is fine */

/* Keeps a copy of the session under its id. Without memory it is not kept. */
void tls_session_cache_put(struct tls_session_cache *cache, SSL_SESSION *session);
SSL_SESSION *tls_session_cache_get(struct tls_session_cache *cache, struct str id); /* the caller's; NULL: none */

size_t tls_session_cache_count(struct tls_session_cache *cache);

#endif
