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

/* "http://a http://b", as Go prints what is in a list. */
static struct str joined(const struct dump *dump, const struct str_list *items)
{
    struct str all = STR("");

    for (size_t i = 0; i < items->count && all.data; i++)
        all = arena_format(dump->arena, "%.*s%s%.*s", STR_ARG(all), i > 0 ? " " : "", STR_ARG(items->items[i]));
    return all;
}

static void list(const struct dump *dump, unsigned depth, const char *name, const struct str_list *items)
{
    line(dump, depth, "%s: [%.*s]", name, STR_ARG(joined(dump, items)));
}

static void flag(const struct dump *dump, unsigned depth, const char *name, bool value)
{
    line(dump, depth, "%s: %s", name, value ? "true" : "false");
}

static void text(const struct dump *dump, unsigned depth, const char *name, struct str value)
{
    line(dump, depth, "%s: %.*s", name, STR_ARG(value));
}

/* Names; from level 2 on with their contents. */
static void components(const struct dump *dump, unsigned depth, const char *of, const struct node *extra_config)
{
    uint32_t count = extra_config && extra_config->type == JSON_OBJECT ? extra_config->count : 0;

    if (dump->level < 2 && count == 0)
        return;
    line(dump, depth, "%u %s component configuration(s):", count, of);
    for (const struct node *at = count > 0 ? extra_config->children : NULL; at; at = at->next) {
        line(dump, depth, "- %.*s", STR_ARG(at->name));
        for (const struct node *member = at->type == JSON_OBJECT && dump->level > 1 ? at->children : NULL; member;
             member = member->next) {
            struct str json = member->type == JSON_STRING ? member->text : node_to_json(member, dump->arena);

            line(dump, depth + 1, "%.*s: %.*s", STR_ARG(member->name), STR_ARG(json));
        }
    }
}

static int64_t calls_at_once(const struct endpoint_options *endpoint)
{
    return endpoint->concurrent_calls == 0 ? 1 : endpoint->concurrent_calls;
}

static void dump_mapping(const struct dump *dump, const struct shape *shape)
{
    struct str all = STR("");

    for (size_t i = 0; i < shape->rename_count && all.data; i++)
        all = arena_format(dump->arena, "%.*s%s%.*s:%.*s", STR_ARG(all), i > 0 ? " " : "",
                           STR_ARG(shape->renames[i].from), STR_ARG(shape->renames[i].to));
    line(dump, 2, "Mapping: map[%.*s]", STR_ARG(all));
}

static void dump_shape(const struct dump *dump, const struct backend_options *options)
{
    text(dump, 2, "Target", options->shape.target);
    line(dump, 2, "Deny: [%.*s], Allow: [%.*s]", STR_ARG(joined(dump, &options->deny)),
         STR_ARG(joined(dump, &options->allow)));
    dump_mapping(dump, &options->shape);
    text(dump, 2, "Group", options->shape.group);
    text(dump, 2, "Encoding", options->encoding_name);
    flag(dump, 2, "Is collection", options->is_collection);
}

/* What is not given is not said, as in KrakenD. */
static struct str given_discovery(const struct backend_options *options)
{
    const struct node *given = node_member(options->node, STR("sd"));

    return given && given->type != JSON_NULL ? options->sd : STR("");
}

static void dump_backend(const struct dump *dump, const struct endpoint_options *endpoint,
                         const struct backend *backend)
{
    const struct backend_options *options = backend->options;

    line(dump, 2, "[+] %.*s %.*s", STR_ARG(options->method), STR_ARG(backend->internal));
    duration(dump, 2, "Timeout", endpoint->timeout_ns);
    list(dump, 2, "Hosts", &options->host);
    if (dump->level > 1) {
        number(dump, 2, "Concurrent calls", calls_at_once(endpoint));
        flag(dump, 2, "Host sanitization disabled", options->disable_host_sanitize);
        dump_shape(dump, options);
        text(dump, 2, "SD", given_discovery(options));
        text(dump, 2, "SD scheme", options->sd_scheme);
        list(dump, 2, "Headers to pass", &options->input_headers);
        list(dump, 2, "Query strings to pass", &options->input_query_strings);
    }
    components(dump, 2, "backend", options->extra_config);
    print(2, "\n");
}

static void dump_endpoint(const struct dump *dump, const struct endpoint *endpoint)
{
    const struct endpoint_options *options = endpoint->options;

    line(dump, 1, "- %.*s %.*s", STR_ARG(options->method), STR_ARG(endpoint->path));
    duration(dump, 1, "Timeout", options->timeout_ns);
    if (dump->level > 1 || options->input_query_strings.count > 0)
        list(dump, 1, "QueryString", &options->input_query_strings);
    if (dump->level > 1) {
        duration(dump, 1, "CacheTTL", options->cache_ttl_ns);
        list(dump, 1, "Headers to pass", &options->input_headers);
        text(dump, 1, "OutputEncoding", options->output_encoding_name);
    }
    if (dump->level > 1 || options->concurrent_calls > 1)
        number(dump, 1, "Concurrent calls", calls_at_once(options));
    components(dump, 1, "endpoint", options->extra_config);
    line(dump, 1, "Connecting to %zu backend(s):", endpoint->backend_count);
    for (size_t i = 0; i < endpoint->backend_count; i++)
        dump_backend(dump, options, &endpoint->backends[i]);
}

static void dump_endpoints(const struct dump *dump, const struct generation *generation)
{
    uint32_t count = generation_endpoint_count(generation), shown = 0;

    for (uint32_t i = 0; i < count; i++)
        shown += generation_endpoint(generation, i)->options != NULL;
    line(dump, 0, "%u API endpoint(s):", shown);
    for (uint32_t i = 0; i < count; i++)
        if (generation_endpoint(generation, i)->options)
            dump_endpoint(dump, generation_endpoint(generation, i));
    line(dump, 0, "0 async agent(s):");
}

static void dump_clocks(const struct dump *dump)
{
    const struct service *service = dump->service;
    const struct transport *transport = &service->transport;

    duration(dump, 1, "Read timeout", service->read_timeout_ns);
    duration(dump, 1, "Write timeout", service->write_timeout_ns);
    duration(dump, 1, "Idle timeout", service->idle_timeout_ns);
    duration(dump, 1, "Read header timeout", service->read_header_timeout_ns);
    duration(dump, 1, "Idle connection timeout", transport->idle_connection_timeout_ns);
    duration(dump, 1, "Response header timeout", transport->response_header_timeout_ns);
    duration(dump, 1, "Expect continue timeout", transport->expect_continue_timeout_ns);
    duration(dump, 1, "Dialer timeout", transport->dialer_timeout_ns);
    duration(dump, 1, "Dialer fallback delay", transport->dialer_fallback_delay_ns);
    duration(dump, 1, "Dialer keep alive", transport->dialer_keep_alive_ns);
    flag(dump, 1, "Disable keep alives", transport->disable_keep_alives);
    flag(dump, 1, "Disable compression", transport->disable_compression);
    number(dump, 1, "Max idle connections", transport->max_idle_connections);
    number(dump, 1, "Max idle connections per host", transport->max_idle_connections_per_host);
}

static void dump_switches(const struct dump *dump)
{
    const struct service *service = dump->service;

    flag(dump, 1, "Sequential start", service->sequential_start);
    number(dump, 1, "Max header bytes", service->max_header_bytes);
    flag(dump, 1, "Echo endpoint enabled", service->echo_endpoint);
    text(dump, 1, "Default encoding strategy", service->output_encoding_name);
    flag(dump, 1, "Disable strict REST", service->disable_rest);
    flag(dump, 1, "Run lura in debug mode", service->debug_endpoint);
    flag(dump, 1, "Allow insecure connections", service->allow_insecure_connections);
    flag(dump, 1, "UseH2C", service->use_h2c);
}

static void dump_service(const struct dump *dump)
{
    const struct service *service = dump->service;

    line(dump, 0, "Global settings");
    text(dump, 1, "Name", service->name);
    number(dump, 1, "Version", service->version);
    text(dump, 1, "Address", service->listen_ip);
    number(dump, 1, "Port", service->port);
    for (size_t i = 0; i < service->server.listener_count; i++)
        line(dump, 1, "Listener: %.*s%s", STR_ARG(service->server.listeners[i].listen),
             service->server.listeners[i].tls ? " (TLS)" : "");
    if (dump->level > 1) {
        duration(dump, 1, "Default cache TTL", service->cache_ttl_ns);
        duration(dump, 1, "Default timeout", service->timeout_ns);
    }
    if (dump->level > 1 || service->host.count > 0)
        list(dump, 1, "Default backend hosts", &service->host);
    if (dump->level > 2) {
        dump_clocks(dump);
        dump_switches(dump);
    }
    components(dump, 0, "global", service->extra_config);
}

void dump_generation(const struct generation *generation, struct arena *arena, int64_t level, const char *indent)
{
    struct dump dump = {arena, generation_service(generation), indent ? indent : "\t", level};

    dump_service(&dump);
    dump_endpoints(&dump, generation);
}
