/* service_router.c: extra_config.router. KrakenD decodes this block all or nothing: one value of the wrong type
 * switches most of it off without a word. The same happens here, with a warning that says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/network.h"
#include "gateway/pattern.h"
#include "gateway/service_internal.h"

#include "json/write.h"

/* clang-format off */
static const struct option rows[] = {
    OPTION_BOOL(struct router_options, "disable_redirect_trailing_slash", disable_redirect_trailing_slash,
                .help = "No redirect from /a/ to /a and back."),
    OPTION_BOOL(struct router_options, "disable_redirect_fixed_path", disable_redirect_fixed_path,
                .help = "No redirect to a path that differs in case or in extra slashes."),
    OPTION_BOOL(struct router_options, "disable_handle_method_not_allowed", disable_handle_method_not_allowed,
                .help = "404 instead of 405."),
    OPTION_BOOL(struct router_options, "forwarded_by_client_ip", forwarded_by_client_ip, .preset = 1,
                .help = "The client's address is read from headers."),
    OPTION_STRINGS(struct router_options, "remote_ip_headers", remote_ip_headers, .shown = "[\"X-Forwarded-For\", \"X-Real-IP\"]",
                   .help = "Headers with the client's address, in this order."),
    OPTION_STRINGS(struct router_options, "trusted_proxies", trusted_proxies, .example = "[\"10.0.0.0/8\", \"::1\"]",
                   .help = "Addresses and networks whose headers count; everybody when empty."),
    OPTION_BOOL(struct router_options, "app_engine", app_engine, .help = "Believes X-Appengine-Remote-Addr."),
    OPTION_BOOL(struct router_options, "remove_extra_slash", remove_extra_slash,
                .help = "Double slashes and dots are cleaned before routes are searched."),
    OPTION_STRINGS(struct router_options, "logger_skip_paths", logger_skip_paths, .example = "[\"/__health\"]",
                   .help = "Paths without a line in the access log."),
    OPTION_BOOL(struct router_options, "return_error_msg", return_error_msg, .help = "The text of a backend error becomes the body."),
    OPTION_BOOL(struct router_options, "hide_version_header", hide_version_header,
                .help = "X-Krakend says \"Version undefined\"."),
    OPTION_BOOL(struct router_options, "disable_access_log", disable_access_log, .help = "No access lines."),
    OPTION_BOOL(struct router_options, "disable_path_decoding", disable_path_decoding,
                .help = "Parameters are not checked for escapes that survive decoding."),
    OPTION_BOOL(struct router_options, "disable_health", disable_health, .help = "No health page."),
    OPTION_STRING(struct router_options, "health_path", health_path, .preset_text = "/__health", .help = "Where the health page is."),
    OPTION_BOOL(struct router_options, "auto_options", auto_options, .help = "Answers OPTIONS for every path, with Allow."),
    OPTION_INT(struct router_options, "max_multipart_memory", max_multipart_memory, .help = "Without effect, as in KrakenD."),
    OPTION_BOOL(struct router_options, "use_h2c", use_h2c, .help = "HTTP/2 without TLS, as use_h2c of the root."),
    OPTION_NODE(struct router_options, "error_body", error_body,
                .form = "\"type\": \"object\", \"properties\": {\"404\": {}, \"405\": {}}",
                .example = "{\"404\": {\"error\": \"not found\"}}", .help = "JSON bodies of 404 and 405."),
    OPTION_IGNORED("decompress_gzip", .help = "Of KrakenD Enterprise; ignored."),
    OPTION_IGNORED("disable_gzip", .help = "Of KrakenD Enterprise; ignored."),
    OPTION_IGNORED("max_payload", .help = "Of KrakenD Enterprise; ignored."),
};
/* clang-format on */

const struct schema router_schema = {
    .title = "router", .size = sizeof(struct router_options), .options = rows, .count = COUNT_OF(rows)};

/* These count even when another value is of the wrong type. */
static const char *const survivors[] = {
    "disable_access_log", "disable_path_decoding", "disable_health", "health_path", "auto_options",
};

static bool is_int(const struct node *node)
{
    return node->type == JSON_NUMBER && str_find_char(node->text, '.') == node->text.len &&
           str_find_char(node->text, 'e') == node->text.len && str_find_char(node->text, 'E') == node->text.len;
}

static bool is_strings(const struct node *node)
{
    for (const struct node *item = node->children; node->type == JSON_ARRAY && item; item = item->next)
        if (item->type != JSON_STRING && item->type != JSON_NULL)
            return false;
    return node->type == JSON_ARRAY;
}

/* What the option wants, for messages; NULL: the value is of that type. */
static const char *wanted(const struct option *option, const struct node *node)
{
    if (node->type == JSON_NULL)
        return NULL;
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        return node->type == JSON_TRUE || node->type == JSON_FALSE ? NULL : "true or false";
    case OPTION_TYPE_INT:
        return is_int(node) ? NULL : "a whole number";
    case OPTION_TYPE_STRING:
        return node->type == JSON_STRING ? NULL : "a string";
    case OPTION_TYPE_STRINGS:
        return is_strings(node) ? NULL : "a list of strings";
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE:
    case OPTION_TYPE_ENUM:
    case OPTION_TYPE_OBJECT:
    case OPTION_TYPE_LIST:
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
    case OPTION_TYPE_IGNORED:
        return NULL;
    }
    return NULL;
}

static void fill_strings(struct str_list *list, const struct node *node, struct report *report)
{
    struct str_list filled = {arena_array(report->arena, struct str, node->count + 1u),
                              arena_array(report->arena, struct place, node->count + 1u), 0};

    if (!filled.items || !filled.places)
        return;
    for (const struct node *item = node->children; item; item = item->next) {
        filled.items[filled.count] = item->type == JSON_STRING ? item->text : STR_EMPTY;
        filled.places[filled.count++] = item->place;
    }
    *list = filled;
}

static void fill(struct router_options *options, const struct option *option, const struct node *node,
                 struct report *report)
{
    void *at = (char *)options + option->offset;

    if (node->type == JSON_NULL)
        return;
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        *(bool *)at = node->type == JSON_TRUE;
        break;
    case OPTION_TYPE_STRING:
        if (node->text.len > 0)
            *(struct str *)at = node->text;
        break;
    case OPTION_TYPE_STRINGS:
        if (node->count > 0)
            fill_strings(at, node, report);
        break;
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
        *(const struct node **)at = node;
        break;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE:
    case OPTION_TYPE_ENUM:
    case OPTION_TYPE_OBJECT:
    case OPTION_TYPE_LIST:
    case OPTION_TYPE_IGNORED:
        break; /* nothing comes of it */
    }
}

static const struct option *find_row(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_eq_fold(name, str_from(rows[i].name)))
            return &rows[i];
    return NULL;
}

static bool survives(const struct option *option)
{
    for (size_t i = 0; i < COUNT_OF(survivors); i++)
        if (strcmp(option->name, survivors[i]) == 0)
            return true;
    return false;
}

static void report_unknown(const struct node *member, struct report *report)
{
    const char *names[COUNT_OF(rows)], *near;
    struct str hint = STR_EMPTY;

    if (member->name.len > 0 && strchr("$@_#", member->name.data[0]))
        return;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        names[i] = rows[i].name;
    near = report_nearest(member->name, names, COUNT_OF(names));
    if (near)
        hint = arena_format(report->arena, "did you mean \"%s\"?", near);
    report_add(report, report->strict ? SEVERITY_ERROR : SEVERITY_WARNING, PROBLEM_UNKNOWN_KEY, member->name_place,
               hint.data, "extra_config.router: unknown key \"%.*s\"", STR_ARG(member->name));
}

/* True when every value is of the type that KrakenD wants. */
static bool check_types(const struct node *block, struct report *report)
{
    bool fine = true;

    for (const struct node *member = block->children; member; member = member->next) {
        const struct option *row = find_row(member->name);
        const char *want = row ? wanted(row, member) : NULL;

        if (!row) {
            report_unknown(member, report);
        } else if (want) {
            fine = false;
            report_add(report, SEVERITY_WARNING, PROBLEM_ROUTER_BLOCK, member->place, NULL,
                       "extra_config.router.%s: wants %s; as in KrakenD, most of this block is ignored because of it",
                       row->name, want);
        }
    }
    return fine;
}

/* A bad entry ends the list, as it does in KrakenD: those before it stay. */
static void parse_proxies(struct router_options *options, struct report *report)
{
    const struct str_list *list = &options->trusted_proxies;

    options->trusted = arena_array(report->arena, struct ip_network, list->count + 1);
    for (size_t i = 0; options->trusted && i < list->count; i++) {
        if (!network_parse(list->items[i], &options->trusted[i])) {
            report_add(report, SEVERITY_WARNING, PROBLEM_TRUSTED_PROXY, list->places[i], NULL,
                       "extra_config.router.trusted_proxies[%zu]: \"%.*s\" is no address or network: it and all behind "
                       "it are not trusted",
                       i, STR_ARG(list->items[i]));
            return;
        }
        options->trusted_count++;
    }
}

/* The JSON text of error_body's member, as Go would write it again: compact, keys sorted. */
static struct str error_body(const struct node *bodies, const char *status, struct report *report)
{
    const struct node *body = node_member(bodies, str_from(status));
    struct str text = body && body->type != JSON_NULL ? node_to_json(body, report->arena) : STR_EMPTY;
    struct json_writer writer = {.arena = report->arena};
    struct json_error err;
    struct json_doc doc;

    if (!text.data || !json_parse(report->arena, text, &(struct json_options){0}, &doc, &err))
        return STR_EMPTY;
    json_write(&writer, json_root(&doc));
    return json_written(&writer);
}

static void set_defaults(struct router_options *options, struct arena *arena)
{
    static const struct str headers[] = {STR_INIT("X-Forwarded-For"), STR_INIT("X-Real-Ip")};
    struct str_list *list = &options->remote_ip_headers;

    options->forwarded_by_client_ip = true;
    options->health_path = STR("/__health");
    list->items = arena_array(arena, struct str, COUNT_OF(headers));
    list->places = arena_array(arena, struct place, COUNT_OF(headers));
    if (!list->items || !list->places)
        return;
    memcpy(list->items, headers, sizeof headers);
    list->count = COUNT_OF(headers);
}

void router_options_read(struct router_options *options, const struct node *block, struct report *report)
{
    bool fine;

    set_defaults(options, report->arena);
    if (!block)
        return;
    fine = check_types(block, report);
    for (const struct node *member = block->children; member; member = member->next) {
        const struct option *row = find_row(member->name);

        if (row && (fine || survives(row)) && !wanted(row, member))
            fill(options, row, member, report);
    }
    options->health_path = path_with_slash(report->arena, options->health_path);
    options->error_body_404 = error_body(node_member(block, STR("error_body")), "404", report);
    options->error_body_405 = error_body(node_member(block, STR("error_body")), "405", report);
    parse_proxies(options, report);
}
