/* dump.c: a configuration as it was understood, in the order and the words that KrakenD's users know. Start with
 * dump_generation. SPDX-License-Identifier: Apache-2.0 */
#include "cli/dump.h"

#include "base/text.h"
#include "cli/flags.h"

struct dump {
    struct arena *arena;
    const struct service *service;
    const char *indent;
    int64_t level;
};

static void line(const struct dump *dump, unsigned depth, const char *format, ...) PRINTF_LIKE(3, 4);

static void line(const struct dump *dump, unsigned depth, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < depth; i++)
        print(2, "%s", dump->indent);
    print(2, "%s\n", text);
}

static void duration(const struct dump *dump, unsigned depth, const char *name, int64_t ns)
{
    char text[DURATION_TEXT_BYTES];
    struct str shown = text_from_duration(ns, text);

    line(dump, depth, "%s: %.*s", name, STR_ARG(shown));
}

static void number(const struct dump *dump, unsigned depth, const char *name, int64_t value)
{
    line(dump, depth, "%s: %lld", name, (long long)value);
}

static void list(const struct dump *dump, unsigned depth, const char *name, const struct str_list *items)
{
    struct str joined = STR("");

    if (items->count == 0)
        return;
    for (size_t i = 0; i < items->count && joined.data; i++)
        joined = arena_format(dump->arena, "%.*s%s%.*s", STR_ARG(joined), i > 0 ? ", " : "", STR_ARG(items->items[i]));
    line(dump, depth, "%s: %.*s", name, STR_ARG(joined));
}

/* Names; from level 2 on with their contents. */
static void components(const struct dump *dump, unsigned depth, const struct node *extra_config, int64_t from)
{
    if (dump->level < from || !extra_config || extra_config->type != JSON_OBJECT || extra_config->count == 0)
        return;
    line(dump, depth, "%u components:", extra_config->count);
    for (const struct node *at = extra_config->children; at; at = at->next) {
        struct str text = dump->level > 1 ? node_to_json(at, dump->arena) : STR_EMPTY;

        line(dump, depth, "- %.*s%s%.*s", STR_ARG(at->name), text.len ? ": " : "", STR_ARG(text));
    }
}

static void dump_backend(const struct dump *dump, const struct backend *backend)
{
    const struct backend_options *options = backend->options;

    line(dump, 2, "[+] %.*s %.*s", STR_ARG(options->method), STR_ARG(backend->internal));
    list(dump, 3, "Hosts", &options->host);
    if (dump->level > 1) {
        line(dump, 3, "Encoding: %.*s", STR_ARG(options->encoding_name.len ? options->encoding_name : STR("json")));
        list(dump, 3, "Headers", &options->input_headers);
        list(dump, 3, "Query strings", &options->input_query_strings);
        list(dump, 3, "Allow", &options->allow);
        list(dump, 3, "Deny", &options->deny);
        if (options->shape.target.len > 0)
            line(dump, 3, "Target: %.*s", STR_ARG(options->shape.target));
        if (options->shape.group.len > 0)
            line(dump, 3, "Group: %.*s", STR_ARG(options->shape.group));
        if (options->sd.len > 0)
            line(dump, 3, "Service discovery: %.*s", STR_ARG(options->sd));
    }
    components(dump, 3, options->extra_config, 1);
}

static void dump_endpoint(const struct dump *dump, const struct endpoint *endpoint)
{
    const struct endpoint_options *options = endpoint->options;

    line(dump, 1, "- %.*s %.*s", STR_ARG(options->method), STR_ARG(endpoint->path));
    duration(dump, 2, "Timeout", options->timeout_ns);
    if (options->concurrent_calls > 1)
        number(dump, 2, "Concurrent calls", options->concurrent_calls);
    if (dump->level > 1) {
        duration(dump, 2, "Cache TTL", options->cache_ttl_ns);
        line(dump, 2, "Output encoding: %.*s", STR_ARG(options->output_encoding_name));
        list(dump, 2, "Headers", &options->input_headers);
        list(dump, 2, "Query strings", &options->input_query_strings);
    }
    components(dump, 2, options->extra_config, 1);
    line(dump, 2, "Backends (%zu):", endpoint->backend_count);
    for (size_t i = 0; i < endpoint->backend_count; i++)
        dump_backend(dump, &endpoint->backends[i]);
}

static void dump_endpoints(const struct dump *dump, const struct generation *generation)
{
    uint32_t count = generation_endpoint_count(generation), shown = 0;

    for (uint32_t i = 0; i < count; i++)
        shown += generation_endpoint(generation, i)->options != NULL;
    line(dump, 0, "%u API endpoints:", shown);
    for (uint32_t i = 0; i < count; i++)
        if (generation_endpoint(generation, i)->options)
            dump_endpoint(dump, generation_endpoint(generation, i));
}

static void dump_clocks(const struct dump *dump)
{
    const struct service *service = dump->service;
    const struct transport *transport = &service->transport;

    duration(dump, 1, "Read timeout", service->read_timeout_ns);
    duration(dump, 1, "Write timeout", service->write_timeout_ns);
    duration(dump, 1, "Idle timeout", service->idle_timeout_ns);
    duration(dump, 1, "Read header timeout", service->read_header_timeout_ns);
    duration(dump, 1, "Dialer timeout", transport->dialer_timeout_ns);
    duration(dump, 1, "Dialer keep alive", transport->dialer_keep_alive_ns);
    duration(dump, 1, "Dialer fallback delay", transport->dialer_fallback_delay_ns);
    duration(dump, 1, "Idle connection timeout", transport->idle_connection_timeout_ns);
    duration(dump, 1, "Response header timeout", transport->response_header_timeout_ns);
    duration(dump, 1, "Expect continue timeout", transport->expect_continue_timeout_ns);
    number(dump, 1, "Max idle connections", transport->max_idle_connections);
    number(dump, 1, "Max idle connections per host", transport->max_idle_connections_per_host);
    line(dump, 1, "Disable keep alives: %s", transport->disable_keep_alives ? "true" : "false");
    line(dump, 1, "Disable compression: %s", transport->disable_compression ? "true" : "false");
    line(dump, 1, "Debug endpoint: %s", service->debug_endpoint ? "true" : "false");
    line(dump, 1, "Echo endpoint: %s", service->echo_endpoint ? "true" : "false");
}

static void dump_service(const struct dump *dump)
{
    const struct service *service = dump->service;

    line(dump, 0, "Global settings");
    if (service->name.len > 0)
        line(dump, 1, "Name: %.*s", STR_ARG(service->name));
    line(dump, 1, "Version: %lld", (long long)service->version);
    for (size_t i = 0; i < service->server.listener_count; i++)
        line(dump, 1, "Address: %.*s%s", STR_ARG(service->server.listeners[i].listen),
             service->server.listeners[i].tls ? " (TLS)" : "");
    line(dump, 1, "Port: %lld", (long long)service->port);
    list(dump, 1, "Hosts", &service->host);
    if (dump->level > 1) {
        duration(dump, 1, "Default cache TTL", service->cache_ttl_ns);
        duration(dump, 1, "Default timeout", service->timeout_ns);
    }
    if (dump->level > 2)
        dump_clocks(dump);
    components(dump, 1, service->extra_config, 1);
}

void dump_generation(const struct generation *generation, struct arena *arena, int64_t level, const char *indent)
{
    struct dump dump = {arena, generation_service(generation), indent ? indent : "\t", level};

    dump_service(&dump);
    dump_endpoints(&dump, generation);
}
