/* profile.h: how connections to upstreams are secured: versions, suites, curves, whom we trust, who we are. One for
 * each distinct `client_tls`, counted, shared by all workers and read-only once made; connections keep it alive.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_PROFILE_H
#define HOLDFAST_TLS_PROFILE_H

#include "base/error.h"
#include "tls/digest.h"
#include "tls/options.h"

struct tls_profile;

/* Makes a profile with one reference. As KrakenD has it, files of CAs and client certificates that cannot be used are
 * logged and passed over, and versions that leave nothing make each handshake fail, not this. The system's CAs are
 * those of OpenSSL, SSL_CERT_FILE and SSL_CERT_DIR included. NULL with *err: out_of_memory, system. */
struct tls_profile *tls_profile_new(const struct tls_client_options *options, struct error *err);

struct tls_profile *tls_profile_ref(struct tls_profile *profile); /* by any thread; returns it. NULL is fine */
void tls_profile_unref(struct tls_profile *profile);              /* the same */

/* Equal for profiles of the same settings and the same contents of files: part of the pool's key, so that connections
 * outlive a reload that changes nothing. */
const struct tls_digest *tls_profile_identity(const struct tls_profile *profile);

#endif
