/* service_ours.c: our own service-wide settings: holdfast/server, holdfast/admin and holdfast/tls. Options whose engine
 * comes later are known here, so that a file written for it loads, and say that they have no effect yet.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/service_internal.h"
#include "gateway/shadow.h"
#include "http/semantics.h"
#include "net/resolve.h"
#include "os/pipe.h"
#include "upstream/balance.h"
#include "upstream/host_leave.h"

#define MAX_CONNECTION_AGE_NS SECONDS(3600)
#define QUEUE_TIMEOUT_NS      SECONDS(1)
#define HANDSHAKE_TIMEOUT_NS  SECONDS(10)
#define TCP_USER_TIMEOUT_NS   SECONDS(15)
#define REQUEST_MEMORY        (INT64_C(256) << 20)

static const char *const profile_names[] = {"safe", "krakend", NULL};
static const char *const preset_names[] = {"none", "browser",  "gateway",
                                           "web",  "internal", NULL}; /* enum keep_preset */
static const char *const proxy_names[] = {"off", "accept", "require", NULL};
static const char *const refusal_names[] = {"reset", "503", NULL};
static const char *const access_names[] = {"krakend", "json", NULL};
static const char *const error_status_names[] = {"krakend", "precise", NULL};
static const char *const url_names[] = {"krakend", "as_sent", NULL};

/* What the tables bind to beside server_options. */
struct listener_block {
    struct listener_options options;
    struct str_list protocols;
    struct tls_server_options tls;
    const struct node *node;
};

struct server_block {
    struct server_options options;
    struct place resolver_place;
    int encoded_urls;         /* in the order of url_names */
    struct list_of listeners; /* struct listener_block */
    bool head_rate_given, body_gap_given, body_rate_given, send_gap_given, send_rate_given, age_given, requests_given;
};

struct admin_block {
    struct str listen, token_file;
    int64_t connections_max, timeout_ns;
    struct str_list hosts;
    struct place token_place;
};

static void remember_listener(void *bound, const struct node *node, const char *path, struct report *report)
{
    struct listener_block *listener = bound;

    (void)path;
    listener->node = node_keep(node, report);
    if (!listener->options.place.source)
        listener->options.place = node->place;
}

/* clang-format off */
static const struct option listener_rows[] = {
    OPTION_STRING(struct listener_block, "listen", options.listen, OPTION_PLACE(struct listener_block, options.place),
                  .required = true, .help = "IP:PORT, :PORT or unix:PATH."),
    OPTION_OBJECT(struct listener_block, "tls", tls, .schema = &tls_server_schema, .help = "TLS of this listener; that of the root when absent."),
    OPTION_STRINGS(struct listener_block, "protocols", protocols, .help = "What TLS offers: http/1.1, which is always there, and h2; both when absent."),
    OPTION_ENUM(struct listener_block, "proxy_protocol", options.proxy_protocol, .names = proxy_names, .preset_text = "off",
                OPTION_SEEN(struct listener_block, options.proxy_given), .help = "off, accept, require; that of the block when absent."),
    OPTION_DURATION(struct listener_block, "max_connection_age_hard", options.max_age_hard_ns, .max = INT64_MAX,
                    OPTION_SEEN(struct listener_block, options.age_hard_given),
                    .help = "Age at which its connections are cut, with an audit line; 0: none; that of the block when absent."),
};

static const struct schema listener_schema = {
    .title = "listener", .size = sizeof(struct listener_block), .options = listener_rows, .count = COUNT_OF(listener_rows),
    .check = remember_listener,
};

static const struct option h2_rows[] = {
    OPTION_INT(struct h2_settings, "max_streams", streams_max, .preset = 100, .min = 1, .max = 1000,
               .help = "Requests of one connection at once."),
    OPTION_SIZE(struct h2_settings, "max_header_bytes", head_bytes_max, .preset = 65536, .min = 4096, .max = 1 << 20,
                .help = "A request's head, 32 bytes counted on top of each field; never more than max_header_bytes of the root."),
    OPTION_SIZE(struct h2_settings, "stream_window", stream_window, .preset = 131072, .min = 1024, .max = 1 << 30,
                .help = "Bytes of a request's body that may come before somebody reads them."),
    OPTION_SIZE(struct h2_settings, "connection_window", connection_window, .preset = 524288, .min = 65535, .max = 1 << 30,
                .help = "The same, of all requests of a connection."),
    OPTION_INT(struct h2_settings, "glitch_budget", glitches_max, .preset = 1000, .max = 1000000,
               .help = "Points that odd or costly frames may take before the connection ends; 0: any number."),
    OPTION_INT(struct h2_settings, "glitch_refill", glitches_back, .preset = 50, .max = 1000000,
               .help = "Points that come back each second."),
};

static const struct schema h2_schema = {
    .title = "http2", .size = sizeof(struct h2_settings), .options = h2_rows, .count = COUNT_OF(h2_rows),
};

#define CLIENTS(field) options.clients.field
static const struct option server_rows[] = {
    OPTION_INT(struct server_block, "workers", options.workers, .max = 256, .help = "Worker threads; 0: one for each core."),
    OPTION_LIST(struct server_block, "listeners", listeners, .schema = &listener_schema, .help = "Where to listen."),
    OPTION_ENUM(struct server_block, "profile", options.profile, .names = profile_names, .preset_text = "safe",
                .help = "safe: finite deadlines where KrakenD has none."),
    OPTION_ENUM(struct server_block, "preset", options.preset, .names = preset_names, .preset_text = "none",
                .help = "Starting points for idle_timeout and max_requests_per_connection: browser, gateway, web, internal."),
    OPTION_ENUM(struct server_block, "error_status", options.error_status, .names = error_status_names, .preset_text = "krakend",
                .help = "precise: 502, 503, 504 by cause instead of 500."),
    OPTION_ENUM(struct server_block, "access_log", options.access_log, .names = access_names, .preset_text = "krakend",
                .help = "Form of access lines: krakend, or json, which also tells of the connection to the host."),
    OPTION_ENUM(struct server_block, "encoded_urls", encoded_urls, .names = url_names, .preset_text = "krakend",
                .help = "as_sent: paths and queries reach backends in the bytes in which they came; an encoded slash separates nothing."),
    OPTION_BOOL(struct server_block, "keep_alive_header", options.keep_alive_header, .preset = 1,
                .help = "Tell clients how long a connection may stay quiet."),
    OPTION_INT(struct server_block, "max_requests_per_connection", options.max_requests_per_connection, .max = INT64_MAX,
               OPTION_SEEN(struct server_block, requests_given),
               .help = "Requests on one client connection; 0: no limit."),
    OPTION_INT(struct server_block, "max_connections", options.max_connections, .max = INT64_MAX,
               .help = "Client connections; 0: what descriptors allow."),
    OPTION_DURATION(struct server_block, "body_gap_timeout", options.body_gap_timeout_ns, .preset = SECONDS(10), .max = INT64_MAX,
                    OPTION_SEEN(struct server_block, body_gap_given), .help = "Longest silence inside a request's body."),
    OPTION_SIZE(struct server_block, "max_body_bytes", options.max_body_bytes, .max = INT64_MAX, .help = "Largest request body; 0: no limit."),
    OPTION_DURATION(struct server_block, "drain_window", options.drain_window_ns, .preset = SECONDS(30), .max = INT64_MAX,
                    .help = "How long connections are ended gently when the gateway stops."),
    OPTION_DURATION(struct server_block, "drain_limit", options.drain_limit_ns, .preset = SECONDS(60), .max = INT64_MAX,
                    .help = "When a drain ends at the latest."),
    OPTION_DURATION(struct server_block, "max_connection_age", CLIENTS(max_age_ns), .preset = SECONDS(14400), .max = INT64_MAX,
                    OPTION_SEEN(struct server_block, age_given), .help = "Age at which an answer says Connection: close, with 10 % jitter; 0: none."),
    OPTION_DURATION(struct server_block, "max_connection_age_hard", CLIENTS(max_age_hard_ns), .max = INT64_MAX,
                    .help = "Age at which a client connection is cut, with an audit line; 0: none."),
    OPTION_INT(struct server_block, "min_header_rate", CLIENTS(head_rate_min), .preset = 240, .max = UINT32_MAX,
               OPTION_SEEN(struct server_block, head_rate_given), .help = "Bytes per second that a request's head must come to behind its first 5 s; 0: any."),
    OPTION_INT(struct server_block, "min_body_rate", CLIENTS(body_rate_min), .preset = 240, .max = UINT32_MAX,
               OPTION_SEEN(struct server_block, body_rate_given), .help = "Bytes per second that a request's body must come to; 0: any."),
    OPTION_DURATION(struct server_block, "send_gap_timeout", CLIENTS(send_gap_ns), .preset = SECONDS(30), .max = INT64_MAX,
                    OPTION_SEEN(struct server_block, send_gap_given), .help = "Longest time in which a client takes nothing of a waiting answer; 0: no limit."),
    OPTION_INT(struct server_block, "min_send_rate", CLIENTS(send_rate_min), .preset = 240, .max = UINT32_MAX,
               OPTION_SEEN(struct server_block, send_rate_given), .help = "Bytes per second that a client must take of one; 0: any."),
    OPTION_DURATION(struct server_block, "idle_timeout_min", CLIENTS(idle_min_ns), .preset = SECONDS(5), .min = 1, .max = INT64_MAX,
                    .help = "Shortest adaptive idle timeout."),
    OPTION_DURATION(struct server_block, "idle_timeout_max", CLIENTS(idle_max_ns), .preset = SECONDS(75), .min = 1, .max = INT64_MAX,
                    .help = "Longest adaptive idle timeout."),
    OPTION_SIZE(struct server_block, "memory_limit", CLIENTS(memory_max), .max = INT64_MAX,
                .help = "Bytes of memory beyond which idle client connections end early; 0: what the control group or the machine has."),
    OPTION_INT(struct server_block, "max_header_fields", CLIENTS(fields_max), .preset = 256, .min = 1, .max = 10000,
               .help = "Fields of a request's head."),
    OPTION_BOOL(struct server_block, "grpc_health", options.grpc_health,
                .help = "Answers gRPC's health checks (grpc.health.v1.Health, Check and Watch) for the gateway itself."),
    OPTION_OBJECT(struct server_block, "http2", options.h2, .schema = &h2_schema, .help = "Limits of HTTP/2 connections."),
    OPTION_STRING(struct server_block, "resolver", options.resolver, OPTION_PLACE(struct server_block, resolver_place),
                  .help = "DNS servers, \"IP:PORT\" with commas between; those of resolv.conf when empty."),
    OPTION_DURATION(struct server_block, "resolve_timeout", options.resolve_timeout_ns, .preset = RESOLVE_LIMIT_NS, .min = 100000000,
                    .max = SECONDS(75), .help = "How long DNS servers may take to answer before a lookup has failed."),
    OPTION_DURATION(struct server_block, "resolve_ttl_min", options.resolve.ttl_min_ns, .preset = (int64_t)RESOLVE_TTL_MIN_NS, .min = MS(1),
                    .max = SECONDS(86400), .help = "Answers of DNS with a shorter TTL are kept for so long."),
    OPTION_DURATION(struct server_block, "resolve_ttl_max", options.resolve.ttl_max_ns, .preset = (int64_t)RESOLVE_TTL_MAX_NS, .min = MS(1),
                    .max = SECONDS(86400), .help = "Those with a longer one are asked for anew after so long."),
    OPTION_DURATION(struct server_block, "resolve_negative_ttl", options.resolve.negative_ttl_ns, .preset = (int64_t)RESOLVE_FAILURE_NS,
                    .min = MS(1), .max = SECONDS(3600), .help = "How long a lookup that failed is not tried again."),
    OPTION_DURATION(struct server_block, "resolve_stale_max", options.resolve.stale_max_ns, .preset = (int64_t)RESOLVE_STALE_MAX_NS,
                    .max = SECONDS(604800), .help = "How long past its TTL an answer is still used when asking anew fails; 0: not at all."),
    OPTION_DURATION(struct server_block, "resolve_stale_after", options.resolve.stale_after_ns, .preset = (int64_t)RESOLVE_PATIENCE_NS,
                    .max = SECONDS(75), .help = "... or takes longer than this; 0: it is used while asking anew."),
    OPTION_INT(struct server_block, "resolve_cache_size", options.resolve.cache_size, .preset = RESOLVE_NAMES_MAX, .min = 1, .max = 1000000,
               .help = "Names whose addresses each worker knows; beyond that the least recently used is forgotten."),
    OPTION_INT(struct server_block, "max_pipes", options.pipes_max, .preset = PIPES_LENT_MAX, .max = 65536,
               .help = "Bodies that each worker passes on inside the kernel at once; others are copied. 0: all are copied."),
    OPTION_DURATION(struct server_block, "hide_hosts_after", options.hide_hosts_after_ns, .preset = (int64_t)HOST_LEAVE_NS, .min = SECONDS(1),
                    .max = INT64_MAX, .help = "When a host that only SRV records or redirects led to leaves the pages of the admin listener."),
    OPTION_DURATION(struct server_block, "forget_hosts_after", options.forget_hosts_after_ns, .preset = (int64_t)HOST_FORGET_NS, .max = INT64_MAX,
                    .help = "When all that is known of such a host is forgotten, no sooner than it has left them; 0: never."),
    OPTION_SIZE(struct server_block, "max_request_memory", options.request_memory_max, .preset = REQUEST_MEMORY, .min = 65536,
                .max = INT64_C(1) << 40, .help = "Memory of one request: heads, decoded answers and what is made of them."),
    OPTION_INT(struct server_block, "max_shadows", options.shadows_max, .preset = SHADOWS_MAX, .max = 65536,
               .help = "Copies of requests for shadow backends that each worker has under way at once; 0: none are sent."),
    OPTION_DURATION(struct server_block, "tcp_defer_accept", options.defer_accept_ns, .max = SECONDS(60),
                    .help = "Accept a connection once it has sent something, or after so long, in whole seconds; 0: at once."),
    OPTION_INT(struct server_block, "max_streams_per_ip", CLIENTS(streams_per_address), .max = UINT32_MAX,
               .help = "Streams and tunnels at once for each client address; 0: no limit."),
    OPTION_INT(struct server_block, "max_connections_per_ip", CLIENTS(max_per_address), .max = UINT32_MAX,
               .help = "Connections for each client address; 0: no limit."),
    OPTION_INT(struct server_block, "ipv4_prefix", CLIENTS(ipv4_prefix_bits), .preset = 32, .min = 1, .max = 32,
               .help = "Bits of an IPv4 address that count as one client."),
    OPTION_INT(struct server_block, "ipv6_prefix", CLIENTS(ipv6_prefix_bits), .preset = 64, .min = 1, .max = 128,
               .help = "Bits of an IPv6 address that count as one client."),
    OPTION_ENUM(struct server_block, "refuse_with", CLIENTS(refusal), .names = refusal_names, .preset_text = "reset",
                .help = "What a connection over that limit gets: reset, 503."),
    OPTION_INT(struct server_block, "refuse_handshakes", CLIENTS(refuse_handshakes), .preset = 10, .max = 10000,
               .help = "TLS handshakes a second that are done only to say 503; beyond that, a reset. 0: none."),
    OPTION_BOOL(struct server_block, "forwarded_from_anybody", CLIENTS(forwarded_from_anybody), .preset = 1,
                .help = "Without trusted_proxies, believe X-Forwarded-For of everybody, as KrakenD does."),
    OPTION_ENUM(struct server_block, "proxy_protocol", CLIENTS(proxy_protocol), .names = proxy_names, .preset_text = "off",
                .help = "off, accept, require: PROXY headers on all listeners that say nothing else."),
    OPTION_DURATION(struct server_block, "proxy_protocol_timeout", CLIENTS(proxy_header_ns), .preset = SECONDS(10), .min = MS(1),
                    .max = INT64_MAX, .help = "How long a PROXY header may take; read_header_timeout when that is shorter."),
    OPTION_DURATION(struct server_block, "lingering_timeout", CLIENTS(linger_ns), .preset = SECONDS(2), .min = MS(1), .max = SECONDS(300),
                    .help = "How long what a client still sends behind its last answer is read and dropped, so that the answer is not lost."),
    OPTION_STRINGS(struct server_block, "proxy_protocol_from", CLIENTS(proxy_networks), .help = "Networks that send them."),
};

const struct schema server_schema = {
    .title = "holdfast/server", .size = sizeof(struct server_block), .options = server_rows, .count = COUNT_OF(server_rows),
};

static const struct option admin_rows[] = {
    OPTION_STRING(struct admin_block, "listen", listen, .help = "Where the admin page listens."),
    OPTION_STRINGS(struct admin_block, "hosts", hosts, .example = "[\"gateway.internal\"]",
                   .help = "Names beside addresses and localhost by which it may be asked; \"*\": any."),
    OPTION_STRING(struct admin_block, "token_file", token_file, OPTION_PLACE(struct admin_block, token_place),
                  .help = "File with the token that commands need."),
    OPTION_INT(struct admin_block, "max_connections", connections_max, .preset = 64, .min = 1, .max = 65536,
               .help = "Connections to the admin listener at once; one more is closed."),
    OPTION_DURATION(struct admin_block, "timeout", timeout_ns, .preset = SECONDS(10), .min = MS(100), .max = SECONDS(86400),
                    .help = "How long each may take for a request, an answer or a pause."),
};

const struct schema admin_schema = {
    .title = "holdfast/admin", .size = sizeof(struct admin_block), .options = admin_rows, .count = COUNT_OF(admin_rows),
};

/* clang-format on */

/* A scalar, or the only scalar of a list, as text. data NULL: it is something else. */
static struct str scalar_text(const struct node *node)
{
    switch (node->type) {
    case JSON_NULL:
        return STR("");
    case JSON_FALSE:
        return STR("false");
    case JSON_TRUE:
        return STR("true");
    case JSON_NUMBER:
    case JSON_STRING:
        return node->text;
    case JSON_ARRAY:
        return node->count == 0 ? STR("") : node->count == 1 ? scalar_text(node->children) : STR_EMPTY;
    case JSON_OBJECT:
        return node->count == 0 ? STR("") : STR_EMPTY;
    }
    return STR_EMPTY;
}

static bool asks_for_nothing(const struct later_key *key, const struct node *member)
{
    struct str text = scalar_text(member);

    return text.data && (text.len == 0 || str_eq(text, str_from(key->preset)) ||
                         (key->also_fine && str_eq(text, str_from(key->also_fine))));
}

void later_check(const struct later_key *keys, size_t count, const struct node *block, const char *prefix,
                 struct report *report)
{
    for (size_t i = 0; i < count; i++) {
        const struct node *member = node_member(block, str_from(keys[i].name));

        if (!member || asks_for_nothing(&keys[i], member))
            continue;
        if (keys[i].refuse)
            report_add(report, SEVERITY_ERROR, PROBLEM_UNSUPPORTED, member->place, NULL,
                       "%s%s: other than \"%s\" is not supported yet in this version", prefix, keys[i].name,
                       keys[i].preset);
        else
            report_add(report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, member->place, NULL, "%s%s: has no effect yet",
                       prefix, keys[i].name);
    }
}

static void check_address(struct listener_options *listener, size_t i, struct report *report)
{
    struct addr addr;
    struct error err;

    listener->listen = arena_copy(report->arena, listener->listen);
    if (!addr_parse(listener->listen, &addr, &err))
        report_add(report, SEVERITY_ERROR, PROBLEM_LISTENER, listener->place,
                   "write \"127.0.0.1:8080\", \":8080\" or "
                   "\"unix:/run/gateway.sock\"",
                   "extra_config.holdfast/server.listeners[%zu].listen: \"%.*s\" is no "
                   "address to listen on",
                   i, STR_ARG(listener->listen));
}

/* HTTP/1.1 cannot be left out: it is what is spoken to clients that say nothing. */
static void take_protocols(struct listener_options *listener, const struct str_list *list, size_t i,
                           struct report *report)
{
    bool h2 = false;

    for (size_t j = 0; j < list->count; j++) {
        bool is_h2 = str_eq(list->items[j], STR("h2"));

        h2 |= is_h2;
        if (!is_h2 && !str_eq(list->items[j], STR("http/1.1")))
            report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, list->places[j], "write \"http/1.1\" or \"h2\"",
                       "extra_config.holdfast/server.listeners[%zu].protocols[%zu]: \"%.*s\" is none of what it can "
                       "be",
                       i, j, STR_ARG(list->items[j]));
    }
    listener->no_h2 = list->count > 0 && !h2;
}

static void take_listeners(struct server_options *server, const struct list_of *list, struct report *report)
{
    const struct listener_block *blocks = list->items;

    server->listeners = arena_array(report->arena, struct listener_options, list->count + 1);
    for (size_t i = 0; server->listeners && i < list->count; i++) {
        server->listeners[i] = blocks[i].options;
        if (!blocks[i].options.proxy_given)
            server->listeners[i].proxy_protocol = server->clients.proxy_protocol;
        if (!blocks[i].options.age_hard_given)
            server->listeners[i].max_age_hard_ns = server->clients.max_age_hard_ns;
        server->listeners[i].tls = blocks[i].tls.given ? &blocks[i].tls : NULL;
        server->listener_count++;
        if (blocks[i].options.listen.len > 0)
            check_address(&server->listeners[i], i, report);
        take_protocols(&server->listeners[i], &blocks[i].protocols, i, report);
    }
}

/* Name servers are addresses: a name would have to be looked up first. */
static void check_resolver(const struct server_block *block, struct report *report)
{
    struct str rest = block->options.resolver, part;
    struct addr addr;
    struct error err;

    while (rest.len > 0 && str_split(&rest, ',', &part))
        if (!addr_parse_ip(part, &addr) &&
            (!addr_parse(part, &addr, &err) || addr.family == ADDR_UNIX || addr.port == 0))
            report_add(report, SEVERITY_ERROR, PROBLEM_BAD_CHOICE, block->resolver_place,
                       "write addresses such as \"127.0.0.1:53\", with commas between",
                       "extra_config.holdfast/server.resolver: \"%.*s\" is no address", STR_ARG(part));
}

/* A default that is longer gives way without a word. */
static void check_ttls(const struct resolve_settings *resolve, const struct node *block, struct report *report)
{
    if (resolve->ttl_min_ns > resolve->ttl_max_ns && block && node_member(block, STR("resolve_ttl_min")))
        report_add(report, SEVERITY_WARNING, PROBLEM_CONTRADICTION, node_place(block, "resolve_ttl_min"),
                   "lower it, or raise resolve_ttl_max",
                   "extra_config.holdfast/server.resolve_ttl_min: is longer than resolve_ttl_max");
}

/* KrakenD has none of these: they hold only when they were given. */
static void forget_limits(struct server_block *server)
{
    struct client_rules *clients = &server->options.clients;

    if (!server->head_rate_given)
        clients->head_rate_min = 0;
    if (!server->body_gap_given)
        server->options.body_gap_timeout_ns = 0;
    if (!server->body_rate_given)
        clients->body_rate_min = 0;
    if (!server->send_gap_given)
        clients->send_gap_ns = 0;
    if (!server->send_rate_given)
        clients->send_rate_min = 0;
    if (!server->age_given)
        clients->max_age_ns = 0;
}

/* Its idle timeout is settled with the other clocks. */
static void take_preset(struct server_block *server)
{
    const struct keep_numbers *numbers = keep_numbers_of(server->options.preset);

    server->options.preset_requests = numbers && !server->requests_given;
    if (server->options.preset_requests)
        server->options.max_requests_per_connection = numbers->requests;
}

static void read_server(struct service *service, const struct node *block, struct report *report)
{
    static const char prefix[] = "extra_config.holdfast/server";
    struct server_block server;

    /* What did not bind holds its default, so that the rest can be checked too. */
    (void)schema_bind(&server_schema, block, prefix, &server, report->arena, report);
    if (server.options.profile == PROFILE_KRAKEND)
        forget_limits(&server);
    take_preset(&server);
    server.options.as_sent = server.encoded_urls == 1;
    clients_settle(&server.options.clients, block, report);
    check_resolver(&server, report);
    check_ttls(&server.options.resolve, block, report);
    take_listeners(&server.options, &server.listeners, report);
    service->server = server.options;
}

/* Names as a Host field has them, without the port. */
static void check_admin_hosts(const struct str_list *hosts, struct report *report)
{
    for (size_t i = 0; i < hosts->count; i++) {
        struct str name = hosts->items[i];

        if (name.len == 0 || str_find_char(name, ':') < name.len || !authority_is_valid(name))
            report_add(report, SEVERITY_ERROR, PROBLEM_HOST, hosts->places[i],
                       "write a name alone, without scheme and port, or \"*\"",
                       "extra_config.holdfast/admin.hosts[%zu]: \"%.*s\" is no name", i, STR_ARG(name));
    }
}

static void read_admin(struct service *service, const struct node *block, struct report *report)
{
    struct admin_block admin;
    struct addr addr;
    struct error err;

    (void)schema_bind(&admin_schema, block, "extra_config.holdfast/admin", &admin, report->arena, report);
    service->server.admin_listen = arena_copy(report->arena, admin.listen);
    if (admin.listen.len > 0 && !addr_parse(service->server.admin_listen, &addr, &err))
        report_add(report, SEVERITY_ERROR, PROBLEM_LISTENER, node_place(block, "listen"),
                   "write \"127.0.0.1:9901\" or \"unix:/run/gateway/admin.sock\"",
                   "extra_config.holdfast/admin.listen: \"%.*s\" is no address to listen on", STR_ARG(admin.listen));
    check_admin_hosts(&admin.hosts, report);
    service->server.admin_hosts = admin.hosts;
    service->server.admin_token_file = admin.token_file;
    service->server.admin_token_place = admin.token_place;
    service->server.admin_connections_max = admin.connections_max;
    service->server.admin_timeout_ns = admin.timeout_ns;
}

void ours_read(struct service *service, struct report *report)
{
    const struct node *extra_config = service->extra_config;

    read_server(service, component_find(extra_config, "holdfast/server"), report);
    read_admin(service, component_find(extra_config, "holdfast/admin"), report);
    (void)schema_bind(&tls_tuning_schema, component_find(extra_config, "holdfast/tls"), "extra_config.holdfast/tls",
                      &service->tls_tuning, report->arena, report);
    service->transport.max_decoded_bytes = TRANSPORT_DECODED_BYTES_MAX;
    service->transport.max_connection_age_ns = MAX_CONNECTION_AGE_NS;
    service->transport.queue_timeout_ns = QUEUE_TIMEOUT_NS;
    service->transport.tls_handshake_timeout_ns = HANDSHAKE_TIMEOUT_NS;
    service->transport.ping_after_ns = TRANSPORT_PING_AFTER_NS;
    service->transport.failovers_max = BALANCE_TRIED_MAX;
    service->transport.eject_after = TRANSPORT_EJECT_AFTER;
    service->transport.eject = EJECT_RULE_DEFAULT;
    service->transport.resend_budget =
        (struct resend_budget_rule){RESEND_BUDGET_PERCENT, RESEND_BUDGET_PER_SECOND, RESEND_BUDGET_WINDOW_S};
    service->transport.tcp_user_timeout_ns = TCP_USER_TIMEOUT_NS;
    service->transport.first_flight_bytes = TRANSPORT_FIRST_FLIGHT_BYTES;
    service->transport.first_flight_timeout_ns = TRANSPORT_FIRST_FLIGHT_TIMEOUT_NS;
    service->transport.rules = HOST_RULES_DEFAULT;
    service->transport.protocol = service->server.profile == PROFILE_SAFE ? PROTOCOL_AUTO : PROTOCOL_HTTP1;
    upstream_read(&service->transport, extra_config, "", report);
}
