/* h2_host.h: the host's part for an HTTP/2 connection of the client role: requests that are sent to it, and what it
 * says. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_HTTP_H2_HOST_H
#define HOLDFAST_TESTS_UNIT_HTTP_H2_HOST_H

#include "h2_stage.h"

enum { HOST_STREAMS_MAX = 128 };

struct host_many {
    struct h1_stage stage;
    struct http_stream *streams[HOST_STREAMS_MAX];
};

/* A request without a body; unsent: its head has not left yet. */
struct http_stream *host_open_stream(struct h1_stage *stage);
struct http_stream *host_ask(struct h1_stage *stage);
struct http_stream *host_ask_unsent(struct h1_stage *stage);
void host_ask_many(struct host_many *many, size_t count);

void host_send_frame(struct h1_stage *stage, int type, int flags, uint32_t stream, struct str payload);
void host_send_setting(struct h1_stage *stage, unsigned id, uint32_t value);
void host_send_goaway(struct h1_stage *stage, uint32_t last, uint32_t code, const char *text);
void host_send_answer(struct h1_stage *stage, int flags, uint32_t id, const char *lines);

enum io host_recv_head(struct h1_stage *stage, struct http_stream *stream);
enum http_unfit host_unfit_of(const struct h1_stage *stage);
/* It fails with that code; whether the request may go elsewhere. */
void host_check_failed(struct h1_stage *stage, struct http_stream *stream, enum error_code code, bool retry_safe);

#endif
