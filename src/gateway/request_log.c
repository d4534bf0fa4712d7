/* request_log.c: what /__debug/ puts on the log: the request line, query, parameters, headers and body.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/exchange_internal.h"

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
