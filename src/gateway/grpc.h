/* grpc.h: what a gateway has to know of gRPC over HTTP/2: which requests are of it, how long they may take, and how to
 * say in its words that something went wrong. Messages and metadata pass as they are, through no-op endpoints.
 * (gRPC: doc/PROTOCOL-HTTP2.md, doc/http-grpc-status-mapping.md.) SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GRPC_H
#define HOLDFAST_GATEWAY_GRPC_H

#include "gateway/answer.h"

enum grpc_status { /* doc/statuscodes.md; those that are said here */
                   GRPC_OK = 0,
                   GRPC_UNKNOWN = 2,
                   GRPC_DEADLINE_EXCEEDED = 4,
                   GRPC_NOT_FOUND = 5,
                   GRPC_PERMISSION_DENIED = 7,
                   GRPC_RESOURCE_EXHAUSTED = 8,
                   GRPC_UNIMPLEMENTED = 12,
                   GRPC_INTERNAL = 13,
                   GRPC_UNAVAILABLE = 14,
                   GRPC_UNAUTHENTICATED = 16,
};

/* Content-Type: application/grpc, with or without the name of a coding behind '+'. Not gRPC-Web, which says its status
 * in the body and understands HTTP's own. */
bool grpc_is_asked(const struct http_head *request);

/* Fields that gRPC cannot do without, whatever lists say. */
bool grpc_is_field(struct str name, enum header_id id);

/* What grpc-timeout says, at least 1 ns and at most some 300 years. False: nothing, or nothing that can be understood.
 */
bool grpc_timeout(const struct http_head *request, uint64_t *timeout_ns) MUST_USE;

enum grpc_status grpc_status_of_http(uint16_t status);
enum grpc_status grpc_status_of_error(const struct error *err);

/* Is the answer one of HTTP alone, as of a proxy in between? */
bool grpc_is_foreign(const struct http_head *answer);

/* An answer without messages, all in its head ("Trailers-Only"): 200, with grpc-status and grpc-message. Without memory
 * for it the message is left out. */
void grpc_answer(struct arena *arena, enum grpc_status status, struct str message, struct answer *out);

/* The same behind an answer that has begun. NULL: no memory. */
struct http_head *grpc_trailers(struct arena *arena, enum grpc_status status, struct str message);

/* grpc_health.c: grpc.health.v1.Health of the gateway itself: the empty name is all of it, other services are those
 * with an endpoint below "/name/". NOT_SERVING while it drains. Check: */
void grpc_health_answer(const struct answer_input *input, struct str request_body, struct answer *out);

/* Watch: the head of an answer that goes on, and its first message as the body; a service that is not known has a state
 * too. False: an answer that says why there is none. */
bool grpc_health_watch(const struct answer_input *input, struct str request_body, struct answer *out);
/* The message that says NOT_SERVING; static. */
struct str grpc_health_not_serving(void);

#endif
