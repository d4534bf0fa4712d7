/* server_internal.h: the insides of a secured listener, for its files:
 *
 *   shared.c         for all listeners
 *   server.c         birth, re-reading, facts        server_profile.c  one reading: OpenSSL's settings
 *   server_files.c   certificates, keys and CAs      server_names.c    which certificate for which name
 *   server_resume.c  tickets, cache, early data      server_stream.c   the stream and its handshake
 *   server_early.c   a stream before the handshake is done
 *   server_audit.c   what is wrong with certificates that work
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_SERVER_INTERNAL_H
#define HOLDFAST_TLS_SERVER_INTERNAL_H

#include "base/assert.h"
#include "base/map.h"
#include "tls/profile_internal.h"
#include "tls/server.h"
#include "tls/session_cache.h"
#include "tls/staple.h"
#include "tls/strikes.h"
#include "tls/tickets.h"

#include <stdatomic.h>

enum { TLS_NODE_BYTES = 16, TLS_PROTOCOLS_BYTES_MAX = 64, TLS_FILE_BYTES_MAX = 4 << 20, TLS_PATH_BYTES_MAX = 4096 };

struct tls_shared {
    _Atomic uint32_t holders;
    const struct tls_server_tuning *tuning;
    struct tls_tickets *tickets;     /* NULL: none are given */
    struct tls_session_cache *cache; /* NULL: none */
    struct tls_strikes *strikes;     /* NULL: no early data */
    uint8_t node[TLS_NODE_BYTES];    /* this process: early data is taken on tickets of its own only */
    uint64_t rotations, reloads_failed;
};

struct tls_identity {
    X509 *certificate;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
    struct tls_staple staple;
};

/* Certificates of a name, in the order of the configuration. */
struct tls_named {
    uint32_t *items; /* indices of identities, rising */
    size_t count;
};

/* One reading of all files. Streams keep it alive through their profile. */
struct tls_server_profile {
    struct tls_profile base;
    struct arena *arena;
    struct tls_identity *identities;
    size_t count;
    struct map *names;                          /* lower case, "a.example" or "*.example", to struct tls_named */
    struct tls_shared *shared;                  /* held */
    uint8_t protocols[TLS_PROTOCOLS_BYTES_MAX]; /* as they stand in the handshake */
    unsigned protocols_len;
    unsigned passed_over;          /* CA files that cannot be used */
    struct str passed_over_latest; /* one of them */
    bool early_data;
};

struct tls_trouble { /* what is wrong, and where that was asked for */
    struct error err;
    struct place place;
};

/* server_profile.c: one reading; NULL: *trouble. */
struct tls_server_profile *tls_server_profile_new(const struct tls_server_start *start, struct tls_trouble *trouble);

/* server_files.c */
bool tls_identity_load(struct arena *arena, const struct tls_server_key *key, struct tls_identity *identity,
                       struct tls_trouble *trouble) MUST_USE;
void tls_identity_end(struct tls_identity *identity);
/* Whom clients may be: the system's CAs, ca_certs, and the certificates shown. False: no memory. */
bool tls_server_load_authorities(struct tls_server_profile *profile, const struct tls_server_options *options,
                                 struct tls_digesting *policy) MUST_USE;

/* server_names.c */
bool tls_server_index_names(struct tls_server_profile *profile) MUST_USE; /* false: no memory */
void tls_server_set_choice(struct tls_server_profile *profile);           /* certificates, staples, ALPN */

/* server_resume.c */
void tls_server_set_resumption(struct tls_server_profile *profile, const struct tls_server_tuning *tuning);

static inline struct tls_server_profile *tls_server_profile_of(struct tls_profile *profile)
{
    return container_of(profile, struct tls_server_profile, base);
}

/* server.c: the newest reading, with a reference for the caller. */
struct tls_server_profile *tls_server_latest(struct tls_server *server);

#endif
