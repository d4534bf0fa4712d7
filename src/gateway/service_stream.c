/* service_stream.c: what an endpoint says of exchanges that last: holdfast/stream, and KrakenD Enterprise's websocket
 * block in its direct mode, which makes the endpoint one of class tunnel. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/service_internal.h"
#include "http/head.h"

#define IDLE_NS      SECONDS(300)
#define HEARTBEAT_NS SECONDS(10)
#define WRITE_NS     SECONDS(30)
#define CLOSE_NS     SECONDS(5)

struct stream_block {
    struct stream_options options;
    bool idle_given, heartbeat_given, pong_given, close_given, write_given, message_given, open_given,
        subprotocols_given;
};

/* KrakenD Enterprise's. */
struct websocket_block {
    bool direct, connect_event, disconnect_event;
    struct str_list input_headers, subprotocols;
    int64_t message_bytes_max, ping_ns, pong_ns, write_ns, idle_ns;
};

/* clang-format off */
#define GIVEN(field) OPTION_SEEN(struct stream_block, field)
static const struct option stream_rows[] = {
    OPTION_DURATION(struct stream_block, "idle_timeout", options.idle_ns, .preset = IDLE_NS, .max = INT64_MAX, GIVEN(idle_given),
                    .help = "Longest silence: of the host in class stream, of both sides in class tunnel; 0: no limit."),
    OPTION_DURATION(struct stream_block, "heartbeat", options.heartbeat_ns, .max = INT64_MAX, GIVEN(heartbeat_given),
                    .help = "Silence after which we speak: a comment between events (SSE), a Ping to the silent side (WebSocket); 0: never."),
    OPTION_DURATION(struct stream_block, "heartbeat_timeout", options.pong_ns, .preset = HEARTBEAT_NS, .min = 1, .max = INT64_MAX, GIVEN(pong_given),
                    .help = "How long a Ping of ours waits for any answer."),
    OPTION_DURATION(struct stream_block, "write_timeout", options.write_ns, .preset = WRITE_NS, .max = INT64_MAX, GIVEN(write_given),
                    .help = "Longest time in which a side of a tunnel takes nothing of what waits for it; 0: no limit."),
    OPTION_DURATION(struct stream_block, "close_timeout", options.close_ns, .preset = CLOSE_NS, .min = MS(1), .max = INT64_MAX, GIVEN(close_given),
                    .help = "How long the closing handshake of a WebSocket may take."),
    OPTION_SIZE(struct stream_block, "max_message_bytes", options.message_bytes_max, .max = INT64_MAX, GIVEN(message_given),
                .help = "Largest WebSocket message, as it is on the wire; 0: no limit."),
    OPTION_INT(struct stream_block, "max_open", options.open_max, .max = UINT32_MAX, GIVEN(open_given),
               .help = "Streams and tunnels of this endpoint at once, over all workers; 0: no limit."),
    OPTION_STRINGS(struct stream_block, "subprotocols", options.subprotocols, GIVEN(subprotocols_given),
                   .help = "Subprotocols that WebSockets may speak; others that the client offers are left out. Empty: all."),
};

const struct schema stream_schema = {
    .title = "holdfast/stream", .size = sizeof(struct stream_block), .options = stream_rows, .count = COUNT_OF(stream_rows),
};

static const struct option websocket_rows[] = {
    OPTION_BOOL(struct websocket_block, "enable_direct_communication", direct, .help = "One connection to the host for each client: the only mode there is."),
    OPTION_STRINGS(struct websocket_block, "input_headers", input_headers, .help = "Of the endpoint's input_headers, those that go with the handshake; empty: all."),
    OPTION_STRINGS(struct websocket_block, "subprotocols", subprotocols, .help = "Subprotocols that may be spoken; others that the client offers are left out. Empty: all."),
    OPTION_INT(struct websocket_block, "max_message_size", message_bytes_max, .max = INT64_MAX, .help = "Largest message in bytes; 0: no limit."),
    OPTION_DURATION(struct websocket_block, "ping_period", ping_ns, .preset = SECONDS(54), .max = INT64_MAX, .help = "Silence after which a Ping is sent; 0: never."),
    OPTION_DURATION(struct websocket_block, "pong_wait", pong_ns, .preset = SECONDS(60), .min = 1, .max = INT64_MAX, .help = "How long an answer to it may take."),
    OPTION_DURATION(struct websocket_block, "write_wait", write_ns, .preset = SECONDS(10), .max = INT64_MAX, .help = "How long a side may take nothing of what waits for it."),
    OPTION_DURATION(struct websocket_block, "timeout", idle_ns, .preset = SECONDS(300), .max = INT64_MAX, .help = "Longest silence of both sides."),
    OPTION_BOOL(struct websocket_block, "connect_event", connect_event, .help = "Only with multiplexing."),
    OPTION_BOOL(struct websocket_block, "disconnect_event", disconnect_event, .help = "Only with multiplexing."),
    OPTION_IGNORED("read_buffer_size", .help = "Buffers come from the worker."),
    OPTION_IGNORED("write_buffer_size", .help = "Buffers come from the worker."),
    OPTION_IGNORED("message_buffer_size", .help = "Only with multiplexing."),
    OPTION_IGNORED("max_retries", .help = "Only with multiplexing."),
    OPTION_IGNORED("backoff_strategy", .help = "Only with multiplexing."),
    OPTION_IGNORED("return_error_details", .help = "The host's own answer is passed on."),
    OPTION_IGNORED("disable_otel_metrics", .help = "Nothing is exported."),
};

const struct schema websocket_schema = {
    .title = "websocket", .size = sizeof(struct websocket_block), .options = websocket_rows, .count = COUNT_OF(websocket_rows),
};
/* clang-format on */

/* The nearer block wins, key by key. */
static void take_stream(struct stream_options *stream, const struct stream_block *block)
{
    if (block->idle_given)
        stream->idle_ns = block->options.idle_ns;
    if (block->heartbeat_given)
        stream->heartbeat_ns = block->options.heartbeat_ns;
    if (block->pong_given)
        stream->pong_ns = block->options.pong_ns;
    if (block->close_given)
        stream->close_ns = block->options.close_ns;
    if (block->write_given)
        stream->write_ns = block->options.write_ns;
    if (block->message_given)
        stream->message_bytes_max = block->options.message_bytes_max;
    if (block->open_given)
        stream->open_max = block->options.open_max;
    if (block->subprotocols_given)
        stream->subprotocols = block->options.subprotocols;
}

static bool lists(const struct str_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq_fold(list->items[i], name) || str_eq(list->items[i], STR("*")))
            return true;
    return false;
}

/* Of a star the websocket's own list is left. */
static void narrow_headers(struct str_list *headers, const struct str_list *own)
{
    size_t kept = 0;

    if (own->count == 0)
        return;
    if (lists(headers, STR("*"))) {
        *headers = *own;
        return;
    }
    for (size_t i = 0; i < headers->count; i++)
        if (lists(own, headers->items[i]))
            headers->items[kept++] = headers->items[i];
    headers->count = kept;
}

static void no_effect(const struct spot *spot, const struct node *block, const char *key)
{
    report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node_place(block, key), NULL,
               "%sextra_config.websocket.%s: has no effect without multiplexing", spot->prefix, key);
}

static void read_websocket(const struct spot *spot, const struct node *block, const char *path)
{
    struct endpoint_options *endpoint = spot->endpoint;
    struct websocket_block bound;

    (void)schema_bind(&websocket_schema, block, path, &bound, spot->report->arena, spot->report);
    if (!bound.direct)
        report_add(spot->report, SEVERITY_ERROR, PROBLEM_UNSUPPORTED, block->place,
                   "set \"enable_direct_communication\": true",
                   "%s: many clients over one connection to the host is not supported", path);
    if (bound.connect_event)
        no_effect(spot, block, "connect_event");
    if (bound.disconnect_event)
        no_effect(spot, block, "disconnect_event");
    endpoint->websocket_given = true;
    endpoint->output_encoding = ENCODING_NO_OP;
    endpoint->stream.idle_ns = bound.idle_ns;
    endpoint->stream.heartbeat_ns = bound.ping_ns;
    endpoint->stream.pong_ns = bound.pong_ns;
    endpoint->stream.write_ns = bound.write_ns;
    endpoint->stream.message_bytes_max = bound.message_bytes_max;
    endpoint->stream.subprotocols = bound.subprotocols;
    narrow_headers(&endpoint->input_headers, &bound.input_headers);
}

/* ws:// and wss:// hosts are http:// and https:// ones until the handshake. */
static void rename_hosts(struct str_list *hosts, struct arena *arena)
{
    for (size_t i = 0; i < hosts->count; i++) {
        struct str host = hosts->items[i], renamed = STR_EMPTY;

        if (str_starts_fold(host, STR("ws://")))
            renamed = arena_format(arena, "http%.*s", STR_ARG(str_from_offset(host, 2)));
        else if (str_starts_fold(host, STR("wss://")))
            renamed = arena_format(arena, "https%.*s", STR_ARG(str_from_offset(host, 3)));
        if (renamed.data)
            hosts->items[i] = renamed;
    }
}

void stream_read(const struct spot *spot)
{
    struct endpoint_options *endpoint = spot->endpoint;
    struct arena *arena = spot->report->arena;
    const struct node *websocket = component_find(endpoint->extra_config, "websocket");
    const struct node *block = component_find(endpoint->extra_config, "holdfast/stream");
    struct str path = arena_format(arena, "%sextra_config.%s", spot->prefix, websocket ? "websocket" : "");
    struct str own_path = arena_format(arena, "%sextra_config.holdfast/stream", spot->prefix);
    struct stream_block bound;

    if (!path.data || !own_path.data)
        return;
    (void)schema_bind(&stream_schema, block, own_path.data, &bound, arena, spot->report);
    endpoint->stream = bound.options;
    if (websocket)
        read_websocket(spot, websocket, path.data);
    take_stream(&endpoint->stream, &bound);
    for (size_t i = 0; i < endpoint->backend_count; i++)
        rename_hosts(&endpoint->backends[i].host, arena);
}

void stream_settle(const struct spot *spot, struct backend_options *backend)
{
    static const char *const pools[] = {"", "stream", "tunnel"};
    const struct node *block = component_find(backend->extra_config, "holdfast/upstream");
    bool no_op = spot->endpoint->output_encoding == ENCODING_NO_OP;

    if (spot->endpoint->websocket_given)
        backend->transport.traffic = CLASS_TUNNEL;
    if (backend->transport.traffic != CLASS_SHORT && block && node_member(block, STR("class")) && !no_op)
        report_add(spot->report, SEVERITY_WARNING, PROBLEM_NO_EFFECT, node_place(block, "class"),
                   "set the endpoint's output_encoding to \"no-op\"",
                   "%sextra_config.holdfast/upstream.class: has no effect on answers that are decoded", spot->prefix);
    if (!no_op || backend->shadow)
        backend->transport.traffic = CLASS_SHORT;
    if (backend->transport.pool.len == 0)
        backend->transport.pool = str_from(pools[backend->transport.traffic]);
}
