/* json_schema.c: writes the JSON Schema of option tables. Start with schema_to_json.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/json_schema.h"

#include "base/text.h"

#include "json/write.h"

#define DURATION_PATTERN                                                                                                 \
    "^[+-]?(0|([0-9]+(\\\\.[0-9]*)?|\\\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))(([0-9]+(\\\\.[0-9]*)?|\\\\.[0-9]+)(ns|us|µs|" \
    "μs|ms|s|m|h))*$"
#define SIZE_PATTERN "^[0-9]+(\\\\.[0-9]+)?([kKmMgG][iI]?)?[bB]?$"

struct output {
    struct json_writer *json;
    unsigned depth;
    bool first; /* no member of the open object is written yet */
};

static void raw(struct output *out, const char *text)
{
    json_write_raw(out->json, str_from(text));
}

static void new_line(struct output *out)
{
    raw(out, "\n");
    for (unsigned i = 0; i < out->depth; i++)
        raw(out, "  ");
}

static void open_object(struct output *out)
{
    raw(out, "{");
    out->depth++;
    out->first = true;
}

static void close_object(struct output *out)
{
    out->depth--;
    if (!out->first)
        new_line(out);
    raw(out, "}");
    out->first = false;
}

static void begin_member(struct output *out)
{
    if (!out->first)
        raw(out, ",");
    new_line(out);
    out->first = false;
}

static void member(struct output *out, const char *name)
{
    begin_member(out);
    json_write_string(out->json, str_from(name));
    raw(out, ": ");
}

/* A member whose value is JSON text already. */
static void text_member(struct output *out, const char *name, const char *json)
{
    member(out, name);
    raw(out, json);
}

static void string_member(struct output *out, const char *name, struct str value)
{
    member(out, name);
    json_write_string(out->json, value);
}

static void number_member(struct output *out, const char *name, int64_t value)
{
    member(out, name);
    if (value < 0)
        raw(out, "-");
    json_write_u64(out->json, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void write_members(struct output *out, const struct schema *schema);

/* Of numbers and durations a range is said in numbers only where a number is what one writes. */
static void write_range(struct output *out, const struct option *option)
{
    if (option->min == 0 && option->max == 0)
        return;
    number_member(out, "minimum", option->min);
    if (option->max >= option->min && option->max != INT64_MAX)
        number_member(out, "maximum", option->max);
}

static void write_names(struct output *out, const char *const *names)
{
    member(out, "enum");
    raw(out, "[");
    for (size_t i = 0; names[i]; i++) {
        raw(out, i > 0 ? ", " : "");
        json_write_string(out->json, str_from(names[i]));
    }
    raw(out, "]");
}

static void write_elements(struct output *out, const struct schema *schema)
{
    text_member(out, "type", "\"array\"");
    member(out, "items");
    open_object(out);
    write_members(out, schema);
    close_object(out);
}

static void write_type(struct output *out, const struct option *option)
{
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        text_member(out, "type", "\"boolean\"");
        return;
    case OPTION_TYPE_INT:
        text_member(out, "type", "\"integer\"");
        write_range(out, option);
        return;
    case OPTION_TYPE_DURATION:
        text_member(out, "type", "\"string\"");
        text_member(out, "pattern", "\"" DURATION_PATTERN "\"");
        return;
    case OPTION_TYPE_SIZE:
        text_member(out, "type", "[\"integer\", \"string\"]");
        text_member(out, "pattern", "\"" SIZE_PATTERN "\"");
        write_range(out, option);
        return;
    case OPTION_TYPE_STRING:
        text_member(out, "type", "\"string\"");
        return;
    case OPTION_TYPE_ENUM:
        write_names(out, option->names);
        return;
    case OPTION_TYPE_STRINGS:
        text_member(out, "type", "\"array\"");
        text_member(out, "items", "{\"type\": \"string\"}");
        return;
    case OPTION_TYPE_LIST:
        write_elements(out, option->schema);
        return;
    case OPTION_TYPE_OBJECT:
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
        if (option->schema)
            write_members(out, option->schema);
        return;
    case OPTION_TYPE_IGNORED:
        return;
    }
}

static void write_default(struct output *out, const struct option *option)
{
    char text[DURATION_TEXT_BYTES];

    if (option->shown) {
        text_member(out, "default", option->shown);
        return;
    }
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        text_member(out, "default", option->preset ? "true" : "false");
        return;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_SIZE:
        number_member(out, "default", option->preset);
        return;
    case OPTION_TYPE_DURATION:
        string_member(out, "default", text_from_duration(option->preset, text));
        return;
    case OPTION_TYPE_STRING:
        if (option->preset_text)
            string_member(out, "default", str_from(option->preset_text));
        return;
    case OPTION_TYPE_ENUM:
        string_member(out, "default", str_from(option->preset_text ? option->preset_text : option->names[0]));
        return;
    case OPTION_TYPE_STRINGS:
    case OPTION_TYPE_OBJECT:
    case OPTION_TYPE_LIST:
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
    case OPTION_TYPE_IGNORED:
        return;
    }
}

/* A duration, or the range of one, as an example: the pattern alone shows nobody what to write. */
static void write_example(struct output *out, const struct option *option)
{
    const char *example = option->example;

    if (!example && option->type == OPTION_TYPE_DURATION)
        example = "\"1500ms\"";
    if (!example && option->type == OPTION_TYPE_SIZE)
        example = "\"64KiB\"";
    if (!example)
        return;
    member(out, "examples");
    raw(out, "[");
    raw(out, example);
    raw(out, "]");
}

static void write_option(struct output *out, const struct option *option)
{
    member(out, option->name);
    open_object(out);
    if (option->help)
        string_member(out, "description", str_from(option->help));
    if (option->form) {
        begin_member(out);
        raw(out, option->form);
    } else {
        write_type(out, option);
    }
    if (!option->required)
        write_default(out, option);
    write_example(out, option);
    close_object(out);
}

static void write_required(struct output *out, const struct schema *schema)
{
    bool first = true;

    for (size_t i = 0; i < schema->count; i++) {
        if (!schema->options[i].required)
            continue;
        if (first)
            member(out, "required");
        raw(out, first ? "[" : ", ");
        json_write_string(out->json, str_from(schema->options[i].name));
        first = false;
    }
    if (!first)
        raw(out, "]");
}

static void write_members(struct output *out, const struct schema *schema)
{
    text_member(out, "type", "\"object\"");
    member(out, "properties");
    open_object(out);
    for (size_t i = 0; i < schema->count; i++)
        write_option(out, &schema->options[i]);
    close_object(out);
    write_required(out, schema);
    text_member(out, "patternProperties", "{\"^[@$_#]\": true}");
    text_member(out, "additionalProperties", schema->open ? "true" : "false");
}

struct str schema_to_json(const struct schema *schema, const char *title, struct arena *arena)
{
    struct json_writer writer = {.arena = arena};
    struct output out = {.json = &writer};

    open_object(&out);
    text_member(&out, "$schema", "\"https://json-schema.org/draft/2020-12/schema\"");
    string_member(&out, "title", str_from(title));
    write_members(&out, schema);
    close_object(&out);
    raw(&out, "\n");
    return json_written(&writer);
}
