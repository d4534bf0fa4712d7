/* fuzz_config.c: a text as configuration: the tree, a table bound to it, the report. Lines at the front that start with
 * KRAKEND_ are variables ("KRAKEND_PORT=80"), the rest is the file. Two ways: the tree is written and read again, and
 * must bind to the same values; the coloured report is the plain one plus colours. SPDX-License-Identifier: Apache-2.0
 */
#include "base/assert.h"
#include "base/text.h"
#include "config/schema.h"
#include "fuzz/fuzz.h"

enum { ARENA_BYTES = 256 << 20 };

struct item {
    struct str path;
    int64_t timeout_ns;
};

struct gateway {
    int64_t port, size;
    bool debug;
    struct str name;
    int encoding;
    struct str_list host;
    struct item first;
    struct list_of items;
    const struct node *extra;
};

static const char *const encodings[] = {"json", "no-op", "xml", NULL};

static const struct option item_options[] = {
    OPTION_STRING(struct item, "endpoint", path, .required = true),
    OPTION_DURATION(struct item, "timeout", timeout_ns, .preset = SECONDS(2), .min = MS(1), .max = SECONDS(60)),
};
static const struct schema item_schema = {
    .title = "item", .size = sizeof(struct item), .options = item_options, .count = COUNT_OF(item_options)};

static const struct option gateway_options[] = {
    OPTION_INT(struct gateway, "port", port, .preset = 8080, .max = 65535),
    OPTION_SIZE(struct gateway, "size", size, .max = 1 << 30),
    OPTION_BOOL(struct gateway, "debug", debug),
    OPTION_STRING(struct gateway, "name", name, .preset_text = "x"),
    OPTION_ENUM(struct gateway, "encoding", encoding, .names = encodings),
    OPTION_STRINGS(struct gateway, "host", host),
    OPTION_OBJECT(struct gateway, "first", first, .schema = &item_schema),
    OPTION_LIST(struct gateway, "endpoints", items, .schema = &item_schema),
    OPTION_NODE(struct gateway, "extra_config", extra),
    OPTION_IGNORED("plugin", .note = "plugins are not loaded"),
};
static const struct schema gateway_schema = {
    .title = "gateway", .size = sizeof(struct gateway), .options = gateway_options, .count = COUNT_OF(gateway_options)};

static void check_same_strings(const struct str_list *a, const struct str_list *b)
{
    ASSERT(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        ASSERT(str_eq(a->items[i], b->items[i]));
}

static void check_same_item(const struct item *a, const struct item *b)
{
    ASSERT(str_eq(a->path, b->path));
    ASSERT(a->timeout_ns == b->timeout_ns);
}

static void check_same(const struct gateway *a, const struct gateway *b)
{
    const struct item *x = a->items.items, *y = b->items.items;

    ASSERT(a->port == b->port);
    ASSERT(a->size == b->size);
    ASSERT(a->debug == b->debug);
    ASSERT(a->encoding == b->encoding);
    ASSERT(str_eq(a->name, b->name));
    ASSERT(!a->extra == !b->extra);
    check_same_strings(&a->host, &b->host);
    check_same_item(&a->first, &b->first);
    ASSERT(a->items.count == b->items.count);
    for (size_t i = 0; i < a->items.count; i++)
        check_same_item(&x[i], &y[i]);
}

/* What is bound is in range, whatever was written. */
static void check_bound(const struct gateway *gateway)
{
    ASSERT(gateway->port >= 0 && gateway->port <= 65535);
    ASSERT(gateway->size >= 0 && gateway->size <= 1 << 30);
    ASSERT(gateway->encoding >= 0 && gateway->encoding < 3);
    ASSERT(gateway->first.timeout_ns >= MS(1) && gateway->first.timeout_ns <= SECONDS(60));
}

/* The tree written, read again, bound again. Bad UTF-8 can only come from a variable, and changes on the way. */
static void check_again(struct arena *arena, const struct node *root, const struct gateway *bound)
{
    struct source source = {.name = "again", .text = node_to_json(root, arena)};
    struct gateway again;
    struct report report;

    report_init(&report, arena);
    if (!source.text.data || str_find(source.text, STR("\\ufffd")) < source.text.len)
        return;
    const struct node *node = document_parse(arena, &source, &report);

    ASSERT(node);
    ASSERT(str_eq(node_to_json(node, arena), source.text));
    (void)schema_bind(&gateway_schema, node, "", &again, arena, &report);
    check_same(bound, &again);
}

static struct str strip_colours(struct arena *arena, struct str text)
{
    char *out = arena_alloc(arena, text.len + 1, 1);
    size_t len = 0;

    ASSERT(out);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\x1b')
            i += str_find_char(str_from_offset(text, i), 'm');
        else
            out[len++] = text.data[i];
    }
    return str_of(out, len);
}

static void check_report(struct arena *arena, const struct report *report)
{
    struct str plain = report_text(report, arena, false), painted = report_text(report, arena, true);
    struct str json = report_json(report, arena);
    const struct json_options options = {.trailing_ignored = false};
    struct json_doc doc;
    struct json_error err;

    if (!plain.data || !painted.data || !json.data)
        return;
    ASSERT(text_is_utf8(plain));
    for (size_t i = 0; i < plain.len; i++)
        ASSERT((unsigned char)plain.data[i] >= 0x20 || plain.data[i] == '\n' || plain.data[i] == '\t');
    ASSERT(str_eq(strip_colours(arena, painted), plain));
    ASSERT(json_parse(arena, json, &options, &doc, &err));
    ASSERT((plain.len == 0) == (report->first == NULL));
}

/* "NAME=value" lines at the front of *text, onto the tree if there is one; *text is what is behind them. */
static void take_variables(struct arena *arena, struct node *root, struct str *text, struct report *report)
{
    struct str line;

    while (str_starts(*text, STR("KRAKEND_")) && str_split(text, '\n', &line)) {
        size_t equals = str_find_char(line, '=');

        if (root)
            document_override(arena, root, str_first(line, equals), str_from_offset(line, equals + 1), report);
    }
}

static void check_text(struct arena *arena, struct str text)
{
    struct source source = {.name = "fuzz.json", .text = text};
    struct gateway gateway;
    struct report report;

    report_init(&report, arena);
    take_variables(arena, NULL, &source.text, &report);
    struct node *root = document_parse(arena, &source, &report);

    if (root) {
        take_variables(arena, root, &text, &report);
        (void)schema_bind(&gateway_schema, root, "", &gateway, arena, &report);
        check_bound(&gateway);
        check_again(arena, root, &gateway);
    }
    check_report(arena, &report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(NULL, ARENA_BYTES);

    if (arena)
        check_text(arena, str_of((const char *)data, size));
    arena_free(arena);
    return 0;
}
