/* follow.c: an exchange whose backend answers with a redirect goes on to where that leads, as KrakenD's HTTP client
 * does (spec 4.7): at most ten times, with a body only where send_body_on_redirect has kept it, without credentials to
 * other names. A subtree proxy passes redirects on. Start with follow_redirect. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/follow.h"

#include "gateway/exchange_internal.h"

enum {
    HOPS_MAX = 10,
    HOSTS_MAX = 4096,         /* of the process: a backend cannot make us remember more names by its redirects */
    REST_BYTES_MAX = 2 << 10, /* of a redirect's body, read so that its connection can be kept */
};

static bool is_redirect(uint16_t status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* 307 and 308 repeat the request as it was: what had a body can be repeated only when that was kept. */
static bool repeats_body(const struct exchange *x)
{
    return x->call.answer->status > 303 && x->call.head.body_bytes != 0 &&
           x->call.backend->options->send_body_on_redirect && x->body.data;
}

static bool is_wanted(const struct exchange *x)
{
    uint16_t status = x->call.answer->status;

    return is_redirect(status) && !x->call.backend->subtree && !x->call.backend->options->no_redirect &&
           headers_get_id(&x->call.answer->headers, HEADER_LOCATION).len > 0 &&
           (status <= 303 || x->call.head.body_bytes == 0 || repeats_body(x));
}

static struct follow_url current_url(const struct exchange *x)
{
    return (struct follow_url){x->call.host->tls ? STR("https") : STR("http"), x->call.host->authority,
                               x->call.head.path};
}

/* NULL: it cannot be asked. */
static struct host *find_host(struct exchange *x, const struct follow_url *from, const struct follow_url *to)
{
    struct hosts *hosts = pool_hosts(x->client->frontend->pool);
    const struct forward_proxy *proxy = NULL;
    struct host_key key = {.pool = x->call.host->pool,
                           .tls = x->call.host->tls ? x->call.host->tls : x->call.host->proxy_tls,
                           .proxy_header = x->call.host->proxy_header,
                           .source = x->call.host->source,
                           .marks = x->call.host->marks,
                           .protocol = endpoint_protocol(x->call.backend->transport)};
    struct host *host;
    struct error err;

    if (str_eq(from->scheme, to->scheme) && str_eq_fold(from->authority, to->authority))
        return x->call.host;
    if ((str_eq(to->scheme, STR("https")) && !key.tls) || hosts_known(hosts) >= HOSTS_MAX)
        return NULL;
    key.url = arena_format(x->arena, "%.*s://%.*s", STR_ARG(to->scheme), STR_ARG(to->authority));
    if (!key.url.data || !host_url_check(key.url, &err) ||
        !host_url_proxy(exchange_service(x)->proxies, key.url, &proxy, &err))
        return NULL;
    key.proxy = proxy ? proxy->url : STR_EMPTY;
    host = hosts_intern(hosts, &key, &err);
    return host && host_hold(x->holds, x->arena, x->client->frontend->pool, host) ? host : NULL;
}

/* Go sends credentials on to the same name and to what lies below it. */
static bool may_know(const struct host *from, const struct host *to)
{
    size_t more = to->name.len > from->name.len ? to->name.len - from->name.len : 0;

    if (str_eq_fold(from->name, to->name))
        return true;
    return more > 0 && to->name.data[more - 1] == '.' && str_eq_fold(str_from_offset(to->name, more), from->name);
}

static bool is_one_of(struct str name, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (str_eq_fold(name, str_from(names[i])))
            return true;
    return false;
}

/* Takes out what the next request does not say. */
static void clean_headers(struct exchange *x, bool keeps_credentials, bool keeps_method)
{
    static const char *const credentials[] = {
        "Authorization", "Cookie", "Cookie2", "Www-Authenticate", "Proxy-Authorization", "Proxy-Authenticate", NULL};
    static const char *const content[] = {"Content-Type", "Content-Encoding", "Content-Language", "Content-Location",
                                          NULL};
    struct http_headers *headers = &x->call.head.headers;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < headers->count; i++) {
        struct str name = headers->fields[i].name;

        if ((keeps_credentials || !is_one_of(name, credentials)) && (keeps_method || !is_one_of(name, content)))
            headers->fields[kept++] = headers->fields[i];
    }
    headers->count = kept;
}

/* The URL that sent us on; what a client said itself stays, and nothing secret is told without TLS. */
static bool set_referer(struct exchange *x, const struct follow_url *from, const struct follow_url *to)
{
    struct http_headers *headers = &x->call.head.headers;
    struct str url;

    if (x->call.hops == 0)
        x->call.own_referer = headers_get_id(headers, HEADER_REFERER).data != NULL;
    if (x->call.own_referer)
        return true;
    headers_remove_id(headers, HEADER_REFERER);
    if (str_eq(from->scheme, STR("https")) && str_eq(to->scheme, STR("http")))
        return true;
    url =
        arena_format(x->arena, "%.*s://%.*s%.*s", STR_ARG(from->scheme), STR_ARG(from->authority), STR_ARG(from->path));
    return url.data && headers_add_id(headers, x->arena, HEADER_REFERER, url);
}

/* Whether its method stays; the body never does. */
static bool repeats(const struct exchange *x)
{
    return x->call.answer->status > 303 || str_eq(x->call.head.method, STR("GET")) ||
           str_eq(x->call.head.method, STR("HEAD"));
}

/* What is left of the redirect, so that its connection serves again; a long body or one that is not there yet is not
 * waited for. */
static void end_fetch(struct exchange *x)
{
    struct chain rest = {0};
    struct error err;

    if (fetch_body(x->call.fetch, &rest, REST_BYTES_MAX, &err) == IO_OK)
        (void)(fetch_body(x->call.fetch, &rest, REST_BYTES_MAX, &err) == IO_END);
    chain_clear(&rest);
    fetch_end(x->call.fetch, HTTP_CANCEL_GONE);
    x->call.fetch = NULL;
}

/* No body goes along; the rest of the client's belongs to nobody. */
static void drop_body(struct exchange *x)
{
    x->call.head.body_bytes = 0;
    x->call.head.announced_bytes = -1;
    chain_clear(&x->request_body);
    x->request_ended = true;
    x->request_sent = false;
}

/* Apart, so that an answer that is no redirect saves no registers. */
static NOINLINE enum followed follow(struct exchange *x)
{
    struct follow_url from = current_url(x), to;
    bool keeps_method = repeats(x), keeps_body = repeats_body(x);
    struct host *host;

    if (x->call.hops == HOPS_MAX) {
        error_set(&x->error, FAULT_UPSTREAM, ERROR_TOO_MANY_REDIRECTS, "%.*s: stopped after 10 redirects",
                  STR_ARG(x->call.host->url));
        return FOLLOWED_FAIL;
    }
    if (!follow_resolve(x->arena, &from, headers_get_id(&x->call.answer->headers, HEADER_LOCATION), &to))
        return FOLLOWED_NOT;
    host = find_host(x, &from, &to);
    if (!host)
        return FOLLOWED_NOT;
    clean_headers(x, may_know(x->call.host, host), keeps_method);
    if (!set_referer(x, &from, &to)) {
        error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to follow a redirect");
        return FOLLOWED_FAIL;
    }
    end_fetch(x);
    if (!keeps_method)
        x->call.head.method = STR("GET");
    x->call.head.path = to.path;
    x->call.head.authority = host->authority;
    x->call.head.known_host = host_has_plain_name(host);
    x->call.head.expect_continue = false;
    x->call.host = host;
    x->call.hops++;
    if (keeps_body)
        return call_repeat_body(x) ? FOLLOWED : FOLLOWED_FAIL;
    drop_body(x);
    return FOLLOWED;
}

enum followed follow_redirect(struct exchange *x)
{
    return is_wanted(x) ? follow(x) : FOLLOWED_NOT;
}
