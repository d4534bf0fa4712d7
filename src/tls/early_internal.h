/* early_internal.h: a server's stream that may carry early data, until its handshake is done (server_early.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_EARLY_INTERNAL_H
#define HOLDFAST_TLS_EARLY_INTERNAL_H

#include "tls/server_stream.h"
#include "tls/stream_internal.h"

bool tls_early_new(struct tls_stream *tls) MUST_USE; /* false: no memory */
void tls_early_free(struct tls_stream *tls);

/* A step of the handshake. IO_OK: it is done, or early data is here; IO_WAIT; IO_FAIL with tls->failure set. */
enum io tls_early_step(struct tls_stream *tls);

/* server_stream.c: goes on with the handshake. IO_OK: it is done, noted and counted; IO_WAIT; IO_END; IO_FAIL with
 * tls->failure set. */
enum io tls_server_shake(struct tls_stream *tls);
void tls_server_count(struct tls_stream *tls, enum tls_count what);
void tls_server_count_failure(struct tls_stream *tls); /* tls->failure is why; once */

#endif
