/* service_tables.c: the components of extra_config as tables for documents: the JSON Schema and the reference. What is
 * bound by a table of its own stands in the file that binds it. SPDX-License-Identifier: Apache-2.0 */
#include "config/json_schema.h"
#include "gateway/service_internal.h"

#define FLATMAP                                                                                                        \
    "\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": {\"type\": {\"enum\": [\"move\", "         \
    "\"append\", \"del\"]}, \"args\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}}}, \"required\": "       \
    "[\"type\", \"args\"]}"
#define STATIC                                                                                                         \
    "\"type\": \"object\", \"properties\": {\"strategy\": {\"enum\": [\"always\", \"success\", \"errored\", "          \
    "\"complete\", \"incomplete\"], \"default\": \"always\"}, \"data\": {\"type\": \"object\"}}, \"required\": "       \
    "[\"data\"]"

/* clang-format off */
static const struct option proxy_rows[] = {
    OPTION_IGNORED("sequential", .form = "\"type\": \"boolean\"", .shown = "false",
                   .help = "Backends are asked one after the other; each may use {respN_field} of those before it."),
    OPTION_IGNORED("sequential_propagated_params", .form = "\"type\": \"array\", \"items\": {\"type\": \"string\"}",
                   .example = "[\"resp0_hash\"]", .help = "Fields of answers that later backends get without naming them in url_pattern."),
    OPTION_IGNORED("static", .form = STATIC, .example = "{\"strategy\": \"errored\", \"data\": {\"offline\": true}}",
                   .help = "Data that is put over the answer: always, or by how the backends did."),
    OPTION_IGNORED("flatmap_filter", .form = FLATMAP, .example = "[{\"type\": \"del\", \"args\": [\"users.*.password\"]}]",
                   .help = "Operations on the merged answer of several backends."),
    OPTION_IGNORED("combiner", .form = "\"type\": \"string\"", .shown = "\"default\"", .help = "How answers are merged; there is one way."),
};
static const struct schema proxy_schema = {
    .title = "proxy", .options = proxy_rows, .count = COUNT_OF(proxy_rows)};

static const struct option backend_proxy_rows[] = {
    OPTION_IGNORED("shadow", .form = "\"type\": \"boolean\"", .shown = "false",
                   .help = "A copy of each request goes here; the answer is not used."),
    OPTION_IGNORED("shadow_timeout", .form = "\"type\": \"string\"", .example = "\"5s\"",
                   .help = "How long a shadow may take; the endpoint's timeout when absent."),
    OPTION_IGNORED("flatmap_filter", .form = FLATMAP, .help = "Operations on the answer, in place of allow, deny and mapping."),
};
static const struct schema backend_proxy_schema = {
    .title = "proxy", .options = backend_proxy_rows, .count = COUNT_OF(backend_proxy_rows)};

static const struct option backend_http_rows[] = {
    OPTION_IGNORED("return_error_details", .form = "\"type\": \"string\"", .example = "\"users\"",
                   .help = "A failed answer becomes the member error_NAME, and the request goes on."),
    OPTION_IGNORED("return_error_code", .form = "\"type\": \"boolean\"", .shown = "false",
                   .help = "The backend's status becomes the answer's."),
};
static const struct schema backend_http_schema = {
    .title = "backend/http", .options = backend_http_rows, .count = COUNT_OF(backend_http_rows)};

#define COMPONENT(name_, schema_, ...) {.name = (name_), .type = OPTION_TYPE_NODE, .schema = &(schema_), .help = __VA_ARGS__}
static const struct option root_rows[] = {
    COMPONENT("router", router_schema, "The HTTP router."),
    COMPONENT("holdfast/server", server_schema, "Client side: workers, listeners, limits."),
    COMPONENT("holdfast/tls", tls_tuning_schema, "TLS of all listeners, beyond KrakenD's tls block."),
    COMPONENT("holdfast/upstream", upstream_schema, "Connections to backends."),
    COMPONENT("holdfast/admin", admin_schema, "The admin listener."),
};
const struct schema root_components = {
    .title = "components of the service", .options = root_rows, .count = COUNT_OF(root_rows), .open = true};

static const struct option endpoint_rows[] = {
    COMPONENT("proxy", proxy_schema, "Sequences, static data, flatmap of the merged answer."),
    COMPONENT("holdfast/answer", answer_schema, "An answer without a backend."),
    COMPONENT("holdfast/stream", stream_schema, "Streams of events and WebSockets: clocks and limits."),
    COMPONENT("websocket", websocket_schema, "KrakenD Enterprise: a WebSocket for each client."),
};
const struct schema endpoint_components = {
    .title = "components of an endpoint", .options = endpoint_rows, .count = COUNT_OF(endpoint_rows), .open = true};

static const struct option backend_rows[] = {
    COMPONENT("proxy", backend_proxy_schema, "Shadow traffic, flatmap of this answer."),
    COMPONENT("backend/http", backend_http_schema, "What becomes of answers that are errors."),
    COMPONENT("backend/http/client", client_schema, "How requests travel to the hosts."),
    COMPONENT("holdfast/upstream", upstream_schema, "Connections to these hosts."),
};
const struct schema backend_components = {
    .title = "components of a backend", .options = backend_rows, .count = COUNT_OF(backend_rows), .open = true};
/* clang-format on */

struct str service_json_schema(struct arena *arena)
{
    return schema_to_json(&service_schema, "Holdfast " HOLDFAST_VERSION, arena);
}
