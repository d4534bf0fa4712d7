/* reply.c: answers that come whole from our memory: errors, built-in endpoints, rendered JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/exchange_internal.h"

struct answer_input reply_input(struct exchange *x)
{
    struct loop *loop = exchange_loop(x);

    return (struct answer_input){
        .arena = x->arena,
        .service = exchange_service(x),
        .request = x->request,
        .wall_ns = loop_wall_ns(loop),
        .uptime_ns = loop_now_ns(loop) - x->client->frontend->started_ns,
        .draining = x->client->frontend->draining,
        .call = x->call.host ? &x->call.head : NULL,
        .host = x->call.host,
    };
}

static enum progress cut(struct exchange *x)
{
    http_cancel(x->stream, HTTP_CANCEL_ERROR);
    return go_to(x, EXCHANGE_FINISH);
}

enum progress reply(struct exchange *x)
{
    struct http_head *head = &x->answer.head;
    struct str body = x->answer.body;
    bool head_only = x->request && str_eq(x->request->method, STR("HEAD"));

    timer_clear(exchange_loop(x), &x->deadline);
    x->status = head->status;
    if (x->answer.close && !x->client->conn->multiplexed)
        http_drain(x->client->conn);
    if (head_only)
        head->announced_bytes = (int64_t)body.len;
    head->body_bytes = head_only ? 0 : (int64_t)body.len;
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
    switch (http_send_body(x->stream, &x->response_body, true, &x->error)) {
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
