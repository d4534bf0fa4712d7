/* forward.c: the head that goes to a backend, and the one that comes back through a no-op endpoint. Headers, query and
 * path are in forward_headers.c, forward_query.c and forward_path.c. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/forward.h"

#include "gateway/answer.h"
#include "gateway/forward_internal.h"

/* Not the client's fault: what its head may hold fits into an exchange's arena many times. */
static bool no_room(struct error *err)
{
    return error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a head");
}

/* What is for the proxy goes in absolute form, with the proxy's password and never with the client's. */
static bool address_proxy(struct arena *arena, const struct host *host, struct http_head *out)
{
    struct str password = host->forward->authorization;

    headers_remove_id(&out->headers, HEADER_PROXY_AUTHORIZATION);
    if (host->tls)
        return true;
    out->scheme = STR("http");
    return password.len == 0 || headers_add_id(&out->headers, arena, HEADER_PROXY_AUTHORIZATION, password);
}

bool forward_request(struct arena *arena, const struct forward_input *input, struct http_head *out, struct error *err)
{
    struct str method = input->upgrade ? STR("GET") : input->backend->method;

    *out = (struct http_head){
        .method = str_eq(method, STR("*")) ? input->request->method : method,
        .authority = input->host->authority,
        .known_host = host_has_plain_name(input->host),
        .path = forward_path(arena, input),
        .protocol = input->upgrade ? STR("websocket") : STR_EMPTY,
        .version_minor = 1,
        .announced_bytes = -1,
        .trailers = input->endpoint->no_op && (input->request->trailers || input->grpc),
    };
    return (out->path.data && forward_headers(arena, input, out) &&
            (!input->host->forward || address_proxy(arena, input->host, out))) ||
           no_room(err);
}

bool forward_may_ask_for_gzip(const struct backend *backend, const struct http_head *head)
{
    return !backend->transport->disable_compression && !backend->subtree && !str_eq(head->method, STR("HEAD")) &&
           headers_get_id(&head->headers, HEADER_ACCEPT_ENCODING).len == 0 &&
           headers_get_id(&head->headers, HEADER_RANGE).len == 0;
}

bool forward_ask_for_gzip(struct arena *arena, struct http_head *head, struct error *err)
{
    return headers_add_id(&head->headers, arena, HEADER_ACCEPT_ENCODING, STR("gzip")) || no_room(err);
}

bool forward_unpack_head(struct http_head *answer)
{
    if (answer->body_bytes == 0 || !str_eq_fold(headers_get_id(&answer->headers, HEADER_CONTENT_ENCODING), STR("gzip")))
        return false;
    headers_remove_id(&answer->headers, HEADER_CONTENT_ENCODING);
    headers_remove_id(&answer->headers, HEADER_CONTENT_LENGTH);
    answer->body_bytes = answer->announced_bytes = -1;
    return true;
}

bool forward_response(struct arena *arena, const struct service *service, const struct http_head *answer,
                      struct http_head *out, struct error *err)
{
    uint32_t count = answer->headers.count;
    struct http_field *fields = arena_alloc(arena, (count + 2) * sizeof *fields, _Alignof(struct http_field));

    if (!fields)
        return no_room(err);
    fields[0] = (struct http_field){header_name(HEADER_X_KRAKEND), answer_version(service), HEADER_X_KRAKEND};
    fields[1] = (struct http_field){header_name(HEADER_X_KRAKEND_COMPLETED), STR("false"), HEADER_X_KRAKEND_COMPLETED};
    if (count > 0)
        memcpy(fields + 2, answer->headers.fields, count * sizeof *fields);
    *out = (struct http_head){
        .status = answer->status,
        .version_minor = 1,
        .headers = {fields, count + 2, count + 2},
        .body_bytes = answer->body_bytes,
        .announced_bytes = answer->announced_bytes,
    };
    return true;
}
