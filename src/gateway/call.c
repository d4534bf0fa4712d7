/* call.c: one backend of an exchange: pick a host, send the request with its body, take the answer's head. What comes
 * behind it: collect.c for decoded endpoints, relay.c for streams. Start with call_start.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange_internal.h"
#include "gateway/grpc.h"
#include "gateway/leg.h"
#include "gateway/websocket.h"

/* Some of them may be kept back. */
static bool has_trailers(const struct exchange *x)
{
    return x->trailers && x->trailers->headers.count > 0;
}

static struct str client_ip_of(struct exchange *x)
{
    if (x->leg)
        return x->leg->input->client_ip;
    return forward_client_ip(x->arena, &exchange_service(x)->router, x->request, x->client->peer);
}

static bool build_head(struct exchange *x)
{
    struct forward_input input = {
        .service = exchange_service(x),
        .endpoint = x->endpoint,
        .backend = x->call.backend,
        .host = x->call.host,
        .request = x->request,
        .match = x->match,
        .early = x->early,
        .upgrade = x->upgrade,
        .grpc = x->grpc,
        .empty = x->request_ended && x->request_body.size == 0 && !has_trailers(x),
        .client_ip = client_ip_of(x),
    };

    if (!forward_request(x->arena, &input, &x->call.head, &x->error))
        return false;
    x->call.asks_for_gzip =
        x->endpoint->traffic == CLASS_SHORT && !x->grpc && forward_may_ask_for_gzip(x->call.backend, &x->call.head);
    return !x->call.asks_for_gzip || forward_ask_for_gzip(x->arena, &x->call.head, &x->error);
}

/* Who decodes the answer needs the whole of it soon, however slow the client is. */
static const struct http_conn *reader_of(const struct exchange *x)
{
    const struct http_conn *conn = x->client->conn;

    return conn && conn->multiplexed && x->endpoint->no_op ? conn : NULL;
}

/* A request without a body, whose end HTTP/1 tells by its head, has nothing more to pass on. */
static void note_bodyless(struct exchange *x)
{
    if (x->call.head.body_bytes != 0 || x->request->body_bytes != 0 || !x->stream || x->client->conn->multiplexed)
        return;
    x->request_ended = true;
    x->request_sent = true;
}

/* Sends call.head to call.host. */
static enum progress begin_fetch(struct exchange *x)
{
    note_bodyless(x);
    x->call.fetch = fetch_start(x->arena,
                                &(struct fetch_options){
                                    .pool = x->client->frontend->pool,
                                    .host = x->call.host,
                                    .transport = x->call.backend->transport,
                                    .head = &x->call.head,
                                    .privates = &x->client->privates,
                                    .client = x->client->peer,
                                    .client_stream = x->client->conn ? x->client->conn->stream : NULL,
                                    .eject_after = x->call.eject_after,
                                    .others = x->call.others && x->call.hops == 0,
                                    .reader = reader_of(x),
                                    .trail = x->trail,
                                },
                                &x->task);
    if (!x->call.fetch) {
        error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a backend request");
        return exchange_fail(x);
    }
    return MORE;
}

static enum progress ask_host(struct exchange *x)
{
    return build_head(x) ? begin_fetch(x) : exchange_fail(x);
}

bool call_repeat_body(struct exchange *x)
{
    chain_clear(&x->request_body);
    x->request_ended = true;
    x->request_sent = false;
    if (x->body.len == 0 || chain_append_borrowed(&x->request_body, loop_blocks(exchange_loop(x)), x->body))
        return true;
    error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a request's body");
    return false;
}

enum progress call_start(struct exchange *x)
{
    if (compose_wanted(x))
        return compose_begin(x);
    x->call.backend = &x->endpoint->backends[0];
    if (x->request->body_bytes == 0)
        return go_to(x, EXCHANGE_CALL);
    if (!x->call.backend->options->send_body_on_redirect)
        return first_flight_begin(x);
    if (!x->body.data)
        return go_to(x, EXCHANGE_REQUEST);
    return call_repeat_body(x) ? go_to(x, EXCHANGE_CALL) : exchange_fail(x);
}

static enum progress choose_host(struct exchange *x)
{
    enum io io = call_pick_host(x);

    if (io == IO_WAIT)
        return PAUSE;
    return io == IO_OK ? ask_host(x) : exchange_fail(x);
}

/* The host has failed it before any byte of an answer: each other host may have it once, when that does no harm. */
static enum progress fail_over(struct exchange *x)
{
    if (x->call.hops > 0 || !call_next_host(x))
        return exchange_fail(x);
    fetch_end(x->call.fetch, HTTP_CANCEL_GONE);
    x->call.fetch = NULL;
    x->request_sent = false;
    x->error.fault = FAULT_NONE;
    return ask_host(x);
}

bool call_take_trailers(struct exchange *x)
{
    struct forward_input input = {.endpoint = x->endpoint, .backend = x->call.backend};
    enum io io;

    if (!x->stream || !x->endpoint->no_op || (x->request->body_bytes >= 0 && !x->client->conn->multiplexed))
        return true;
    io = http_recv_head(x->stream, x->arena, &x->trailers, &x->error);
    if (io == IO_OK)
        forward_trailers(&input, x->trailers);
    return io != IO_FAIL;
}

/* One piece from the client to the backend. IO_OK: it was passed on. */
static enum io pump_piece(struct exchange *x)
{
    enum io io;

    if (!fetch_may_send(x->call.fetch))
        return IO_WAIT;
    if (x->request_body.size == 0 && !x->request_ended) {
        io = exchange_recv_body(x);
        if (io == IO_WAIT || io == IO_FAIL)
            return io;
        x->request_ended = io == IO_END;
        if (x->request_ended && !call_take_trailers(x))
            return IO_FAIL;
    }
    if (UNLIKELY(x->trailers != NULL))
        fetch_set_trailers(x->call.fetch, x->trailers);
    io = fetch_send(x->call.fetch, &x->request_body, x->request_ended, &x->error);
    x->request_sent = io == IO_OK && x->request_ended;
    return io;
}

/* Tells without asking for more of the body, which may be held back or have no place to go. */
static bool client_has_failed(const struct exchange *x)
{
    struct http_conn_facts facts;

    if (!x->stream || x->stream->gone)
        return x->stream != NULL;
    http_facts(x->client->conn, &facts);
    return facts.last_error != NULL;
}

enum io call_pump_request(struct exchange *x)
{
    bool had_ended = x->request_ended;
    enum io io = IO_OK;

    while (io == IO_OK && !x->request_sent)
        io = pump_piece(x);
    /* The client has nothing more to say, or is not asked yet; but it may have gone away since it was asked. */
    if (((io == IO_OK && had_ended) || (io == IO_WAIT && client_has_failed(x))) && exchange_recv_body(x) == IO_FAIL)
        io = IO_FAIL;
    return io;
}

/* It can only be the proxy's own: our password is wrong, and no client has another. */
static bool proxy_refuses(struct exchange *x)
{
    const struct forward_proxy *proxy = x->call.host->forward;

    if (!proxy || x->call.host->tls || x->call.answer->status != 407)
        return false;
    host_count_add(&pool_counts(x->client->frontend->pool, x->call.host)->proxy_failures, 1);
    error_set(&x->error, FAULT_UPSTREAM, ERROR_PROXY_REFUSED, "proxy %.*s: 407 Proxy Authentication Required",
              STR_ARG(proxy->shown));
    return true;
}

/* To a client that sent an extended CONNECT any success is a tunnel. */
static bool promises_a_tunnel(struct exchange *x)
{
    if (!x->upgrade || !x->client->conn->multiplexed || x->call.answer->status / 100 != 2)
        return false;
    error_set(&x->error, FAULT_UPSTREAM, ERROR_BAD_UPGRADE, "%.*s: %u instead of a switch of protocols",
              STR_ARG(x->call.host->url), (unsigned)x->call.answer->status);
    return true;
}

/* Something on the way answered, or a server that knows no gRPC: the client is told what it can understand. */
static enum progress translate_for_grpc(struct exchange *x)
{
    uint16_t status = x->call.answer->status;
    struct str reason = status_reason(status);

    fetch_end(x->call.fetch, HTTP_CANCEL_GONE);
    x->call.fetch = NULL;
    return reply_grpc(x, grpc_status_of_http(status),
                      arena_format(x->arena, "the host answered %u %.*s", (unsigned)status, STR_ARG(reason)));
}

static enum progress take_answer(struct exchange *x)
{
    if (x->call.answer->status == 101)
        return websocket_begin(x) ? go_to(x, EXCHANGE_FINISH) : exchange_fail(x);
    if (proxy_refuses(x) || promises_a_tunnel(x))
        return exchange_fail(x);
    if (UNLIKELY(x->grpc) && x->endpoint->no_op && grpc_is_foreign(x->call.answer))
        return translate_for_grpc(x);
    if (!call_begin_body(x))
        return exchange_fail(x);
    return go_to(x, x->endpoint->no_op ? EXCHANGE_RELAY : EXCHANGE_COLLECT);
}

static enum progress take_head(struct exchange *x)
{
    switch (follow_redirect(x)) {
    case FOLLOWED_NOT:
        return take_answer(x);
    case FOLLOWED:
        return begin_fetch(x);
    case FOLLOWED_FAIL:
        break;
    }
    return exchange_fail(x);
}

enum progress call_run(struct exchange *x)
{
    enum io io;

    if (!x->call.fetch)
        return choose_host(x);
    io = fetch_head(x->call.fetch, x->arena, &x->call.answer, &x->error);

    if (io == IO_OK)
        return early_is_refused(x) ? early_retry(x) : take_head(x);
    if (io != IO_FAIL)
        io = call_pump_request(x);
    return io == IO_FAIL ? fail_over(x) : PAUSE;
}
