/* reply.c: answers that come whole from our memory: errors, built-in endpoints, rendered JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/log.h"
#include "gateway/exchange_internal.h"
#include "gateway/grpc.h"

struct answer_input reply_input(struct exchange *x)
{
    struct loop *loop = exchange_loop(x);

    return (struct answer_input){
        .arena = x->arena,
        .service = exchange_service(x),
        .request = x->request,
        .wall_ns = loop_wall_ns(loop),
        .uptime_ns = loop_now_ns(loop) - x->client->frontend->started_ns,
        .draining = x->client->frontend->drain.begun,
        .call = x->call.host ? &x->call.head : NULL,
        .host = x->call.host,
    };
}

static enum progress cut(struct exchange *x)
{
    http_cancel(x->stream, HTTP_CANCEL_ERROR);
    return go_to(x, EXCHANGE_FINISH);
}

/* What clients may know of it: the cause, and the whole story where the configuration says so. */
static struct str grpc_message(const struct exchange *x)
{
    if (x->error.fault == FAULT_NONE)
        return status_reason(x->answer.head.status);
    return str_from(exchange_service(x)->router.return_error_msg ? x->error.text : error_code_name(x->error.code));
}

static void count_grpc(struct exchange *x, enum grpc_status status)
{
    ASSERT((unsigned)status < GRPC_STATUSES);
    host_count_add(&x->client->frontend->counts.grpc_errors[status], 1);
}

/* An error of ours, to a client that looks for grpc-status. */
static void put_in_words_of_grpc(struct exchange *x)
{
    enum grpc_status status =
        x->error.fault == FAULT_NONE ? grpc_status_of_http(x->answer.head.status) : grpc_status_of_error(&x->error);

    count_grpc(x, status);
    grpc_answer(x->arena, status, grpc_message(x), &x->answer);
}

enum progress reply_grpc(struct exchange *x, unsigned status, struct str message)
{
    count_grpc(x, (enum grpc_status)status);
    grpc_answer(x->arena, (enum grpc_status)status, message, &x->answer);
    return reply(x);
}

bool reply_late(struct exchange *x)
{
    enum grpc_status status = grpc_status_of_error(&x->error);
    struct http_head *trailers = grpc_trailers(x->arena, status, grpc_message(x));
    struct error err;

    if (!trailers || http_send_head(x->stream, trailers, true, &err) != IO_OK)
        return false;
    count_grpc(x, status);
    return true;
}

enum progress reply(struct exchange *x)
{
    struct http_head *head = &x->answer.head;
    bool head_only = x->request && str_eq(x->request->method, STR("HEAD"));
    struct str body;

    timer_clear(exchange_loop(x), &x->deadline);
    if (UNLIKELY(x->grpc) && head->status != 200)
        put_in_words_of_grpc(x);
    body = x->answer.body;
    x->status = head->status;
    if (x->answer.close && !x->client->conn->multiplexed)
        http_drain(x->client->conn);
    if (head_only)
        head->announced_bytes = (int64_t)body.len;
    head->body_bytes = head_only ? 0 : x->answer.trailers ? -1 : (int64_t)body.len;
    if (http_send_head(x->stream, head, head->body_bytes == 0, &x->error) != IO_OK)
        return cut(x);
    x->head_sent = true;
    if (head->body_bytes == 0)
        return go_to(x, EXCHANGE_FINISH);
    if (!chain_append(&x->response_body, loop_blocks(exchange_loop(x)), body))
        return cut(x);
    return go_to(x, EXCHANGE_SEND);
}

enum progress reply_run(struct exchange *x)
{
    const struct http_head *trailers = x->answer.trailers;
    enum io io = http_send_body(x->stream, &x->response_body, !trailers, &x->error);

    if (io == IO_OK && trailers)
        io = http_send_head(x->stream, trailers, true, &x->error);
    switch (io) {
    case IO_OK:
    case IO_END:
        return go_to(x, EXCHANGE_FINISH);
    case IO_WAIT:
        return PAUSE;
    case IO_FAIL:
        break;
    }
    return cut(x);
}

enum progress reply_error(struct exchange *x, uint16_t status, struct str body, struct str type)
{
    struct answer_input input = reply_input(x);
    struct outcome rescued;

    if (x->leg)
        return leg_fail(x, status, body, type);
    if (settle_rescues(x, &rescued))
        return settle_rescued(x, &rescued);
    if (x->endpoint)
        LOG(x->error.fault == FAULT_CLIENT ? LOG_WARNING : LOG_ERROR, "", "[ENDPOINT: %.*s] %s",
            STR_ARG(x->endpoint->path), x->error.text);
    else
        LOG(LOG_DEBUG, "SERVICE: HTTP Server", "bad request: %s (%s)", x->error.text, error_code_name(x->error.code));
    answer_error(&input, &x->error, status, body, type, &x->answer);
    return reply(x);
}
