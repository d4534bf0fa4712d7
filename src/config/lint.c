/* lint.c: the walk of a document beside a JSON Schema: which keyword is asked about which value, and what is told.
 * Start with lint_document. SPDX-License-Identifier: Apache-2.0 */
#include "config/lint.h"

#include "config/lint_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    DEPTH_MAX = 400,
    STEPS_MAX = 20000000, /* schemas asked; what takes more is a trap */
    TEXT_BYTES = 512,
};

const struct node *lint_member(const struct node *object, struct str name)
{
    if (object->type != JSON_OBJECT)
        return NULL;
    for (const struct node *child = object->children; child; child = child->next)
        if (str_eq(child->name, name))
            return child;
    return NULL;
}

struct str lint_path(const struct lint *lint, const struct spot *spot)
{
    struct str front;

    if (!spot->parent)
        return STR_EMPTY;
    front = lint_path(lint, spot->parent);
    if (spot->is_element)
        return arena_format(lint->arena, "%.*s[%zu]", STR_ARG(front), spot->index);
    return arena_format(lint->arena, "%.*s%s%.*s", STR_ARG(front), front.len ? "." : "", STR_ARG(spot->node->name));
}

bool lint_refuse(const struct lint *lint, const struct spot *spot, bool tell, const char *format, ...)
{
    struct str where = tell ? lint_path(lint, spot) : STR_EMPTY;
    struct place place = spot->node->place;
    char text[TEXT_BYTES];
    va_list values;

    if (!tell)
        return false;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (spot->node->type == JSON_OBJECT || spot->node->type == JSON_ARRAY)
        place.len = 1; /* the opening bracket */
    report_add(lint->report, SEVERITY_ERROR, PROBLEM_SCHEMA_REFUSES, place, NULL, "%.*s%s%s", STR_ARG(where),
               where.len ? ": " : "", text);
    return false;
}

bool lint_break(struct lint *lint, const struct node *node, const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list values;

    if (lint->broken)
        return true;
    lint->broken = true;
    va_start(values, format);
    vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    report_add(lint->report, SEVERITY_ERROR, PROBLEM_SCHEMA_UNUSABLE, node->place, NULL, "%s", text);
    return true;
}

static bool lint_unknown(struct lint *lint, const struct node *schema, const struct node *keyword,
                         const struct spot *spot, bool tell)
{
    (void)schema;
    (void)spot;
    (void)tell;
    return lint_break(lint, keyword, "\"%.*s\" is not understood here", STR_ARG(keyword->name));
}

static const struct {
    struct str name;
    lint_keyword *check;
} keywords[] = {
    {STR_INIT("$ref"), lint_ref},
    {STR_INIT("type"), lint_type},
    {STR_INIT("enum"), lint_enum},
    {STR_INIT("const"), lint_const},
    {STR_INIT("minimum"), lint_bound},
    {STR_INIT("maximum"), lint_bound},
    {STR_INIT("exclusiveMinimum"), lint_bound},
    {STR_INIT("exclusiveMaximum"), lint_bound},
    {STR_INIT("multipleOf"), lint_multiple},
    {STR_INIT("minLength"), lint_length},
    {STR_INIT("maxLength"), lint_length},
    {STR_INIT("pattern"), lint_pattern},
    {STR_INIT("minItems"), lint_count},
    {STR_INIT("maxItems"), lint_count},
    {STR_INIT("minProperties"), lint_count},
    {STR_INIT("maxProperties"), lint_count},
    {STR_INIT("uniqueItems"), lint_unique},
    {STR_INIT("required"), lint_required},
    {STR_INIT("dependentRequired"), lint_dependent_required},
    {STR_INIT("dependentSchemas"), lint_dependent},
    {STR_INIT("dependencies"), lint_dependent},
    {STR_INIT("properties"), lint_properties},
    {STR_INIT("patternProperties"), lint_patterns},
    {STR_INIT("additionalProperties"), lint_additional},
    {STR_INIT("propertyNames"), lint_names},
    {STR_INIT("items"), lint_items},
    {STR_INIT("prefixItems"), lint_items},
    {STR_INIT("contains"), lint_contains},
    {STR_INIT("allOf"), lint_all_of},
    {STR_INIT("anyOf"), lint_any_of},
    {STR_INIT("oneOf"), lint_one_of},
    {STR_INIT("not"), lint_not},
    {STR_INIT("if"), lint_if_then},
    {STR_INIT("unevaluatedItems"), lint_unknown},
    {STR_INIT("unevaluatedProperties"), lint_unknown},
    {STR_INIT("$recursiveRef"), lint_unknown},
    {STR_INIT("$dynamicRef"), lint_unknown},
};

static lint_keyword *find_keyword(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (str_eq(name, keywords[i].name))
            return keywords[i].check;
    return NULL;
}

static bool check_object(struct lint *lint, const struct node *schema, const struct spot *spot, bool tell)
{
    bool ok = true;

    for (const struct node *keyword = schema->children; keyword && (ok || tell); keyword = keyword->next) {
        lint_keyword *check = find_keyword(keyword->name);

        ok = (!check || check(lint, schema, keyword, spot, tell)) && ok;
    }
    return ok;
}

bool lint_value(struct lint *lint, const struct node *schema, const struct spot *spot, bool tell)
{
    const struct node *id = lint_member(schema, STR("$id"));
    struct str base = lint->base;
    bool ok;

    if (lint->broken || schema->type == JSON_TRUE)
        return true;
    if (schema->type == JSON_FALSE)
        return lint_refuse(lint, spot, tell, "is not allowed here");
    if (schema->type != JSON_OBJECT)
        return lint_break(lint, schema, "a schema is an object, true or false");
    if (++lint->steps > STEPS_MAX || lint->depth == DEPTH_MAX)
        return lint_break(lint, schema, "the schema goes in circles, or has too many forms to try");
    if (id && id->type == JSON_STRING)
        lint->base = lint_resolve(lint, id->text);
    lint->depth++;
    ok = check_object(lint, schema, spot, tell);
    lint->depth--;
    lint->base = base;
    return ok;
}

bool lint_document(const struct node *schema, const struct node *document, struct report *report)
{
    struct lint lint = {.arena = report->arena, .report = report, .schema = schema};
    struct spot spot = {.node = document};
    bool ok;

    lint_collect_ids(&lint);
    ok = lint_value(&lint, schema, &spot, true);
    lint_free_patterns(&lint);
    return ok && !lint.broken;
}
