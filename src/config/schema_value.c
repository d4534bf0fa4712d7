/* schema_value.c: one field from one value, and what to say when it does not fit. Conversions are in value.c, structs
 * in schema.c. Start with schema_bind_value. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "config/schema_internal.h"
#include "config/value_internal.h"

#include "json/write.h"

enum { VALUE_SHOWN_MAX = 60 };

static const char *type_name(enum json_type type)
{
    switch (type) {
    case JSON_NULL:
        return "null";
    case JSON_FALSE:
    case JSON_TRUE:
        return "a boolean";
    case JSON_NUMBER:
        return "a number";
    case JSON_STRING:
        return "a string";
    case JSON_ARRAY:
        return "a list";
    case JSON_OBJECT:
        return "an object";
    }
    ASSERT(false);
}

static const char *wanted_name(enum option_type type)
{
    switch (type) {
    case OPTION_TYPE_BOOL:
        return "a boolean";
    case OPTION_TYPE_INT:
        return "a whole number";
    case OPTION_TYPE_DURATION:
        return "a duration such as \"1.5s\"";
    case OPTION_TYPE_SIZE:
        return "a size such as 65536 or \"64KiB\"";
    case OPTION_TYPE_STRING:
    case OPTION_TYPE_ENUM:
        return "a string";
    case OPTION_TYPE_STRINGS:
        return "a list of strings";
    case OPTION_TYPE_OBJECT:
        return "an object";
    case OPTION_TYPE_LIST:
        return "a list of objects";
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
    case OPTION_TYPE_IGNORED:
        break;
    }
    return "any value";
}

/* "endpoints[2].timeout: expected a duration such as "1.5s", found a list". */
static void report_type(struct binder *binder, const char *wanted, const struct node *value, const struct path *path)
{
    report_add(binder->report, SEVERITY_ERROR, PROBLEM_WRONG_TYPE, value->place, NULL, "%sexpected %s, found %s",
               path_prefix(binder, path), wanted, type_name(value->type));
}

/* `text` as it stands in a message: strings quoted, cut when long. */
static const char *show(struct binder *binder, const struct node *value)
{
    struct str text = value->text;
    const char *quote = value->type == JSON_STRING ? "\"" : "", *dots = text.len > VALUE_SHOWN_MAX ? "..." : "";
    struct str shown = str_first(text, VALUE_SHOWN_MAX);

    while (shown.len < text.len && shown.len > 0 && ((unsigned char)text.data[shown.len] & 0xc0) == 0x80)
        shown.len--; /* not inside a character */
    shown = arena_format(binder->arena, "%s%.*s%s%s", quote, STR_ARG(shown), dots, quote);
    return shown.data ? shown.data : "the value";
}

struct bad_text {
    enum problem_code code;
    const char *what; /* "is not a whole number" */
    const char *hint;
};

static void report_text_of(struct binder *binder, const struct node *value, const struct path *path,
                           const struct bad_text *bad)
{
    report_add(binder->report, SEVERITY_ERROR, bad->code, value->place, bad->hint, "%s%s %s", path_prefix(binder, path),
               show(binder, value), bad->what);
}

static const char *format_limit(struct binder *binder, enum option_type type, int64_t limit)
{
    char text[DURATION_TEXT_BYTES];
    struct str shown;

    if (type == OPTION_TYPE_DURATION)
        shown = arena_format(binder->arena, "%.*s", STR_ARG(text_from_duration(limit, text)));
    else
        shown = arena_format(binder->arena, "%lld%s", (long long)limit, type == OPTION_TYPE_SIZE ? " bytes" : "");
    return shown.data ? shown.data : "the limit";
}

static void report_range(struct binder *binder, const struct option *option, const struct node *value,
                         const struct path *path, bool too_small)
{
    const char *limit = format_limit(binder, option->type, too_small ? option->min : option->max);

    report_add(binder->report, SEVERITY_ERROR, PROBLEM_OUT_OF_RANGE, value->place, NULL, "%s%s is %s than %s",
               path_prefix(binder, path), show(binder, value), too_small ? "less" : "more", limit);
}

/* Takes a number, duration or size into its field if it is in range. */
static void take_number(struct binder *binder, const struct option *option, const struct node *value,
                        const struct path *path, int64_t number, int64_t *field)
{
    bool ranged = option->min != 0 || option->max != 0;

    if (ranged && number < option->min)
        report_range(binder, option, value, path, true);
    else if (ranged && option->max >= option->min && number > option->max)
        report_range(binder, option, value, path, false);
    else
        *field = number;
}

static void report_bare(struct binder *binder, const struct node *value, const struct path *path, int64_t number)
{
    char text[DURATION_TEXT_BYTES];

    report_add(binder->report, SEVERITY_WARNING, PROBLEM_BARE_DURATION, value->place,
               suggest_unit(binder->arena, number), "%sa number as duration counts nanoseconds: %s is %.*s",
               path_prefix(binder, path), show(binder, value), STR_ARG(text_from_duration(number, text)));
}

static struct bad_text describe_number(struct binder *binder, enum option_type type, struct str text)
{
    if (type == OPTION_TYPE_DURATION)
        return (struct bad_text){PROBLEM_BAD_DURATION, "is not a duration", suggest_duration(binder->arena, text)};
    if (type == OPTION_TYPE_SIZE)
        return (struct bad_text){PROBLEM_BAD_SIZE, "is not a size", suggest_size(binder->arena, text)};
    return (struct bad_text){PROBLEM_BAD_NUMBER, "is not a whole number",
                             str_starts(text, STR("tcp://"))
                                 ? "Kubernetes sets such variables for a Service: enableServiceLinks: false stops it"
                                 : NULL};
}

static void bind_number(struct binder *binder, const struct option *option, const struct node *value,
                        const struct path *path, int64_t *field)
{
    bool duration = option->type == OPTION_TYPE_DURATION;
    int64_t number = 0;
    enum conversion conversion = duration                           ? value_to_duration(value, &number)
                                 : option->type == OPTION_TYPE_SIZE ? value_to_size(value, &number)
                                                                    : value_to_int(value, &number);
    struct bad_text bad;

    switch (conversion) {
    case CONVERTED:
        if (duration && value->type != JSON_STRING && number != 0)
            report_bare(binder, value, path, number);
        take_number(binder, option, value, path, number, field);
        return;
    case CONVERSION_TYPE:
        report_type(binder, wanted_name(option->type), value, path);
        return;
    case CONVERSION_TEXT:
        bad = describe_number(binder, option->type, value->text);
        report_text_of(binder, value, path, &bad);
        return;
    case CONVERSION_RANGE:
        bad = (struct bad_text){PROBLEM_OUT_OF_RANGE, "is past 64 bits", NULL};
        report_text_of(binder, value, path, &bad);
        return;
    }
}

static void bind_bool(struct binder *binder, const struct node *value, const struct path *path, bool *field)
{
    const struct bad_text bad = {PROBLEM_BAD_BOOLEAN, "is not a boolean", "write true or false"};

    switch (value_to_bool(value, field)) {
    case CONVERTED:
        return;
    case CONVERSION_TYPE:
        report_type(binder, wanted_name(OPTION_TYPE_BOOL), value, path);
        return;
    case CONVERSION_TEXT:
    case CONVERSION_RANGE:
        report_text_of(binder, value, path, &bad);
        return;
    }
}

/* False: reported. */
static bool bind_text(struct binder *binder, const char *wanted, const struct node *value, const struct path *path,
                      struct str *field)
{
    struct str text;

    if (value_to_text(value, binder->arena, &text) != CONVERTED) {
        report_type(binder, wanted, value, path);
        return false;
    }
    if (!text.data) {
        schema_no_memory(binder, value->place);
        return false;
    }
    *field = text;
    return true;
}

/* "one of "lifo", "fifo"". */
static const char *list_names(struct binder *binder, const char *const *names)
{
    struct str list = STR("one of");

    for (size_t i = 0; names[i]; i++)
        list = arena_format(binder->arena, "%.*s%s \"%s\"", STR_ARG(list), i ? "," : "", names[i]);
    return list.data;
}

static const char *suggest_name(struct binder *binder, struct str wrong, const char *const *names)
{
    size_t count = 0;

    while (names[count])
        count++;
    const char *nearest = report_nearest(wrong, names, count);

    return nearest ? arena_format(binder->arena, "did you mean \"%s\"?", nearest).data : list_names(binder, names);
}

static void bind_enum(struct binder *binder, const struct option *option, const struct node *value,
                      const struct path *path, int *field)
{
    struct bad_text bad = {PROBLEM_BAD_CHOICE, "is no known choice", NULL};
    struct str text;

    if (!bind_text(binder, wanted_name(OPTION_TYPE_ENUM), value, path, &text))
        return;
    for (int i = 0; option->names[i]; i++) {
        if (str_eq(text, str_from(option->names[i]))) {
            *field = i;
            return;
        }
    }
    bad.hint = suggest_name(binder, text, option->names);
    report_text_of(binder, value, path, &bad);
}

/* What stands for the elements of a list: a list's own, any other value as the only one (KrakenD lifts it), none of {}.
 */
static size_t elements_of(const struct node *value, const struct node **first)
{
    *first = value;
    if (value->type == JSON_ARRAY)
        *first = value->children;
    else if (value->type != JSON_OBJECT || value->count > 0)
        return 1;
    return value->count;
}

static struct path element_path(const struct node *list, const struct path *path, size_t index)
{
    if (list->type == JSON_ARRAY)
        return (struct path){.parent = path, .index = index};
    return *path;
}

static void bind_strings(struct binder *binder, const struct node *value, const struct path *path,
                         struct str_list *field)
{
    const struct node *at;
    size_t count = elements_of(value, &at);
    struct str_list list = {.items = arena_array(binder->arena, struct str, count + 1),
                            .places = arena_array(binder->arena, struct place, count + 1)};
    const char *wanted = wanted_name(value->type == JSON_ARRAY ? OPTION_TYPE_STRING : OPTION_TYPE_STRINGS);

    if (!list.items || !list.places) {
        schema_no_memory(binder, value->place);
        return;
    }
    for (size_t i = 0; i < count; i++, at = at->next) {
        const struct path below = element_path(value, path, i);

        list.places[list.count] = at->place;
        list.count += bind_text(binder, wanted, at, &below, &list.items[list.count]);
    }
    *field = list;
}

/* An element that is null is an empty object, what it requires is missing; but of some it is nothing at all. */
static void bind_element(struct binder *binder, const struct option *option, const struct node *value,
                         const struct path *path, void *into)
{
    struct node empty = *value;

    schema_set_defaults(option->schema, into);
    if (value->type == JSON_NULL && !option->schema->never_null)
        empty.type = JSON_OBJECT;
    if (empty.type == JSON_OBJECT)
        schema_bind_struct(binder, option->schema, value->type == JSON_NULL ? &empty : value, path, into);
    else
        report_type(binder, wanted_name(path->name ? OPTION_TYPE_LIST : OPTION_TYPE_OBJECT), value, path);
}

static void bind_list(struct binder *binder, const struct option *option, const struct node *value,
                      const struct path *path, struct list_of *field)
{
    const struct node *at;
    size_t count = elements_of(value, &at), bytes;
    char *items = NULL;

    if (mul_ok(&bytes, count + 1, option->schema->size))
        items = arena_zero(binder->arena, bytes);
    if (!items) {
        schema_no_memory(binder, value->place);
        return;
    }
    for (size_t i = 0; i < count; i++, at = at->next) {
        const struct path below = element_path(value, path, i);

        bind_element(binder, option, at, &below, items + i * option->schema->size);
    }
    *field = (struct list_of){.items = items, .count = count};
}

static void bind_object(struct binder *binder, const struct option *option, const struct node *value,
                        const struct path *path, void *field)
{
    if (value->type == JSON_OBJECT)
        schema_bind_struct(binder, option->schema, value, path, field);
    else
        report_type(binder, wanted_name(OPTION_TYPE_OBJECT), value, path);
}

void schema_bind_value(struct binder *binder, const struct option *option, const struct node *value,
                       const struct path *path, void *field)
{
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        bind_bool(binder, value, path, field);
        return;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE:
        bind_number(binder, option, value, path, field);
        return;
    case OPTION_TYPE_STRING:
        (void)bind_text(binder, option->wanted ? option->wanted : wanted_name(OPTION_TYPE_STRING), value, path, field);
        return;
    case OPTION_TYPE_ENUM:
        bind_enum(binder, option, value, path, field);
        return;
    case OPTION_TYPE_STRINGS:
        bind_strings(binder, value, path, field);
        return;
    case OPTION_TYPE_OBJECT:
        bind_object(binder, option, value, path, field);
        return;
    case OPTION_TYPE_LIST:
        bind_list(binder, option, value, path, field);
        return;
    case OPTION_TYPE_NODE:
        *(const struct node **)field = value;
        return;
    case OPTION_TYPE_MAP:
        *(const struct node **)field = node_as_map(value, binder->arena);
        return;
    case OPTION_TYPE_IGNORED:
        if (option->note)
            report_add(binder->report, SEVERITY_NOTE, PROBLEM_IGNORED_OPTION, value->place, NULL, "%s%s",
                       path_prefix(binder, path), option->note);
        return;
    }
}
