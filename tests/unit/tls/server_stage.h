/* server_stage.h: our client stream against our server stream over an in-memory pair, and files that can be changed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_TLS_SERVER_STAGE_H
#define HOLDFAST_TESTS_UNIT_TLS_SERVER_STAGE_H

#include "tls/server_stream.h"
#include "tls_stage.h"

struct server_stage {
    struct fake_world fake;
    struct loop *loop;
    struct temporary folder;
    struct made authority;
    struct tls_server_key keys[4]; /* filled by stage_add_key */
    struct tls_server_options options;
    struct tls_server_tuning tuning;
    struct report report;
    struct tls_shared *shared;
    struct tls_server *server;
    struct tls_server_common common;
    struct tls_server_counts counts;
    struct tls_client_options client_options;
    struct tls_profile *profile;
    struct tls_sessions *sessions;
    struct stream *client, *far; /* far: the server's */
    struct stream *client_under, *far_under;
    struct probe client_owner, far_owner;
    struct error client_err, far_err;
};

void server_stage_open(struct server_stage *stage); /* one certificate for origin.test; defaults with TLS 1.2 and 1.3 */
void server_stage_start(struct server_stage *stage); /* makes the server of what the options are now */
void server_stage_add_key(struct server_stage *stage, const char *name, const char *names);
void server_stage_connect(struct server_stage *stage, const char *server_name);
enum io server_stage_shake(struct server_stage *stage); /* both ends; what the server says */
void server_stage_disconnect(struct server_stage *stage);
void server_stage_close(struct server_stage *stage); /* checks that no buffer is out */
void server_stage_turn(struct server_stage *stage);

/* Connects, shakes, moves a few bytes both ways and disconnects; whether the session was resumed. */
bool server_stage_visit(struct server_stage *stage);

#endif
