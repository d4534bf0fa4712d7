/* request_log.c: what requests leave on the logs: an access line each, and for /__debug/ the request line, query,
 * parameters, headers and body. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/text.h"
#include "gateway/exchange_internal.h"
#include "gateway/voucher.h"
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

/* router.logger_skip_paths: exactly this path, decoded, without its query. */
static bool is_skipped(struct exchange *x)
{
    const struct str_list *skipped = &exchange_service(x)->router.logger_skip_paths;
    struct str path = str_first(x->request->path, str_find_char(x->request->path, '?'));

    if (skipped->count == 0)
        return false;
    if (str_find_char(path, '%') < path.len && !text_percent_decode(x->arena, path, false, &path, NULL))
        return false;
    return str_list_has(skipped, path);
}

/* Every request that was sent was "reused", "shared", or "new" with a reason of the ledger. */
static void tell_conn(const struct fetch_trail *trail, struct access_entry *entry)
{
    if (!trail->host)
        return;
    entry->host = trail->host->url;
    entry->tries = trail->tries;
    entry->conn = trail->reason != REASONS ? "new" : trail->shared ? "shared" : "reused";
    entry->reason = trail->reason == REASONS ? NULL : reason_name(trail->reason);
    if (trail->host->proxy_header > 0)
        entry->header = trail->host->proxy_header == 1 ? "v1" : "v2";
}

static void tell_voucher(const struct voucher *voucher, struct access_entry *entry)
{
    if (!voucher)
        return;
    entry->proxy_alpn = voucher->alpn;
    entry->proxy_authority = voucher->authority;
    entry->proxy_id = voucher->id;
    entry->proxy_tls = voucher->tls;
}

void log_access(struct exchange *x)
{
    struct frontend *frontend = x->client->frontend;
    char peer[ADDR_TEXT_BYTES];
    struct access_entry entry;

    if (!frontend->access_log || !x->request || is_skipped(x))
        return;
    entry = (struct access_entry){
        .wall_ns = loop_wall_ns(frontend->loop),
        .took_ns = loop_now_ns(frontend->loop) - x->started_ns,
        .status = x->status,
        .client_ip = forward_client_ip(x->arena, &exchange_service(x)->router, x->request, x->client->peer),
        .method = x->request->method,
        .target = x->request->path,
        .error = x->error.fault != FAULT_NONE ? x->error.text : NULL,
        .as_json = exchange_service(x)->server.access_log == ACCESS_JSON,
    };
    if (entry.as_json) {
        entry.peer = addr_format(x->client->peer, peer);
        tell_voucher(x->client->voucher, &entry);
        tell_conn(x->trail, &entry);
    }
    access_log_write(frontend->access_log, &entry);
}
