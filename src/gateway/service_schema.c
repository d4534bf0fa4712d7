/* service_schema.c: KrakenD's keys of root, endpoint and backend as tables. Keys that bind to nothing are known here
 * and judged in service_keys.c; defaults that depend on other keys are settled in service_check.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"

#include <assert.h>

/* Lists bind to a pointer and the count behind it. */
static_assert(offsetof(struct service, endpoint_count) == offsetof(struct service, endpoints) + sizeof(void *),
              "endpoints are a list_of");
static_assert(offsetof(struct endpoint_options, backend_count) ==
                  offsetof(struct endpoint_options, backends) + sizeof(void *),
              "backends are a list_of");

const struct node *node_keep(const struct node *node, struct report *report)
{
    struct node *kept = arena_make(report->arena, struct node);

    if (kept)
        *kept = *node;
    return kept;
}

static void remember_backend(void *bound, const struct node *node, const char *path, struct report *report)
{
    struct backend_options *backend = bound;

    (void)path;
    backend->node = node_keep(node, report);
    backend->place = node->place;
}

static void remember_endpoint(void *bound, const struct node *node, const char *path, struct report *report)
{
    struct endpoint_options *endpoint = bound;

    (void)path;
    endpoint->node = node_keep(node, report);
    if (!endpoint->place.source)
        endpoint->place = node->place;
}

/* KrakenD has no bound, its schema says 5. */
#define CONCURRENT_CALLS_MAX 64

/* clang-format off */
static const struct option backend_rows[] = {
    OPTION_STRING(struct backend_options, "url_pattern", url_pattern, .preset_text = "/",
                  OPTION_PLACE(struct backend_options, url_pattern_place), .example = "\"/users/{id}?full=1\"",
                  .help = "Path and query at the backend, with {placeholders} of the endpoint's path."),
    OPTION_STRINGS(struct backend_options, "host", host, .example = "[\"http://127.0.0.1:9001\"]", .help = "Hosts that serve this backend; the root's when empty."),
    OPTION_STRING(struct backend_options, "method", method, .help = "Method sent to the backend; the endpoint's when empty."),
    OPTION_STRING(struct backend_options, "encoding", encoding_name, .shown = "\"json\"", .help = "How the answer is decoded: json, safejson, string, xml, rss or no-op."),
    OPTION_BOOL(struct backend_options, "is_collection", is_collection, .help = "The answer is an array."),
    OPTION_BOOL(struct backend_options, "disable_host_sanitize", disable_host_sanitize, .help = "Hosts are taken as they are written."),
    OPTION_STRINGS(struct backend_options, "input_headers", input_headers,
                   OPTION_SEEN(struct backend_options, input_headers_given), .help = "Only these headers reach this backend."),
    OPTION_STRINGS(struct backend_options, "input_query_strings", input_query_strings,
                   OPTION_SEEN(struct backend_options, input_query_strings_given),
                   .help = "Only these query parameters reach this backend."),
    OPTION_MAP(struct backend_options, "extra_config", extra_config, .schema = &backend_components, .help = "Components of this backend."),
    OPTION_STRING(struct backend_options, "target", shape.target, .help = "Dotted path of the part of the answer to use."),
    OPTION_STRINGS(struct backend_options, "allow", allow, .help = "Only these fields of the answer stay; dotted paths."),
    OPTION_STRINGS(struct backend_options, "deny", deny, .help = "These fields of the answer go; dotted paths."),
    OPTION_MAP(struct backend_options, "mapping", mapping, .form = "\"type\": \"object\", \"additionalProperties\": {\"type\": \"string\"}",
                .example = "{\"id\": \"user_id\"}", .help = "Fields of the answer to rename."),
    OPTION_STRING(struct backend_options, "group", shape.group, .help = "Field under which the answer is put."),
    OPTION_STRING(struct backend_options, "sd", sd, .preset_text = "static", .help = "Service discovery: static, or dns: host is the name of SRV records."),
    OPTION_STRING(struct backend_options, "sd_scheme", sd_scheme, .preset_text = "http", .help = "Scheme of discovered hosts."),
    OPTION_IGNORED("timeout", .help = "Not read here: the endpoint's timeout counts."),
    OPTION_IGNORED("concurrent_calls", .help = "Not read here: the endpoint's value counts."),
};

static const struct schema backend_schema = {
    .title = "backend", .size = sizeof(struct backend_options), .options = backend_rows, .count = COUNT_OF(backend_rows),
    .check = remember_backend, .never_null = true,
};

static const struct option endpoint_rows[] = {
    OPTION_STRING(struct endpoint_options, "endpoint", endpoint, OPTION_PLACE(struct endpoint_options, place), .required = true, .example = "\"/users/{id}\"",
                  .help = "Path to serve, with {placeholders}; a subtree ends in a slash and a star."),
    OPTION_STRING(struct endpoint_options, "method", method, .shown = "\"GET\"", .help = "GET, POST, PUT, PATCH, DELETE, or a star for all."),
    OPTION_LIST(struct endpoint_options, "backend", backends, .schema = &backend_schema, .help = "Where the answer comes from."),
    OPTION_DURATION(struct endpoint_options, "timeout", timeout_ns, .shown = "\"2s\"", .help = "Deadline of the whole request; the root's when 0."),
    OPTION_DURATION(struct endpoint_options, "cache_ttl", cache_ttl_ns, .help = "max-age of complete answers; the root's when 0."),
    OPTION_STRINGS(struct endpoint_options, "input_headers", input_headers, .help = "Client headers that reach backends; a star for all."),
    OPTION_STRINGS(struct endpoint_options, "input_query_strings", input_query_strings,
                   .help = "Query parameters that reach backends; a star for all."),
    OPTION_STRING(struct endpoint_options, "output_encoding", output_encoding_name,
                  .help = "json, json-collection, string, xml, yaml, negotiate or no-op; the root's when empty."),
    OPTION_INT(struct endpoint_options, "concurrent_calls", concurrent_calls, .min = INT64_MIN, .max = CONCURRENT_CALLS_MAX, .help = "Equal calls to each backend, of which the first answer counts."),
    OPTION_MAP(struct endpoint_options, "extra_config", extra_config, .schema = &endpoint_components, .help = "Components of this endpoint."),
};

static const struct schema endpoint_schema = {
    .title = "endpoint", .size = sizeof(struct endpoint_options), .options = endpoint_rows, .count = COUNT_OF(endpoint_rows),
    .check = remember_endpoint, .never_null = true,
};

static const struct option root_rows[] = {
    OPTION_IGNORED("$schema", .form = "\"type\": \"string\"", .help = "Where editors find the schema of this file."),
    OPTION_INT(struct service, "version", version, .form = "\"const\": 3", .shown = "3", .help = "Version of the file format: 3."),
    OPTION_STRING(struct service, "name", name, .help = "Name of this service, for people."),
    OPTION_INT(struct service, "port", port, OPTION_SEEN(struct service, port_given), .max = 65535, .shown = "8080", .help = "TCP port; 8080 when 0."),
    OPTION_STRING(struct service, "listen_ip", listen_ip, .help = "Literal address to listen on; all when empty."),
    OPTION_DURATION(struct service, "timeout", timeout_ns, .shown = "\"2s\"", .help = "Deadline of endpoints that set none; 2s when 0."),
    OPTION_DURATION(struct service, "cache_ttl", cache_ttl_ns, .help = "max-age of complete answers of endpoints that set none."),
    OPTION_STRINGS(struct service, "host", host, .example = "[\"http://127.0.0.1:9001\"]", .help = "Hosts of backends that name none."),
    OPTION_STRING(struct service, "output_encoding", output_encoding_name, .shown = "\"json\"", .help = "Output encoding of endpoints that set none."),
    OPTION_LIST(struct service, "endpoints", endpoints, .schema = &endpoint_schema, .help = "What is served."),
    OPTION_MAP(struct service, "extra_config", extra_config, .schema = &root_components, .help = "Components of the service."),
    OPTION_DURATION(struct service, "read_timeout", read_timeout_ns, .help = "A whole request, its body included; 0: none."),
    OPTION_DURATION(struct service, "write_timeout", write_timeout_ns, .help = "From a request's head to its answer's end; 0: none."),
    OPTION_DURATION(struct service, "idle_timeout", idle_timeout_ns, .help = "How long a client may keep a quiet connection; read_timeout when 0."),
    OPTION_DURATION(struct service, "read_header_timeout", read_header_timeout_ns, .help = "A request's head; read_timeout when 0."),
    OPTION_INT(struct service, "max_header_bytes", max_header_bytes, .shown = "1048576", .help = "Bytes of a request's head; 1 MiB when 0."),
    OPTION_DURATION(struct service, "max_shutdown_wait_time", max_shutdown_wait_time_ns, .help = "How long a drain may take."),
    OPTION_BOOL(struct service, "disable_rest", disable_rest, .help = "Placeholders may stand anywhere in a path."),
    OPTION_BOOL(struct service, "debug_endpoint", debug_endpoint, .help = "Serves /__debug/."),
    OPTION_BOOL(struct service, "echo_endpoint", echo_endpoint, .help = "Serves /__echo/."),
    OPTION_DURATION(struct service, "dialer_timeout", transport.dialer_timeout_ns, .help = "Connecting to a host; 0: the endpoint's deadline alone."),
    OPTION_DURATION(struct service, "dialer_keep_alive", transport.dialer_keep_alive_ns, .shown = "\"15s\"", .help = "Interval of TCP keep-alive; 15s when 0, off when negative."),
    OPTION_DURATION(struct service, "dialer_fallback_delay", transport.dialer_fallback_delay_ns, .shown = "\"300ms\"",
                    .help = "Head start of an address before the next is tried; 300ms when 0."),
    OPTION_BOOL(struct service, "disable_keep_alives", transport.disable_keep_alives, .help = "A new connection to the host for each request."),
    OPTION_BOOL(struct service, "disable_compression", transport.disable_compression, .help = "Never ask hosts for gzip."),
    OPTION_INT(struct service, "max_idle_connections", transport.max_idle_connections, .help = "Idle connections to all hosts; 0: no limit."),
    OPTION_INT(struct service, "max_idle_connections_per_host", transport.max_idle_connections_per_host, .shown = "250",
               .help = "Idle connections to one host; 250 when 0."),
    OPTION_DURATION(struct service, "idle_connection_timeout", transport.idle_connection_timeout_ns,
                    .help = "How long a connection to a host may stay idle; ours when 0."),
    OPTION_DURATION(struct service, "response_header_timeout", transport.response_header_timeout_ns,
                    .help = "From the sent request to the answer's head; 0: none."),
    OPTION_DURATION(struct service, "expect_continue_timeout", transport.expect_continue_timeout_ns,
                    .help = "How long a body waits for 100 Continue; 0: not at all."),
    OPTION_OBJECT(struct service, "tls", tls, .schema = &tls_server_schema, .help = "Clients are served over TLS only."),
    OPTION_OBJECT(struct service, "client_tls", client_tls, .schema = &tls_client_schema, .help = "TLS to hosts."),
    OPTION_BOOL(struct service, "allow_insecure_connections", allow_insecure_connections, .help = "TLS to hosts without checking who they are."),
    OPTION_BOOL(struct service, "use_h2c", use_h2c, .help = "HTTP/2 without TLS."),
    OPTION_IGNORED("async_agent", .form = "\"type\": \"array\"", .help = "Consumers of message queues."),
    OPTION_BOOL(struct service, "sequential_start", sequential_start, .help = "Consumers start one after the other."),
    OPTION_IGNORED("plugin", .form = "\"type\": \"object\"", .help = "Go plugins."),
    OPTION_DURATION(struct service, "dns_cache_ttl", dns_cache_ttl_ns, .shown = "\"30s\"", .help = "How often SRV records are asked for."),
};
/* clang-format on */

const struct schema service_schema = {
    .title = "service",
    .size = sizeof(struct service),
    .options = root_rows,
    .count = COUNT_OF(root_rows),
};
