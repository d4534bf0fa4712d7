/* service_check.c: settles what depends on more than one key (defaults, inheritance, methods, hosts, encodings) and
 * checks what tables cannot. Paths and routes are checked in service_routes.c. Start with service_settle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"
#include "http/head.h"

static void check_root(struct service *service, const struct node *root, struct report *report)
{
    struct addr addr;

    if (service->version != 3)
        report_add(report, SEVERITY_ERROR, PROBLEM_VERSION, node_place(root, "version"), "write \"version\": 3",
                   "version: %lld is not supported: only 3 is", (long long)service->version);
    if (service->listen_ip.len > 0 && !addr_parse_ip(service->listen_ip, &addr))
        report_add(report, SEVERITY_ERROR, PROBLEM_LISTEN_IP, node_place(root, "listen_ip"), NULL,
                   "listen_ip: \"%.*s\" is not an IP address", STR_ARG(service->listen_ip));
    keys_check(LEVEL_ROOT, root, "", false, report);
    components_check(LEVEL_ROOT, service->extra_config, "", report);
}

/* As in KrakenD, the old key makes a block where there is none, with all that comes of it (TLS 1.3 only). */
static void settle_client_tls(struct service *service)
{
    if (!service->allow_insecure_connections)
        return;
    service->client_tls.given = true;
    service->client_tls.allow_insecure = true;
}

/* Zero means the next coarser clock; under the safe profile no clock stays at never. */
static void settle_clocks(struct service *service)
{
    const struct keep_numbers *numbers = keep_numbers_of(service->server.preset);
    bool safe = service->server.profile == PROFILE_SAFE;

    service->server.preset_idle = numbers && service->idle_timeout_ns == 0;
    if (service->server.preset_idle)
        service->idle_timeout_ns = numbers->idle_ns;
    if (service->timeout_ns == 0)
        service->timeout_ns = SECONDS(2);
    if (service->idle_timeout_ns == 0)
        service->idle_timeout_ns = service->read_timeout_ns;
    if (service->read_header_timeout_ns == 0)
        service->read_header_timeout_ns = service->read_timeout_ns;
    if (service->idle_timeout_ns == 0 && safe) {
        service->server.clients.idle_adapts = true;
        service->idle_timeout_ns = service->server.clients.idle_max_ns;
    }
    service->router.trusts_nobody =
        !service->server.clients.forwarded_from_anybody && service->router.trusted_proxies.count == 0;
    if (service->read_header_timeout_ns == 0 && safe)
        service->read_header_timeout_ns = SECONDS(10);
    if (service->transport.max_idle_connections_per_host == 0)
        service->transport.max_idle_connections_per_host = TRANSPORT_IDLE_PER_HOST_DEFAULT;
}

/* The root's block is for every TCP listener that has none: what was meant to be secured is not served plain because
 * it was listed. A Unix socket is plain unless it says otherwise. */
static void settle_tls(struct service *service)
{
    struct server_options *server = &service->server;

    for (size_t i = 0; i < server->listener_count; i++) {
        struct listener_options *listener = &server->listeners[i];

        if (!listener->tls && !str_starts(listener->listen, STR("unix:")))
            listener->tls = &service->tls;
        if (listener->tls && !tls_server_is_on(listener->tls))
            listener->tls = NULL;
    }
}

/* Without listeners of ours there is KrakenD's one. */
static void settle_listener(struct service *service, const struct node *root, struct report *report)
{
    struct arena *arena = report->arena;
    struct server_options *server = &service->server;
    bool brackets =
        str_find_char(service->listen_ip, ':') < service->listen_ip.len && !str_starts(service->listen_ip, STR("["));

    if (service->port == 0)
        service->port = 8080;
    if (server->listener_count > 0) {
        const struct node *port = node_member(root, STR("port"));

        if (service->port_given)
            report_add(report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, port ? port->place : (struct place){0}, NULL,
                       "port: has no effect beside extra_config.holdfast/server.listeners");
        return;
    }
    server->listeners = arena_make(arena, struct listener_options);
    if (!server->listeners)
        return;
    server->listener_count = 1;
    server->listeners->proxy_protocol = server->clients.proxy_protocol;
    server->listeners->max_age_hard_ns = server->clients.max_age_hard_ns;
    server->listeners->listen = arena_format(arena, brackets ? "[%.*s]:%lld" : "%.*s:%lld", STR_ARG(service->listen_ip),
                                             (long long)service->port);
}

static struct str upper(struct arena *arena, struct str text)
{
    struct str copy = arena_copy(arena, text);
    char *out = (char *)(uintptr_t)copy.data;

    for (size_t i = 0; out && i < copy.len; i++)
        if (out[i] >= 'a' && out[i] <= 'z')
            out[i] = (char)(out[i] & ~0x20);
    return copy;
}

static void canonical_names(struct str_list *list, const char *key, const struct spot *spot)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str name = list->items[i];
        struct str canonical = header_canonical(spot->report->arena, name);

        if (!str_eq(name, STR("*")) && name.len > 0 && !header_name_is_valid(name))
            report_add(spot->report, SEVERITY_WARNING, PROBLEM_HEADER_NAME, list->places[i], NULL,
                       "%s%s[%zu]: \"%.*s\" is no header name: nothing matches it", spot->prefix, key, i,
                       STR_ARG(name));
        if (canonical.data)
            list->items[i] = canonical;
    }
}

static void sanitize_hosts(struct str_list *list, bool as_written, const char *prefix, struct report *report)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str host = list->items[i];

        if (!as_written && !host_sanitize(report->arena, host, &list->items[i])) {
            report_add(report, SEVERITY_ERROR, PROBLEM_HOST, list->places[i],
                       "write \"http://name:port\"; disable_host_sanitize takes a host as it is",
                       "%shost[%zu]: \"%.*s\" is not one host", prefix, i, STR_ARG(host));
        }
    }
}

static struct str settle_method(struct arena *arena, struct str method, struct str preset)
{
    return method.len == 0 ? preset : upper(arena, method);
}

static void settle_backend(const struct spot *spot, struct backend_options *backend)
{
    struct service *service = spot->service;
    bool no_op = spot->endpoint->output_encoding == ENCODING_NO_OP;
    struct arena *arena = spot->report->arena;
    bool replaced = component_replaces_http(backend->extra_config);

    if (backend->method.len > 0 && !header_name_is_valid(backend->method))
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_METHOD, node_place(backend->node, "method"), NULL,
                   "%smethod: \"%.*s\" is no method", spot->prefix, STR_ARG(backend->method));
    backend->method = settle_method(arena, backend->method, spot->endpoint->method);
    if (replaced)
        backend->host.count = 0;
    else if (backend->host.count == 0)
        backend->host = service->host;
    else
        sanitize_hosts(&backend->host, backend->disable_host_sanitize, spot->prefix, spot->report);
    discovery_check(spot, backend);
    if (backend->host.count == 0 && !backend->discovered && !replaced)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_HOST_NONE, backend->place,
                   "add \"host\" here or at the root", "%shost: there is none: every request will fail", spot->prefix);
    canonical_names(&backend->input_headers, "input_headers", spot);
    settle_input(spot, backend);
    read_backend_http(backend);
    shape_read(spot, backend);
    shadow_read(spot, backend);
    keys_check(LEVEL_BACKEND, backend->node, spot->prefix, no_op, spot->report);
    components_check(LEVEL_BACKEND, backend->extra_config, spot->prefix, spot->report);
    backend->transport = service->transport;
    backend->client_tls = service->client_tls;
    client_read(backend, spot->prefix, spot->report);
    upstream_read(&backend->transport, backend->extra_config, spot->prefix, spot->report);
    marks_check(spot, backend);
    if (backend->shadow && backend->transport.pool.len == 0)
        backend->transport.pool = STR("shadow"); /* copies take no connection from what somebody waits for */
    stream_settle(spot, backend);
    check_pattern(spot, backend);
}

static void check_backend_count(const struct spot *spot)
{
    const struct endpoint_options *endpoint = spot->endpoint;
    size_t count = endpoint->backend_count;

    if (count == 0 && !endpoint->answer_given)
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_BACKEND_NONE, endpoint->place,
                   "add \"backend\", or \"holdfast/answer\" under extra_config", "%sbackend: there is none",
                   spot->prefix);
    if (count > 0 && endpoint->answer_given)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node_place(endpoint->node, "backend"), NULL,
                   "%sbackend: has no effect beside holdfast/answer", spot->prefix);
    if (count > 1 && endpoint->output_encoding == ENCODING_NO_OP)
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_BACKEND_MANY, node_place(endpoint->node, "backend"), NULL,
                   "%sbackend: no-op takes exactly one backend, here are %zu", spot->prefix, count);
    if (endpoint->concurrent_calls > 1 && endpoint->output_encoding == ENCODING_NO_OP)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node_place(endpoint->node, "concurrent_calls"),
                   NULL, "%sconcurrent_calls: has no effect with no-op", spot->prefix);
}

static void settle_times(const struct spot *spot)
{
    struct endpoint_options *endpoint = spot->endpoint;

    if (endpoint->timeout_ns == 0)
        endpoint->timeout_ns = spot->service->timeout_ns;
    if (endpoint->cache_ttl_ns == 0)
        endpoint->cache_ttl_ns = spot->service->cache_ttl_ns;
    if (endpoint->timeout_ns < 0)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_TOO_LATE, node_place(endpoint->node, "timeout"), NULL,
                   "%stimeout: is negative: every request will be too late", spot->prefix);
}

static void settle_endpoint(struct service *service, size_t index, const struct node *root, struct report *report)
{
    struct endpoint_options *endpoint = &service->endpoints[index];
    struct str prefix = arena_format(report->arena, "endpoints[%zu].", index);
    struct spot spot = {service, endpoint, report, prefix.data};

    endpoint->method = settle_method(report->arena, endpoint->method, STR("GET"));
    if (!prefix.data || !endpoint->node) /* what is no object was told already, and has nothing to look at */
        return;
    settle_times(&spot);
    settle_output(&spot, root);
    canonical_names(&endpoint->input_headers, "input_headers", &spot);
    stream_read(&spot);
    answer_read(endpoint, prefix.data, report);
    proxy_read(&spot);
    check_backend_count(&spot);
    check_path(&spot);
    keys_check(LEVEL_ENDPOINT, endpoint->node, prefix.data, false, report);
    components_check(LEVEL_ENDPOINT, endpoint->extra_config, prefix.data, report);
    for (size_t i = 0; i < endpoint->backend_count; i++) {
        struct str inner = arena_format(report->arena, "endpoints[%zu].backend[%zu].", index, i);

        if (inner.data && endpoint->backends[i].node)
            settle_backend(&(struct spot){service, endpoint, report, inner.data}, &endpoint->backends[i]);
    }
    proxy_check(&spot);
}

/* KrakenD logs an error for a method that it cannot serve, and goes on without that endpoint. */
static void drop_unserved_methods(struct service *service, struct report *report)
{
    static const char *const served[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "*"};
    size_t kept = 0;

    for (size_t i = 0; i < service->endpoint_count; i++) {
        const struct endpoint_options *endpoint = &service->endpoints[i];
        bool is_served = false;

        for (size_t method = 0; method < COUNT_OF(served); method++)
            is_served |= str_eq(endpoint->method, str_from(served[method]));
        if (is_served)
            service->endpoints[kept++] = *endpoint;
        else
            report_add(report, SEVERITY_WARNING, PROBLEM_METHOD, node_place(endpoint->node, "method"),
                       "\"*\" serves every method",
                       "endpoints[%zu].method: %.*s cannot be an endpoint's method: this endpoint is left out", i,
                       STR_ARG(endpoint->method));
    }
    service->endpoint_count = kept;
}

void service_settle(struct service *service, const struct node *root, struct report *report)
{
    router_options_read(&service->router, component_find(service->extra_config, "router"), report);
    ours_read(service, report);
    check_root(service, root, report);
    settle_clocks(service);
    settle_client_tls(service);
    settle_listener(service, root, report);
    settle_tls(service);
    sanitize_hosts(&service->host, false, "", report);
    for (size_t i = 0; i < service->endpoint_count; i++)
        settle_endpoint(service, i, root, report);
    drop_unserved_methods(service, report);
    check_routes(service, root, report);
}
