/* answer.c: answers that the gateway makes itself: for errors, and for requests that led to no route. The texts of
 * failed backend requests are in answer_text.c, the built-in endpoints in answer_builtin.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/answer.h"

#include "base/assert.h"
#include "gateway/answer_internal.h"

struct str answer_version(const struct service *service)
{
    return service->router.hide_version_header ? STR("Version undefined") : STR("Version " HOLDFAST_VERSION);
}

void answer_begin(struct answer *out, uint16_t status)
{
    *out = (struct answer){.head = {.status = status, .version_minor = 1, .announced_bytes = -1}, .body = STR("")};
}

void answer_add(const struct answer_input *input, struct answer *out, enum header_id id, struct str value)
{
    /* Without room the answer goes out with what it has: it is the last thing said anyway. */
    (void)!headers_add_id(&out->head.headers, input->arena, id, value);
}

void answer_set_body(struct answer *out, struct str body)
{
    out->body = body.data ? body : STR("");
    out->head.body_bytes = (int64_t)out->body.len;
}

void answer_add_krakend(const struct answer_input *input, struct answer *out, bool with_completed)
{
    answer_add(input, out, HEADER_X_KRAKEND, answer_version(input->service));
    if (with_completed)
        answer_add(input, out, HEADER_X_KRAKEND_COMPLETED, STR("false"));
}

/* Statuses of what a client did wrong. */
static uint16_t client_status(enum error_code code)
{
    static const struct {
        enum error_code code;
        uint16_t status;
    } rows[] = {
        {ERROR_HEAD_TOO_LARGE, 431}, {ERROR_TARGET_TOO_LONG, 414}, {ERROR_BAD_VERSION, 505},
        {ERROR_BAD_CODING, 501},     {ERROR_BAD_EXPECTATION, 417}, {ERROR_BODY_TOO_LARGE, 413},
        {ERROR_TOO_LARGE, 413},      {ERROR_HEAD_TIMEOUT, 408},    {ERROR_BODY_TIMEOUT, 408},
        {ERROR_IDLE_TIMEOUT, 408},   {ERROR_CLIENT_GONE, 500},     {ERROR_TOO_MANY_STREAMS, 429},
        {ERROR_MISDIRECTED, 421},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].code == code)
            return rows[i].status;
    return 400;
}

/* The cause under error_status precise. */
static uint16_t upstream_status(const struct error *err)
{
    static const struct {
        enum error_code code;
        uint16_t status;
    } rows[] = {
        {ERROR_DEADLINE, 504},        {ERROR_CONNECT_TIMEOUT, 504}, {ERROR_RESPONSE_HEADER_TIMEOUT, 504},
        {ERROR_RESOLVE_TIMEOUT, 504}, {ERROR_WRITE_TIMEOUT, 504},   {ERROR_NO_HOSTS, 503},
        {ERROR_QUEUE_TIMEOUT, 503},   {ERROR_DRAINING, 503},        {ERROR_OUT_OF_FILES, 503},
        {ERROR_OUT_OF_PORTS, 503},    {ERROR_PRESSURE_FD, 503},     {ERROR_PRESSURE_PORT, 503},
        {ERROR_DEAD_PATH, 504},       {ERROR_TLS_TIMEOUT, 504},     {ERROR_PROXY_TIMEOUT, 504},
        {ERROR_NO_STREAMS, 503},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].code == err->code)
            return rows[i].status;
    return err->fault == FAULT_UPSTREAM ? 502 : 500;
}

/* Go's server says so much of a request it does not take, and closes. */
static void answer_client_fault(const struct answer_input *input, const struct error *err, uint16_t status,
                                struct answer *out)
{
    struct str reason = status_reason(status);

    answer_begin(out, status);
    out->close = true;
    answer_add(input, out, HEADER_CONTENT_TYPE, STR("text/plain; charset=utf-8"));
    answer_set_body(
        out, arena_format(input->arena, "%u %.*s: %s", (unsigned)status, STR_ARG(reason), error_code_name(err->code)));
}

void answer_error(const struct answer_input *input, const struct error *err, uint16_t status, struct str error_body,
                  struct str error_type, struct answer *out)
{
    bool precise = input->service->server.error_status == ERROR_STATUS_PRECISE;
    struct str body = error_body.data ? error_body : answer_error_text(input, err);

    if (err->fault == FAULT_CLIENT && status == 0 && err->code != ERROR_CLIENT_GONE) {
        answer_client_fault(input, err, client_status(err->code), out);
        return;
    }
    if (status == 0)
        status = precise ? upstream_status(err) : 500;
    answer_begin(out, status);
    answer_add_krakend(input, out, true);
    if (!input->service->router.return_error_msg || status == 304)
        return;
    if (status_has_body(status))
        answer_set_body(out, body);
    if (error_type.len > 0)
        answer_add(input, out, HEADER_CONTENT_TYPE, error_type);
    else if (out->body.len > 0)
        answer_add(input, out, HEADER_CONTENT_TYPE, answer_sniff(out->body));
}

/* 404 and 405, with the body that the configuration has for them. */
static void answer_missing(const struct answer_input *input, uint16_t status, struct str own_body, struct answer *out)
{
    answer_begin(out, status);
    answer_add_krakend(input, out, true);
    if (own_body.data) {
        answer_set_body(out, own_body);
        answer_add(input, out, HEADER_CONTENT_TYPE, STR("application/json; charset=utf-8"));
        return;
    }
    answer_set_body(out, status == 404 ? STR("404 page not found") : STR("405 method not allowed"));
    answer_add(input, out, HEADER_CONTENT_TYPE, STR("text/plain"));
}

void answer_unrouted(const struct answer_input *input, const struct route_match *match, struct answer *out)
{
    const struct router_options *router = &input->service->router;
    struct error err;

    switch (match->kind) {
    case ROUTE_REDIRECT:
        answer_redirect(input, match, out);
        return;
    case ROUTE_NOT_ALLOWED:
        answer_missing(input, 405, router->error_body_405, out);
        answer_add(input, out, HEADER_ALLOW, match->allow);
        return;
    case ROUTE_BAD_PATH:
        error_set(&err, FAULT_CLIENT, ERROR_BAD_TARGET, "malformed percent-escape");
        answer_client_fault(input, &err, 400, out);
        return;
    case ROUTE_NONE:
        answer_missing(input, 404, router->error_body_404, out);
        return;
    case ROUTE_FOUND:
        break;
    }
    ASSERT(match->kind != ROUTE_FOUND);
}

void answer_bad_parameter(const struct answer_input *input, struct str text, struct answer *out)
{
    answer_begin(out, 400);
    answer_set_body(out, text);
    answer_add(input, out, HEADER_CONTENT_TYPE, answer_sniff(text));
}
