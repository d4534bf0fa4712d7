/* schema.c: a struct from an object by its table: defaults, members, keys that are unknown or missing. Single values
 * are converted in schema_value.c. Start with schema_bind. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "config/schema_internal.h"

#include <stdio.h>

enum { NAME_SHOWN_MAX = 60, WALK_PATH_BYTES = 512 };

static void *at_offset(void *base, size_t offset)
{
    return (char *)base + offset;
}

static struct str path_text(const struct binder *binder, const struct path *path)
{
    if (!path->parent)
        return str_from(path->name);
    struct str parent = path_text(binder, path->parent);

    if (!path->name)
        return arena_format(binder->arena, "%.*s[%zu]", STR_ARG(parent), path->index);
    return arena_format(binder->arena, "%.*s%s%s", STR_ARG(parent), parent.len ? "." : "", path->name);
}

const char *path_prefix(const struct binder *binder, const struct path *path)
{
    struct str text = path_text(binder, path);

    if (text.len == 0)
        return "";
    text = arena_format(binder->arena, "%.*s: ", STR_ARG(text));
    return text.data ? text.data : "";
}

void schema_no_memory(struct binder *binder, struct place place)
{
    report_add(binder->report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, place, NULL, "no memory for the configuration");
}

static int position_of(const char *name, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    ASSERT(false); /* A preset that the option does not know is a mistake in its table. */
}

static void set_default(const struct option *option, void *field)
{
    switch (option->type) {
    case OPTION_TYPE_BOOL:
        *(bool *)field = option->preset != 0;
        return;
    case OPTION_TYPE_INT:
    case OPTION_TYPE_DURATION:
    case OPTION_TYPE_SIZE:
        *(int64_t *)field = option->preset;
        return;
    case OPTION_TYPE_STRING:
        *(struct str *)field = str_from(option->preset_text);
        return;
    case OPTION_TYPE_ENUM:
        *(int *)field = option->preset_text ? position_of(option->preset_text, option->names) : 0;
        return;
    case OPTION_TYPE_OBJECT:
        schema_set_defaults(option->schema, field);
        return;
    case OPTION_TYPE_STRINGS:
    case OPTION_TYPE_LIST:
    case OPTION_TYPE_NODE:
    case OPTION_TYPE_MAP:
    case OPTION_TYPE_IGNORED:
        return;
    }
}

void schema_set_defaults(const struct schema *schema, void *into)
{
    memset(into, 0, schema->size);
    for (size_t i = 0; i < schema->count; i++)
        set_default(&schema->options[i], at_offset(into, schema->options[i].offset));
}

/* Is this member what some option reads? An exact name hides others that differ in case only. */
static bool is_known(const struct schema *schema, const struct node *object, const struct node *member)
{
    for (size_t i = 0; i < schema->count; i++) {
        struct str name = str_from(schema->options[i].name);

        if (str_eq_fold(name, member->name) && node_member(object, name) == member)
            return true;
    }
    return false;
}

static const char *suggest_key(struct binder *binder, const struct schema *schema, struct str wrong)
{
    const char **names = arena_array(binder->arena, const char *, schema->count + 1);

    if (!names)
        return NULL;
    for (size_t i = 0; i < schema->count; i++)
        names[i] = schema->options[i].name;
    const char *nearest = report_nearest(wrong, names, schema->count);

    return nearest ? arena_format(binder->arena, "did you mean \"%s\"?", nearest).data : NULL;
}

static void report_unknown_keys(struct binder *binder, const struct schema *schema, const struct node *object,
                                const struct path *path)
{
    enum severity severity = binder->report->strict ? SEVERITY_ERROR : SEVERITY_WARNING;

    for (const struct node *at = object->children; at; at = at->next) {
        struct str shown = str_first(at->name, NAME_SHOWN_MAX);

        if (name_is_comment(at->name) || is_known(schema, object, at))
            continue;
        report_add(binder->report, severity, PROBLEM_UNKNOWN_KEY, at->name_place, suggest_key(binder, schema, at->name),
                   "%sunknown key \"%.*s\"", path_prefix(binder, path), STR_ARG(shown));
    }
}

static void report_missing(struct binder *binder, const struct option *option, const struct node *object,
                           const struct path *path)
{
    struct place place = object->place;

    place.len = size_min(place.len, 1) != 0; /* the opening bracket, not all of the object */
    report_add(binder->report, SEVERITY_ERROR, PROBLEM_REQUIRED, place, option->help, "%s\"%s\" is missing",
               path_prefix(binder, path), option->name);
}

static void note_case(struct binder *binder, const struct option *option, const struct node *member,
                      const struct path *path)
{
    struct str hint = arena_format(binder->arena, "write \"%s\"", option->name);

    report_add(binder->report, SEVERITY_NOTE, PROBLEM_KEY_CASE, member->name_place, hint.data,
               "%sread although its case differs", path_prefix(binder, path));
}

static void bind_option(struct binder *binder, const struct option *option, const struct node *object,
                        const struct path *path, void *into)
{
    const struct node *member = node_member(object, str_from(option->name));
    const struct path below = {.parent = path, .name = option->name};

    if (!member || member->type == JSON_NULL) {
        if (option->required)
            report_missing(binder, option, object, path);
        return;
    }
    if (!str_eq(member->name, str_from(option->name)))
        note_case(binder, option, member, &below);
    if (option->seen_at)
        *(bool *)at_offset(into, option->seen_at - 1) = true;
    if (option->place_at)
        *(struct place *)at_offset(into, option->place_at - 1) = member->place;
    schema_bind_value(binder, option, member, &below, at_offset(into, option->offset));
}

static void check_struct(struct binder *binder, const struct schema *schema, const struct node *object,
                         const struct path *path, void *into)
{
    struct str text = path_text(binder, path);

    if (text.data)
        schema->check(into, object, text.data, binder->report);
    else
        schema_no_memory(binder, object->place);
}

void schema_bind_struct(struct binder *binder, const struct schema *schema, const struct node *object,
                        const struct path *path, void *into)
{
    for (size_t i = 0; i < schema->count; i++)
        bind_option(binder, &schema->options[i], object, path, into);
    if (!schema->open)
        report_unknown_keys(binder, schema, object, path);
    if (schema->check)
        check_struct(binder, schema, object, path, into);
}

bool schema_bind(const struct schema *schema, const struct node *node, const char *path, void *into,
                 struct arena *arena, struct report *report)
{
    struct binder binder = {arena, report};
    const struct path root = {.name = path};
    const struct option whole = {.type = OPTION_TYPE_OBJECT, .schema = schema};
    unsigned errors = report->errors;

    schema_set_defaults(schema, into);
    if (node && node->type != JSON_NULL)
        schema_bind_value(&binder, &whole, node, &root, into);
    return report->errors == errors;
}

struct walk {
    void (*visit)(void *arg, const char *path, const struct option *option);
    void *arg;
    char path[WALK_PATH_BYTES];
};

/* walk->path holds `len` bytes of the struct's own path. */
static void walk_struct(struct walk *walk, const struct schema *schema, size_t len)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct option *option = &schema->options[i];
        const char *list = option->type == OPTION_TYPE_LIST ? "[]" : "";
        int more = snprintf(walk->path + len, sizeof(walk->path) - len, "%s%s%s", len ? "." : "", option->name, list);

        ASSERT(more > 0 && (size_t)more < sizeof(walk->path) - len);
        walk->visit(walk->arg, walk->path, option);
        if (option->schema)
            walk_struct(walk, option->schema, len + (size_t)more);
    }
}

void schema_visit(const struct schema *schema, void (*visit)(void *arg, const char *path, const struct option *option),
                  void *arg)
{
    struct walk walk = {.visit = visit, .arg = arg};

    walk_struct(&walk, schema, 0);
}
