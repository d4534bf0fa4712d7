/* profile_internal.h: what stream.c needs of a profile, and what the profile's two files share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_PROFILE_INTERNAL_H
#define HOLDFAST_TLS_PROFILE_INTERNAL_H

#include "tls/profile.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct tls_profile {
    SSL_CTX *settings;
    struct tls_digest identity;
    BIO_METHOD *method; /* of its streams; OpenSSL wants one that outlives them */
    bool insecure;      /* neither chain nor name is checked */
    bool impossible;    /* min_version is above max_version: no handshake can succeed */
    atomic_uint references;
    void (*end)(struct tls_profile *profile); /* frees what it is part of, itself included; NULL: it stands alone */
};

/* profile.c: versions, suites, curves and modes, of either role. False: what OpenSSL says, or no memory. */
bool tls_profile_set_protocol(struct tls_profile *profile, const struct tls_client_options *options) MUST_USE;

/* profile_files.c: reads what the options name into the settings, and its bytes into the identity. False: no memory.
 */
bool tls_profile_load_files(SSL_CTX *settings, const struct tls_client_options *options,
                            struct tls_digesting *identity) MUST_USE;

/* profile_files.c: for PEM readers: there is no password; and what OpenSSL says was wrong, its queue emptied. */
int tls_no_password(char *out, int size, int writing, void *arg);
const char *tls_openssl_reason(void);

/* stream.c: OpenSSL's news of a session for the stream that got it. */
int tls_stream_new_session(SSL *ssl, SSL_SESSION *session);

#endif
