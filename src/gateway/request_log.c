/* request_log.c: what requests leave on the logs: an access line each, and for /__debug/ the request line, query,
 * parameters, headers and body. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/exchange_internal.h"
#include "observe/access_log.h"

enum { BODY_SHOWN_BYTES = 1024 };

#define AREA "ENDPOINT: /__debug/*"

void log_request(const struct exchange *x, struct str body)
{
    const struct http_head *request = x->request;
    size_t query = str_find_char(request->path, '?');

    LOG(LOG_DEBUG, AREA, "Method: %.*s", STR_ARG(request->method));
    LOG(LOG_DEBUG, AREA, "URL: %.*s", STR_ARG(request->path));
    LOG(LOG_DEBUG, AREA, "Query: %.*s", STR_ARG(str_from_offset(request->path, query + 1)));
    for (unsigned i = 0; i < x->match->param_count; i++)
        LOG(LOG_DEBUG, AREA, "Param %.*s: %.*s", STR_ARG(x->match->params[i].name), STR_ARG(x->match->params[i].value));
    for (uint32_t i = 0; i < request->headers.count; i++)
        LOG(LOG_DEBUG, AREA, "Header %.*s: %.*s", STR_ARG(request->headers.fields[i].name),
            STR_ARG(request->headers.fields[i].value));
    LOG(LOG_DEBUG, AREA, "Body: %.*s", STR_ARG(str_first(body, BODY_SHOWN_BYTES)));
}

void log_access(struct exchange *x)
{
    struct frontend *frontend = x->client->frontend;

    if (!frontend->access_log || !x->request)
        return;
    access_log_write(frontend->access_log, &(struct access_entry){
                                               .wall_ns = loop_wall_ns(frontend->loop),
                                               .took_ns = loop_now_ns(frontend->loop) - x->started_ns,
                                               .status = x->status,
                                               .client_ip = forward_client_ip(x->arena, &exchange_service(x)->router,
                                                                              x->request, &x->client->peer),
                                               .method = x->request->method,
                                               .target = x->request->path,
                                               .error = x->error.fault != FAULT_NONE ? x->error.text : NULL,
                                           });
}
