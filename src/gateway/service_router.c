/* service_router.c: extra_config.router. KrakenD decodes this block all or nothing: one value of the wrong type
 * switches most of it off without a word. The same happens here, with a warning that says so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/network.h"
#include "gateway/service_internal.h"

#include "json/write.h"

enum want { WANT_BOOL, WANT_INT, WANT_STRING, WANT_STRINGS, WANT_ANYTHING };

struct router_row {
    const char *name;
    enum want want;
    bool survives; /* counts even when another value is of the wrong type */
    size_t offset; /* 1 + place in struct router_options; 0: not kept */
};

#define ROW(name_, want_, survives_)                                                                                   \
    {                                                                                                                  \
#name_, want_, survives_, 1 + offsetof(struct router_options, name_)                                           \
    }
#define ROW_UNUSED(name_, want_)                                                                                       \
    {                                                                                                                  \
#name_, want_, false, 0                                                                                        \
    }

static const struct router_row rows[] = {
    ROW(disable_redirect_trailing_slash, WANT_BOOL, false),
    ROW(disable_redirect_fixed_path, WANT_BOOL, false),
    ROW(disable_handle_method_not_allowed, WANT_BOOL, false),
    ROW(forwarded_by_client_ip, WANT_BOOL, false),
    ROW(remote_ip_headers, WANT_STRINGS, false),
    ROW(trusted_proxies, WANT_STRINGS, false),
    ROW(app_engine, WANT_BOOL, false),
    ROW(remove_extra_slash, WANT_BOOL, false),
    ROW(logger_skip_paths, WANT_STRINGS, false),
    ROW(return_error_msg, WANT_BOOL, false),
    ROW(hide_version_header, WANT_BOOL, false),
    ROW(disable_access_log, WANT_BOOL, true),
    ROW(disable_path_decoding, WANT_BOOL, true),
    ROW(disable_health, WANT_BOOL, true),
    ROW(health_path, WANT_STRING, true),
    ROW(auto_options, WANT_BOOL, true),
    ROW_UNUSED(max_multipart_memory, WANT_INT),
    ROW_UNUSED(use_h2c, WANT_BOOL),
    ROW_UNUSED(error_body, WANT_ANYTHING),
    ROW_UNUSED(decompress_gzip, WANT_ANYTHING),
    ROW_UNUSED(disable_gzip, WANT_ANYTHING),
    ROW_UNUSED(max_payload, WANT_ANYTHING),
};

static const char *const want_texts[] = {
    [WANT_BOOL] = "true or false",        [WANT_INT] = "a whole number", [WANT_STRING] = "a string",
    [WANT_STRINGS] = "a list of strings", [WANT_ANYTHING] = "anything",
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

static bool suits(const struct node *node, enum want want)
{
    if (node->type == JSON_NULL)
        return true;
    switch (want) {
    case WANT_BOOL:
        return node->type == JSON_TRUE || node->type == JSON_FALSE;
    case WANT_INT:
        return is_int(node);
    case WANT_STRING:
        return node->type == JSON_STRING;
    case WANT_STRINGS:
        return is_strings(node);
    case WANT_ANYTHING:
        return true;
    }
    return false;
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

static void fill(struct router_options *options, const struct router_row *row, const struct node *node,
                 struct report *report)
{
    void *at = (char *)options + row->offset - 1;

    if (row->offset == 0 || node->type == JSON_NULL)
        return;
    switch (row->want) {
    case WANT_BOOL:
        *(bool *)at = node->type == JSON_TRUE;
        break;
    case WANT_STRING:
        if (node->text.len > 0)
            *(struct str *)at = node->text;
        break;
    case WANT_STRINGS:
        if (node->count > 0)
            fill_strings(at, node, report);
        break;
    case WANT_INT:
    case WANT_ANYTHING:
        break;
    }
}

static const struct router_row *find_row(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (str_eq_fold(name, str_from(rows[i].name)))
            return &rows[i];
    return NULL;
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
        const struct router_row *row = find_row(member->name);

        if (!row) {
            report_unknown(member, report);
        } else if (!suits(member, row->want)) {
            fine = false;
            report_add(report, SEVERITY_WARNING, PROBLEM_ROUTER_BLOCK, member->place, NULL,
                       "extra_config.router.%s: wants %s; as in KrakenD, most of this block is ignored because of it",
                       row->name, want_texts[row->want]);
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
    struct str text = body ? node_to_json(body, report->arena) : STR_EMPTY;
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
        const struct router_row *row = find_row(member->name);

        if (row && (fine || row->survives) && suits(member, row->want))
            fill(options, row, member, report);
    }
    if (fine && node_is_given(node_member(block, STR("use_h2c"))))
        report_add(report, SEVERITY_ERROR, PROBLEM_UNSUPPORTED, node_place(block, "use_h2c"), NULL,
                   "extra_config.router.use_h2c: is not supported yet in this version");
    options->error_body_404 = error_body(node_member(block, STR("error_body")), "404", report);
    options->error_body_405 = error_body(node_member(block, STR("error_body")), "405", report);
    parse_proxies(options, report);
}
