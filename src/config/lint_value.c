/* lint_value.c: keywords of JSON Schema about one value: its type, its bounds, its text, how much it holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/lint_internal.h"

#include <math.h>

static bool is_whole(const struct node *node)
{
    double number;

    return node->type == JSON_NUMBER && text_to_double(node->text, &number) && number == floor(number);
}

static bool is_type(const struct node *node, struct str name)
{
    static const struct {
        struct str name;
        enum json_type type;
    } types[] = {{STR_INIT("null"), JSON_NULL},     {STR_INIT("boolean"), JSON_TRUE}, {STR_INIT("boolean"), JSON_FALSE},
                 {STR_INIT("string"), JSON_STRING}, {STR_INIT("array"), JSON_ARRAY},  {STR_INIT("object"), JSON_OBJECT},
                 {STR_INIT("number"), JSON_NUMBER}};

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (node->type == types[i].type && str_eq(name, types[i].name))
            return true;
    return str_eq(name, STR("integer")) && is_whole(node);
}

bool lint_type(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
               bool tell)
{
    struct str names = STR_EMPTY;

    (void)schema;
    if (keyword->type == JSON_STRING)
        return is_type(spot->node, keyword->text) ||
               lint_refuse(lint, spot, tell, "is not of type %.*s", STR_ARG(keyword->text));
    if (keyword->type != JSON_ARRAY)
        return lint_break(lint, keyword, "\"type\" is neither a name nor a list of names");
    for (const struct node *name = keyword->children; name; name = name->next) {
        if (is_type(spot->node, name->text))
            return true;
        names = arena_format(lint->arena, "%.*s%s%.*s", STR_ARG(names), names.len ? " or " : "", STR_ARG(name->text));
    }
    return lint_refuse(lint, spot, tell, "is not of type %.*s", STR_ARG(names));
}

static bool is_equal(const struct node *a, const struct node *b);

static bool has_equal_members(const struct node *a, const struct node *b)
{
    for (const struct node *child = a->children; child; child = child->next) {
        const struct node *other = lint_member(b, child->name);

        if (!other || !is_equal(child, other))
            return false;
    }
    return true;
}

static bool has_equal_elements(const struct node *a, const struct node *b)
{
    const struct node *other = b->children;

    for (const struct node *child = a->children; child; child = child->next, other = other->next)
        if (!is_equal(child, other))
            return false;
    return true;
}

static bool is_equal(const struct node *a, const struct node *b)
{
    double left, right;

    if (a->type != b->type || a->count != b->count)
        return false;
    switch (a->type) {
    case JSON_NULL:
    case JSON_FALSE:
    case JSON_TRUE:
        return true;
    case JSON_STRING:
        return str_eq(a->text, b->text);
    case JSON_NUMBER:
        return str_eq(a->text, b->text) ||
               (text_to_double(a->text, &left) && text_to_double(b->text, &right) && left == right);
    case JSON_ARRAY:
        return has_equal_elements(a, b);
    case JSON_OBJECT:
        return has_equal_members(a, b);
    }
    return false;
}

bool lint_const(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                bool tell)
{
    (void)schema;
    return is_equal(spot->node, keyword) ||
           lint_refuse(lint, spot, tell, "is not %.*s", STR_ARG(node_to_json(keyword, lint->arena)));
}

bool lint_enum(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
               bool tell)
{
    (void)schema;
    for (const struct node *value = keyword->children; value; value = value->next)
        if (is_equal(spot->node, value))
            return true;
    return lint_refuse(lint, spot, tell, "is none of %.*s", STR_ARG(node_to_json(keyword, lint->arena)));
}

bool lint_bound(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                bool tell)
{
    static const struct {
        struct str name;
        const char *text;
        bool is_upper, is_exclusive;
    } bounds[] = {{STR_INIT("minimum"), "less than", false, false},
                  {STR_INIT("maximum"), "more than", true, false},
                  {STR_INIT("exclusiveMinimum"), "not more than", false, true},
                  {STR_INIT("exclusiveMaximum"), "not less than", true, true}};
    double bound, value;
    size_t i = 0;

    (void)schema;
    if (spot->node->type != JSON_NUMBER || !text_to_double(spot->node->text, &value))
        return true;
    while (!str_eq(keyword->name, bounds[i].name))
        i++;
    if (keyword->type != JSON_NUMBER || !text_to_double(keyword->text, &bound))
        return lint_break(lint, keyword, "\"%.*s\" is not a number", STR_ARG(keyword->name));
    if (bounds[i].is_upper ? value < bound : value > bound)
        return true;
    return (value == bound && !bounds[i].is_exclusive) ||
           lint_refuse(lint, spot, tell, "is %s %.*s", bounds[i].text, STR_ARG(keyword->text));
}

bool lint_multiple(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                   bool tell)
{
    double step, value;

    (void)schema;
    if (spot->node->type != JSON_NUMBER || !text_to_double(spot->node->text, &value))
        return true;
    if (keyword->type != JSON_NUMBER || !text_to_double(keyword->text, &step) || !(step > 0))
        return lint_break(lint, keyword, "\"multipleOf\" is not a number above 0");
    value /= step;
    return fabs(value - nearbyint(value)) < 1e-9 ||
           lint_refuse(lint, spot, tell, "is not a multiple of %.*s", STR_ARG(keyword->text));
}

/* Characters of valid UTF-8. */
static uint64_t length_of(struct str text)
{
    uint64_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

/* What both the keywords about text and those about containers come to. */
static bool compare_size(struct lint *lint, const struct node *keyword, uint64_t size, const struct spot *spot,
                         bool tell)
{
    bool is_upper = str_starts(keyword->name, STR("max"));
    uint64_t bound;

    if (keyword->type != JSON_NUMBER || !text_to_u64(keyword->text, &bound))
        return lint_break(lint, keyword, "\"%.*s\" is not a whole number", STR_ARG(keyword->name));
    return (is_upper ? size <= bound : size >= bound) ||
           lint_refuse(lint, spot, tell, "has %llu %s, %s than %.*s", (unsigned long long)size,
                       spot->node->type == JSON_STRING   ? "characters"
                       : spot->node->type == JSON_OBJECT ? "members"
                                                         : "elements",
                       is_upper ? "more" : "fewer", STR_ARG(keyword->text));
}

bool lint_length(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                 bool tell)
{
    (void)schema;
    return spot->node->type != JSON_STRING || compare_size(lint, keyword, length_of(spot->node->text), spot, tell);
}

bool lint_count(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                bool tell)
{
    enum json_type counted = str_ends(keyword->name, STR("Items")) ? JSON_ARRAY : JSON_OBJECT;

    (void)schema;
    return spot->node->type != counted || compare_size(lint, keyword, spot->node->count, spot, tell);
}

bool lint_unique(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                 bool tell)
{
    (void)schema;
    if (keyword->type != JSON_TRUE || spot->node->type != JSON_ARRAY)
        return true;
    for (const struct node *a = spot->node->children; a; a = a->next)
        for (const struct node *b = a->next; b; b = b->next)
            if (is_equal(a, b))
                return lint_refuse(lint, spot, tell, "has the same element twice");
    return true;
}

static bool has_all(struct lint *lint, const struct node *names, const struct spot *spot, bool tell)
{
    bool ok = true;

    for (const struct node *name = names->children; name && (ok || tell); name = name->next)
        if (name->type == JSON_STRING && !lint_member(spot->node, name->text))
            ok = lint_refuse(lint, spot, tell, "\"%.*s\" is missing", STR_ARG(name->text));
    return ok;
}

bool lint_required(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                   bool tell)
{
    (void)schema;
    return spot->node->type != JSON_OBJECT || has_all(lint, keyword, spot, tell);
}

bool lint_dependent_required(struct lint *lint, const struct node *schema, const struct node *keyword,
                             const struct spot *spot, bool tell)
{
    bool ok = true;

    (void)schema;
    if (spot->node->type != JSON_OBJECT)
        return true;
    for (const struct node *names = keyword->children; names && (ok || tell); names = names->next)
        if (lint_member(spot->node, names->name) && !has_all(lint, names, spot, tell))
            ok = false;
    return ok;
}
