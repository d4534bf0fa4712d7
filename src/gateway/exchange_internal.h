/* exchange_internal.h: what the files of an exchange share: exchange.c (the switch), call.c (the backend), call_body.c
 * and collect.c (what comes of it), relay.c (streaming), reply.c (answers of our own).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_EXCHANGE_INTERNAL_H
#define HOLDFAST_GATEWAY_EXCHANGE_INTERNAL_H

#include "gateway/exchange.h"
#include "gateway/outcome.h"

/* What a step of the switch says: go on with the state it has set, wait for a wake, or the exchange is over. */
enum progress { MORE, PAUSE, OVER };

enum {
    PIECE_BYTES = 4 * BLOCK_LARGE_BYTES,      /* body moved at a time: four large buffers */
    UNPACKED_AT_ONCE_BYTES = PIECE_BYTES,     /* of a body that is collected: more is a heavy step, it may be a bomb */
    HEAVY_BODY_BYTES = 2 * BLOCK_LARGE_BYTES, /* from here on it is a heavy step to decode a body */
    REQUEST_BODY_MAX_BYTES = 1048576,         /* of requests that we answer ourselves with their body */
    COPIED_BODY_MAX_BYTES = 67108864,         /* of requests that go to several backends */
};

/* exchange.c: request body from the client, within max_body_bytes; answers as http_recv_body. */
enum io exchange_recv_body(struct exchange *exchange);
/* exchange.c: exchange->error is filled; what can still be said to the client? */
enum progress exchange_fail(struct exchange *exchange);

/* call.c */
enum progress call_start(struct exchange *exchange);
bool call_repeat_body(struct exchange *exchange); /* request_body is `body` again, all of it. False: error is set */
enum progress call_run(struct exchange *exchange);
/* The client's body is complete: what stands behind it, for endpoints that pass it on. In HTTP/2 it may be there behind
 * any length; a host of HTTP/1 gets it behind chunks only. False: exchange->error. */
bool call_take_trailers(struct exchange *exchange) MUST_USE;
/* Moves request body from the client to the backend. IO_OK: all of it is on its way; IO_FAIL: exchange->error. */
enum io call_pump_request(struct exchange *exchange);

/* collect.c: EXCHANGE_COLLECT and EXCHANGE_DECODE */
enum progress collect_run(struct exchange *exchange);
enum progress collect_decode(struct exchange *exchange);

/* first_flight.c: a call whose request has a body: EXCHANGE_FLIGHT, or EXCHANGE_CALL where nothing is to be awaited. */
enum progress first_flight_begin(struct exchange *exchange);
enum progress first_flight_run(struct exchange *exchange);
void first_flight_end(struct exchange *exchange); /* its clock; at any time, before the arena goes */

/* call_body.c: sees by the answer's head whether its body has to be unpacked, and makes the head say what comes out of
 * it. False: exchange->error. */
bool call_begin_body(struct exchange *exchange) MUST_USE;
/* The same: body of the answer to the end of response_body, unpacked, a piece at a time; answers as fetch_body. */
enum io call_body(struct exchange *exchange);
void call_end_body(struct exchange *exchange); /* lets go of what it holds outside the arena */
/* An answer that is unpacked. */
struct unpacking {
    struct gunzip_stream *gunzip;
    struct chain packed; /* body that has not been unpacked yet */
};

/* follow.c: a redirect of the backend: FOLLOWED: call.head and call.host are those of the next request; FAIL:
 * exchange->error. */
enum followed { FOLLOWED_NOT, FOLLOWED, FOLLOWED_FAIL };
enum followed follow_redirect(struct exchange *exchange);

/* early.c: requests before the end of the TLS handshake: call_start, now or later */
enum progress early_begin(struct exchange *exchange);
enum progress early_run(struct exchange *exchange);
bool early_is_refused(const struct exchange *exchange); /* the backend's answer: not before the handshake is done */
enum progress early_retry(struct exchange *exchange);

/* call_hosts.c: sets call.host. IO_WAIT: its name is being looked up; IO_FAIL: exchange->error. */
enum io call_pick_host(struct exchange *exchange);
/* The fetch has failed. True: call.host is another host, that may be asked with what request_body holds now. */
bool call_next_host(struct exchange *exchange);

/* leg.c: what a try of a composition has come to. */
enum progress leg_take(struct exchange *attempt, const struct decoded *decoded, struct str body);
enum progress leg_fail(struct exchange *attempt, uint16_t status, struct str body, struct str type);

/* settle.c: whether an endpoint takes more than one call; then compose_begin stands for call_start. */
bool compose_wanted(const struct exchange *exchange);
enum progress compose_begin(struct exchange *exchange);
enum progress compose_run(struct exchange *exchange);
/* What the backend, or the backends, have come to: static data, flatmap, and the answer. */
enum progress settle(struct exchange *exchange, struct outcome *outcome);
enum progress settle_decoded(struct exchange *exchange, const struct decoded *decoded);
/* exchange->error: does static data make an answer of it? Then settle_rescued sends it. */
bool settle_rescues(struct exchange *exchange, struct outcome *outcome);
enum progress settle_rescued(struct exchange *exchange, const struct outcome *outcome);

/* request_log.c: the access line of a request that is over; the whole request on the log, for /__debug/ */
void log_access(struct exchange *exchange);
void log_request(const struct exchange *exchange, struct str body);

/* relay.c */
enum progress relay_run(struct exchange *exchange);

/* reply.c */
enum progress reply(struct exchange *exchange); /* exchange->answer is filled: send it */
enum progress reply_error(struct exchange *exchange, uint16_t status, struct str body, struct str type);
enum progress reply_run(struct exchange *exchange);
enum progress reply_grpc(struct exchange *exchange, unsigned status, struct str message); /* one of enum grpc_status */
/* gRPC: exchange->error behind an answer that has begun, as its trailers. False: it cannot be told any more. */
bool reply_late(struct exchange *exchange) MUST_USE;
struct answer_input reply_input(struct exchange *exchange);

/* grpc_watch.c: a watcher of the gateway's health, whose request is whole */
enum progress watch_begin(struct exchange *exchange);
enum progress watch_run(struct exchange *exchange);
void watches_wake(struct frontend *frontend); /* it, or one of its listeners, drains from now on */

static inline struct loop *exchange_loop(const struct exchange *exchange)
{
    return exchange->client->frontend->loop;
}

static inline const struct service *exchange_service(const struct exchange *exchange)
{
    return generation_service(exchange->generation);
}

static inline enum progress go_to(struct exchange *exchange, enum exchange_state state)
{
    exchange->state = state;
    return MORE;
}

#endif
