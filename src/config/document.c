/* document.c: texts to trees of nodes, and back. Overrides from the environment are in override.c, meaning is in
 * schema.c. Start with document_load. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "config/document_internal.h"
#include "config/problems.h"
#include "os/file.h"

#include "json/write.h"
#include <stdlib.h>

enum { FILE_BYTES_MAX = 64 << 20 };

static struct node *build(struct builder *builder, struct json value);

static struct place place_of(const struct builder *builder, struct json value)
{
    return (struct place){builder->source, json_offset(value), (uint32_t)json_raw(value).len};
}

static void report_no_memory(struct report *report, const struct source *source)
{
    report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){.source = source}, NULL,
               "no memory for the configuration");
}

static bool build_children(struct builder *builder, struct json parent, struct node *node)
{
    struct node **end = &node->children;

    for (struct json at = json_first(parent); json_exists(at); at = json_after(parent, at)) {
        struct node *child = build(builder, at);

        if (!child)
            return false;
        if (node->type == JSON_OBJECT) {
            child->name = json_string(builder->arena, json_name(at));
            child->name_place = place_of(builder, json_name(at));
            if (!child->name.data)
                return false;
        }
        *end = child;
        end = &child->next;
        node->count++;
    }
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct node *a = *(const struct node *const *)left, *b = *(const struct node *const *)right;
    int order = str_compare(a->name, b->name);

    return order ? order : a->place.at < b->place.at ? -1 : 1;
}

static void report_duplicate(struct builder *builder, const struct node *dropped, const struct node *kept)
{
    uint32_t line, column;
    struct str name = str_first(dropped->name, 60);

    json_position(builder->source->text, kept->name_place.at, &line, &column);
    struct str hint = arena_format(builder->arena, "dropped: the one in line %u, column %u counts", line, column);

    report_add(builder->report, SEVERITY_WARNING, PROBLEM_DUPLICATE_KEY, dropped->name_place, hint.data,
               "the key \"%.*s\" is given twice", STR_ARG(name));
}

/* Takes dropped members (their name's data is NULL) out of the list. */
static void unlink_dropped(struct node *object)
{
    for (struct node **at = &object->children; *at;) {
        if ((*at)->name.data) {
            at = &(*at)->next;
            continue;
        }
        *at = (*at)->next;
        object->count--;
    }
}

bool document_drop_duplicates(struct builder *builder, struct node *object)
{
    struct node **sorted;
    size_t length = 0;

    if (object->count < 2)
        return true;
    sorted = arena_array(builder->arena, struct node *, object->count);
    if (!sorted)
        return false;
    for (struct node *at = object->children; at; at = at->next)
        sorted[length++] = at;
    qsort(sorted, length, sizeof(struct node *), compare_names);
    bool dropped = false;

    /* From behind: each dropped one is told which one counts. */
    for (size_t kept = length - 1, i = kept; i-- > 0;) {
        if (!str_eq(sorted[i]->name, sorted[kept]->name)) {
            kept = i;
            continue;
        }
        report_duplicate(builder, sorted[i], sorted[kept]);
        sorted[i]->name.data = NULL;
        sorted[i]->name.len = 0;
        dropped = true;
    }
    if (dropped)
        unlink_dropped(object);
    return true;
}

/* Recursion is as deep as the text is nested, which json_parse caps. NULL: no memory. */
static struct node *build(struct builder *builder, struct json value)
{
    struct node *node = arena_make(builder->arena, struct node);

    if (!node)
        return NULL;
    node->type = json_type(value);
    node->place = place_of(builder, value);
    switch (node->type) {
    case JSON_OBJECT:
        return build_children(builder, value, node) && document_drop_duplicates(builder, node) ? node : NULL;
    case JSON_ARRAY:
        return build_children(builder, value, node) ? node : NULL;
    case JSON_STRING:
        node->text = json_string(builder->arena, value);
        return node->text.data ? node : NULL;
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
    case JSON_NUMBER:
        node->text = json_raw(value);
        return node;
    }
    ASSERT(false);
}

/* At the end of a text the place is behind the last byte that is no white space, where something is missing. */
static struct place place_of_fault(const struct source *source, uint32_t at)
{
    struct str text = source->text;

    if (at >= text.len) {
        while (at > 0 && (text.data[at - 1] == '\n' || text.data[at - 1] == '\r' || text.data[at - 1] == ' ' ||
                          text.data[at - 1] == '\t'))
            at--;
    }
    return (struct place){.source = source, .at = at};
}

struct node *document_parse(struct arena *arena, const struct source *source, struct report *report)
{
    struct builder builder = {arena, source, report};
    const struct json_options options = {.trailing_ignored = false};
    struct json_doc *doc = arena_make(arena, struct json_doc);
    struct json_error err;
    struct node *root = NULL;

    if (doc && !json_parse(arena, source->text, &options, doc, &err)) {
        report_add(report, SEVERITY_ERROR, PROBLEM_SYNTAX, place_of_fault(source, err.at), NULL, "%s", err.text);
        return NULL;
    }
    if (doc)
        root = build(&builder, json_root(doc));
    if (!root)
        report_no_memory(report, source);
    return root;
}

static bool is_yaml(struct str path)
{
    return str_ends(path, STR(".yaml")) || str_ends(path, STR(".yml"));
}

/* An error's text without the path that it starts with: the place of the problem names it already. */
static const char *without_path(const char *text, const char *path)
{
    size_t len = strlen(path);

    return strncmp(text, path, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2 : text;
}

struct node *document_load(struct arena *arena, const char *path, struct report *report)
{
    struct source *source = arena_make(arena, struct source);
    struct error err;

    if (!source || !(source->name = arena_copy(arena, str_from(path)).data)) {
        report_no_memory(report, NULL);
        return NULL;
    }
    struct place start = {.source = source};

    if (str_ends(str_from(path), STR(".toml"))) {
        report_add(report, SEVERITY_ERROR, PROBLEM_FORMAT_UNSUPPORTED, start, "convert the file to JSON or YAML",
                   "configuration in TOML is not supported yet: it comes in a later version");
        return NULL;
    }
    if (!file_read(arena, path, FILE_BYTES_MAX, &source->text, &err)) {
        report_add(report, SEVERITY_ERROR, PROBLEM_FILE_UNREADABLE, start, NULL, "cannot be read: %s",
                   without_path(err.text, path));
        return NULL;
    }
    return is_yaml(str_from(path)) ? yaml_parse(arena, source, report) : document_parse(arena, source, report);
}

struct node *node_member(const struct node *object, struct str name)
{
    struct node *folded = NULL;

    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (struct node *at = object->children; at; at = at->next) {
        if (str_eq(at->name, name))
            return at;
        if (!folded && str_eq_fold(at->name, name))
            folded = at;
    }
    return folded;
}

/* Configuration numbers are doubles to KrakenD, so 1.0 is written 1. What no double holds keeps its text. */
static void write_number(struct json_writer *out, struct str text)
{
    double number;

    if (text_to_double(text, &number))
        json_write_double(out, number);
    else
        json_write_raw(out, text);
}

static void write_node(struct json_writer *out, const struct node *node)
{
    bool object = node->type == JSON_OBJECT;

    switch (node->type) {
    case JSON_STRING:
        json_write_string(out, node->text);
        return;
    case JSON_NUMBER:
        write_number(out, node->text);
        return;
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        json_write_raw(out, node->text);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    json_write_raw(out, object ? STR("{") : STR("["));
    for (const struct node *at = node->children; at; at = at->next) {
        if (object)
            json_write_name(out, at->name, true);
        write_node(out, at);
        json_write_raw(out, at->next ? STR(",") : STR_EMPTY);
    }
    json_write_raw(out, object ? STR("}") : STR("]"));
}

struct str node_to_json(const struct node *node, struct arena *arena)
{
    struct json_writer out = {.arena = arena};

    write_node(&out, node);
    return json_written(&out);
}
