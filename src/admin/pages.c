/* pages.c: which path answers what: health, status and pools; metrics and the live page have files of their own. Start
 * with the table and page_make.
 * SPDX-License-Identifier: Apache-2.0 */
#include "admin/pages.h"

#include "admin/caller.h"
#include "admin/conservation.h"
#include "admin/listeners.h"
#include "admin/live.h"
#include "admin/members.h"
#include "admin/metrics.h"
#include "admin/reuse.h"
#include "admin/totals.h"
#include "base/assert.h"
#include "upstream/host_leave.h"
#include "upstream/resend.h"

#include "json/write.h"

static void make_live(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    (void)view;
    (void)uptime_ns;
    live_write(writer);
}

/* Behind another member. */
static void write_member(struct json_writer *writer, const char *name, uint64_t number)
{
    json_write_name(writer, str_from(name), false);
    json_write_u64(writer, number);
}

/* Of what was read, in one form: the same for all gateways that run the same configuration. */
static void write_digest(struct json_writer *writer, const struct node *document)
{
    struct str text = node_to_json(document, writer->arena);
    char hex[TLS_DIGEST_TEXT_BYTES];
    struct tls_digesting digesting;
    struct tls_digest digest;

    json_write_raw(writer, STR(",\"configuration\":"));
    tls_digest_start(&digesting);
    tls_digest_text(&digesting, text);
    if (!tls_digest_end(&digesting, &digest) || !text.data) {
        json_write_raw(writer, STR("null"));
        return;
    }
    json_write_raw(writer, STR("\"sha256:"));
    json_write_raw(writer, tls_digest_hex(&digest, hex));
    json_write_raw(writer, STR("\""));
}

static void write_reloads(struct json_writer *writer, const struct reload_facts *facts)
{
    write_member(writer, "generation", facts->generation);
    write_member(writer, "generation_loaded_unix", facts->loaded_ns / 1000000000u);
    write_member(writer, "generations_alive", facts->alive);
    json_write_raw(writer, STR(",\"reloads\":{\"ok\":"));
    json_write_u64(writer, facts->ok);
    write_member(writer, "failed", facts->failed);
    json_write_raw(writer, facts->last_failed ? STR(",\"last\":\"failed\"}") : STR(",\"last\":\"ok\"}"));
}

static void make_status(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    struct client_totals totals;

    client_totals_read(view, &totals);
    json_write_raw(writer, STR("{\"version\":\"" HOLDFAST_VERSION "\""));
    write_digest(writer, generation_service(view->generation)->document);
    if (view->reloads)
        write_reloads(writer, view->reloads);
    write_member(writer, "workers", view->workers);
    write_member(writer, "uptime_seconds", uptime_ns / 1000000000u);
    write_member(writer, "endpoints", generation_endpoint_count(view->generation));
    write_member(writer, "client_connections", totals.open);
    write_member(writer, "requests", totals.requests);
    json_write_raw(writer, *view->draining ? STR(",\"draining\":true") : STR(",\"draining\":false"));
    listeners_write(writer, view);
    json_write_raw(writer, STR("}\n"));
}

static void write_new_by(struct json_writer *writer, const struct host_totals *totals)
{
    bool first = true;

    json_write_raw(writer, STR(",\"new_by\":{"));
    for (int reason = 0; reason < REASONS; reason++) {
        if (totals->new_by[reason] == 0)
            continue;
        member_u64(writer, &first, reason_name((enum reason)reason), totals->new_by[reason]);
    }
    json_write_raw(writer, STR("}"));
}

static void write_closes(struct json_writer *writer, const struct host_totals *totals)
{
    bool first = true;

    json_write_raw(writer, STR(",\"closes\":{"));
    for (int reason = 0; reason < REASONS; reason++) {
        const uint64_t *sides = totals->closes_by[reason];

        if (sides[SIDE_OURS] == 0 && sides[SIDE_PEER] == 0)
            continue;
        member_name(writer, &first, reason_name((enum reason)reason));
        json_write_raw(writer, STR("{\"ours\":"));
        json_write_u64(writer, sides[SIDE_OURS]);
        write_member(writer, "peer", sides[SIDE_PEER]);
        json_write_raw(writer, STR("}"));
    }
    json_write_raw(writer, STR("}"));
}

static void write_resends_by(struct json_writer *writer, const struct host_totals *totals)
{
    bool first = true;

    json_write_raw(writer, STR(",\"resends_by\":{"));
    for (int rung = 0; rung < RESEND_COUNT; rung++) {
        if (totals->resends_by[rung] == 0)
            continue;
        member_u64(writer, &first, resend_name((enum resend)rung), totals->resends_by[rung]);
    }
    json_write_raw(writer, STR("}"));
}

static void write_refused_by(struct json_writer *writer, const struct host_totals *totals)
{
    bool first = true;

    json_write_raw(writer, STR(",\"resends_refused_by\":{"));
    for (int refusal = 0; refusal < REFUSALS; refusal++) {
        if (totals->refused_by[refusal] == 0)
            continue;
        member_u64(writer, &first, resend_refusal_name((enum resend_refusal)refusal), totals->refused_by[refusal]);
    }
    json_write_raw(writer, STR("}"));
}

static void write_health(struct json_writer *writer, const struct host *host)
{
    json_write_raw(writer, STR(",\"health\":"));
    json_write_string(writer, str_from(health_state_name(eject_state(&host->health))));
}

/* What it is spoken to in; of hosts that choose, what they chose last. */
static const char *protocol_of(const struct host *host)
{
    if (host->protocol != HOST_ALPN)
        return host->protocol == HOST_HTTP1 ? "http/1.1" : "h2";
    switch ((enum host_choice)atomic_load_explicit(&host->choice, memory_order_relaxed)) {
    case CHOICE_HTTP1:
        return "http/1.1";
    case CHOICE_HTTP2:
        return "h2";
    case CHOICE_UNKNOWN:
        break;
    }
    return "auto";
}

static void write_protocol(struct json_writer *writer, const struct host *host)
{
    json_write_raw(writer, STR(",\"protocol\":"));
    json_write_string(writer, str_from(protocol_of(host)));
}

/* What tells hosts apart that have one URL. */
static void write_our_end(struct json_writer *writer, const struct host *host)
{
    char text[ADDR_TEXT_BYTES];

    json_write_raw(writer, STR(",\"source_address\":"));
    if (host->source.family == ADDR_NONE)
        json_write_raw(writer, STR("null"));
    else
        json_write_string(writer, addr_format_ip(&host->source, text));
    write_member(writer, "dscp", host->marks.dscp);
    write_member(writer, "mark", host->marks.mark);
}

static void write_pool(struct json_writer *writer, const struct host *host)
{
    struct host_totals totals;
    uint64_t all;

    host_totals_read(host, &totals);
    all = totals.requests_reused + totals.requests_shared + totals.requests_new;
    json_write_raw(writer, STR("{\"host\":"));
    json_write_string(writer, host->label);
    write_member(writer, "open", totals.idle + totals.active);
    write_member(writer, "idle", totals.idle);
    write_member(writer, "active", totals.active);
    write_member(writer, "dialing", totals.dialing);
    write_member(writer, "warming", totals.warming);
    write_member(writer, "streams", totals.streams);
    write_member(writer, "streams_max", atomic_load_explicit(&host->streams_max, memory_order_relaxed));
    write_member(writer, "queued", totals.waiting);
    write_member(writer, "waiting", totals.waiting);
    write_member(writer, "racing", totals.racing);
    write_member(writer, "moved", totals.moved);
    write_member(writer, "warm", totals.requests_warm);
    write_member(writer, "reused", totals.requests_reused);
    write_member(writer, "shared", totals.requests_shared);
    write_member(writer, "coalesced", totals.requests_coalesced);
    write_member(writer, "new", totals.requests_new);
    write_member(writer, "stale", totals.stale);
    write_member(writer, "closed_idle", totals.closed_idle);
    write_member(writer, "resends", totals.resends);
    write_member(writer, "dial_failures", totals.dial_failures);
    write_member(writer, "proxy_failures", totals.proxy_failures);
    write_member(writer, "tls_full", totals.handshakes_full);
    write_member(writer, "tls_resumed", totals.handshakes_resumed);
    write_member(writer, "tls_failures", totals.handshake_failures);
    write_member(writer, "failures", totals.failures);
    write_member(writer, "failovers", totals.failovers);
    write_member(writer, "failovers_refused", totals.failovers_refused);
    write_member(writer, "resend_budget_spent", totals.resend_budget_spent);
    write_member(writer, "ejections", totals.ejections);
    write_member(writer, "dead_paths", totals.dead_paths);
    write_member(writer, "pings", totals.pings);
    write_member(writer, "ping_timeouts", totals.ping_timeouts);
    write_member(writer, "silences", totals.silences);
    write_member(writer, "stray_bytes", totals.strays);
    write_member(writer, "quarantines", totals.quarantines);
    write_member(writer, "shed_by_fd", totals.shed_by_fd);
    write_member(writer, "shed_by_port", totals.shed_by_port);
    write_member(writer, "time_wait", totals.time_waits);
    write_protocol(writer, host);
    write_our_end(writer, host);
    write_health(writer, host);
    json_write_raw(writer, STR(",\"reuse_ratio\":"));
    json_write_double(writer, all ? (double)(all - totals.requests_new) / (double)all : 0.0);
    write_new_by(writer, &totals);
    write_closes(writer, &totals);
    write_resends_by(writer, &totals);
    reuse_write(writer, host);
    write_refused_by(writer, &totals);
    json_write_raw(writer, STR("}"));
}

static void make_pools(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    bool first = true;

    (void)uptime_ns;
    json_write_raw(writer, STR("{\"hosts\":["));
    for (uint32_t i = 0; i < hosts_count(view->hosts); i++) {
        const struct host *host = hosts_shown(view->hosts, i);

        if (!host)
            continue;
        if (!first)
            json_write_raw(writer, STR(","));
        write_pool(writer, host);
        first = false;
    }
    json_write_raw(writer, STR("]}\n"));
}

static void make_whatif(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    (void)uptime_ns;
    whatif_write(writer, view);
}

static void make_config(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    (void)uptime_ns;
    service_effective_write(generation_service(view->generation), writer);
}

static void make_metrics(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    conservation_check(view->conservation, view->hosts, view->workers, uptime_ns);
    ASSERT_SLOW(conservation_mismatches(view->conservation) == 0);
    metrics_write(writer, view, uptime_ns);
}

static void make_ok(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns)
{
    (void)view;
    (void)uptime_ns;
    json_write_raw(writer, STR("ok\n"));
}

static const struct {
    struct str path, type;
    void (*make)(struct json_writer *writer, const struct admin_view *view, uint64_t uptime_ns);
} pages[] = {
    {STR_INIT("/"), STR_INIT("text/html; charset=utf-8"), make_live},
    {STR_INIT("/v1/status"), STR_INIT("application/json"), make_status},
    {STR_INIT("/v1/pools"), STR_INIT("application/json"), make_pools},
    {STR_INIT("/v1/whatif"), STR_INIT("application/json"), make_whatif},
    {STR_INIT("/v1/config"), STR_INIT("application/json"), make_config},
    {STR_INIT("/metrics"), STR_INIT("application/openmetrics-text; version=1.0.0; charset=utf-8"), make_metrics},
    {STR_INIT("/livez"), STR_INIT("text/plain; charset=utf-8"), make_ok},
    {STR_INIT("/readyz"), STR_INIT("text/plain; charset=utf-8"), make_ok},
};

struct str page_path(const struct http_head *request)
{
    return str_first(request->path, str_find_char(request->path, '?'));
}

static struct str query_of(const struct http_head *request)
{
    struct str rest = str_from_offset(request->path, page_path(request).len);

    return rest.len > 0 ? str_from_offset(rest, 1) : STR_EMPTY;
}

static void plain(struct page *page, uint16_t status, struct str text)
{
    *page = (struct page){.status = status, .type = STR("text/plain; charset=utf-8"), .body = text};
}

static void make_drain_listener(const struct admin_view *view, struct str name, struct page *page)
{
    int number = listeners_find(view, name);

    if (number == LISTENER_NONE)
        plain(page, 404, STR("no listener has this address; see listeners in /v1/status\n"));
    else if (number == LISTENER_MANY)
        plain(page, 409, STR("several listeners are written so; give the address that one of them has taken\n"));
    else if (*view->draining || view->listeners[number].state != LISTENER_OPEN)
        page->status = 200;
    else
        page->drains_listener = true;
    page->listener = number >= 0 ? (size_t)number : 0;
}

/* Nothing is drained by a request that may mean something else. */
static void make_drain(const struct admin_view *view, const struct http_head *request, struct arena *arena,
                       struct page *page)
{
    struct str query = query_of(request), name;

    *page = (struct page){.status = 202, .type = STR("application/json"), .body = STR("{\"draining\":true}\n")};
    if (!view->drain || (query.len > 0 && !view->drain_listeners))
        plain(page, 503, STR("nobody here can drain\n"));
    else if (query.len > 0 && !listeners_asked(arena, query, &name))
        plain(page, 400, STR("what can be asked for is listener=ADDRESS\n"));
    else if (query.len > 0)
        make_drain_listener(view, name, page);
    else if (*view->draining)
        page->status = 200;
    else
        page->drains = true;
}

static void make_reload(const struct admin_view *view, const struct http_head *request, struct arena *arena,
                        struct page *page)
{
    struct reload_result result;

    (void)request;
    if (!view->reload) {
        plain(page, 503, STR("nobody here can load a configuration\n"));
        return;
    }
    result = view->reload(view->reload_arg, arena);
    *page = (struct page){.status = result.status, .type = STR("application/json"), .body = result.body};
}

/* What changes something. The flush is made by workers (page_is_flush). */
static const struct {
    struct str path;
    void (*make)(const struct admin_view *view, const struct http_head *request, struct arena *arena,
                 struct page *page);
} commands[] = {
    {STR_INIT("/v1/drain"), make_drain},
    {STR_INIT("/v1/reload"), make_reload},
    {STR_INIT("/v1/pools:flush"), NULL},
};

static bool is_get(const struct http_head *request)
{
    return str_eq(request->method, STR("GET")) || str_eq(request->method, STR("HEAD"));
}

static void refuse_method(struct page *page, bool command)
{
    plain(page, 405, command ? STR("only POST\n") : STR("only GET and HEAD\n"));
    page->allow = command ? STR("POST") : STR("GET, HEAD");
}

static void refuse_stranger(struct page *page)
{
    plain(page, 401, STR("commands need the token: Authorization: Bearer TOKEN\n"));
    page->challenges = true;
}

/* False: the path is no command's. */
static bool make_command(struct arena *arena, const struct admin_view *view, const struct http_head *request,
                         struct page *page)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (!str_eq(page_path(request), commands[i].path))
            continue;
        if (!str_eq(request->method, STR("POST")))
            refuse_method(page, true);
        else if (caller_is_a_page(request))
            plain(page, 403, STR("commands are not taken from pages of others\n"));
        else if (!caller_has_token(view, request))
            refuse_stranger(page);
        else if (commands[i].make)
            commands[i].make(view, request, arena, page);
        return true;
    }
    return false;
}

void page_make(struct arena *arena, const struct admin_view *view, const struct http_head *request, uint64_t uptime_ns,
               struct page *page)
{
    struct str path = page_path(request);
    struct json_writer writer = {.arena = arena};

    plain(page, 404,
          STR("no such page; see / /metrics /v1/status /v1/pools /v1/whatif /v1/conns /v1/config /livez /readyz\n"));
    if (make_command(arena, view, request, page))
        return;
    if (!is_get(request)) {
        refuse_method(page, false);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (!str_eq(path, pages[i].path))
            continue;
        pages[i].make(&writer, view, uptime_ns);
        *page = (struct page){.status = 200, .type = pages[i].type, .body = json_written(&writer)};
    }
    if (str_eq(path, STR("/readyz")) && *view->draining)
        plain(page, 503, STR("draining\n"));
    if (!page->body.data)
        plain(page, 500, STR("no memory for the page\n"));
}

bool page_is_conns(const struct http_head *request)
{
    return is_get(request) && str_eq(page_path(request), STR("/v1/conns"));
}

bool page_is_flush(const struct admin_view *view, const struct http_head *request)
{
    return str_eq(request->method, STR("POST")) && str_eq(page_path(request), STR("/v1/pools:flush")) &&
           !caller_is_a_page(request) && caller_has_token(view, request);
}

void page_take(struct page *page, struct str body)
{
    plain(page, 500, STR("no memory for the page\n"));
    if (body.data)
        *page = (struct page){.status = 200, .type = STR("application/json"), .body = body};
}

void page_refuse_asking(struct page *page, const char *problem)
{
    plain(page, problem ? 400 : 500, problem ? str_from(problem) : STR("no memory for the page\n"));
}

void page_refuse_name(struct page *page)
{
    plain(page, 421,
          STR("this listener is not known by that name: use an address or localhost, or put the name into "
              "extra_config.holdfast/admin.hosts\n"));
}

void page_refuse(struct page *page)
{
    plain(page, 400, STR("this is no request\n"));
}
