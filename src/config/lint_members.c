/* lint_members.c: keywords of JSON Schema that ask other schemas about what a value holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/lint_internal.h"

static struct spot child_spot(const struct spot *parent, const struct node *node, size_t index)
{
    return (struct spot){parent, node, index, parent->node->type == JSON_ARRAY};
}

static bool check_child(struct lint *lint, const struct node *schema, const struct spot *parent,
                        const struct node *node, size_t index, bool tell)
{
    struct spot spot = child_spot(parent, node, index);

    return lint_value(lint, schema, &spot, tell);
}

/* A keyword's verdict on one member of spot->node. */
typedef bool member_keyword(struct lint *lint, const struct node *schema, const struct node *keyword,
                            const struct spot *spot, const struct node *member, bool tell);

/* The same of all members; the first one that is wrong is enough when nothing is told. */
static bool check_members(struct lint *lint, const struct node *schema, const struct node *keyword,
                          const struct spot *spot, bool tell, member_keyword *check)
{
    bool ok = true;

    if (spot->node->type != JSON_OBJECT)
        return true;
    for (const struct node *member = spot->node->children; member && (ok || tell); member = member->next)
        ok = check(lint, schema, keyword, spot, member, tell) && ok;
    return ok;
}

static bool check_property(struct lint *lint, const struct node *schema, const struct node *keyword,
                           const struct spot *spot, const struct node *member, bool tell)
{
    const struct node *rule = lint_member(keyword, member->name);

    (void)schema;
    return !rule || check_child(lint, rule, spot, member, 0, tell);
}

bool lint_properties(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                     bool tell)
{
    return check_members(lint, schema, keyword, spot, tell, check_property);
}

static bool check_patterns(struct lint *lint, const struct node *schema, const struct node *keyword,
                           const struct spot *spot, const struct node *member, bool tell)
{
    bool ok = true;

    (void)schema;
    for (const struct node *rule = keyword->children; rule; rule = rule->next)
        if (lint_matches(lint, rule, rule->name, member->name))
            ok = check_child(lint, rule, spot, member, 0, tell) && ok;
    return ok;
}

bool lint_patterns(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                   bool tell)
{
    return check_members(lint, schema, keyword, spot, tell, check_patterns);
}

/* Members that neither properties nor patternProperties speak of. */
static bool is_additional(struct lint *lint, const struct node *schema, struct str name)
{
    const struct node *named = lint_member(schema, STR("properties"));
    const struct node *patterns = lint_member(schema, STR("patternProperties"));

    if (named && lint_member(named, name))
        return false;
    for (const struct node *rule = patterns ? patterns->children : NULL; rule; rule = rule->next)
        if (lint_matches(lint, rule, rule->name, name))
            return false;
    return true;
}

static void refuse_name(const struct lint *lint, const struct node *schema, const struct spot *spot,
                        const struct node *child)
{
    const struct node *named = lint_member(schema, STR("properties"));
    struct str where = lint_path(lint, spot), hint = STR_EMPTY;
    const char *near = NULL, **names = named ? arena_array(lint->arena, const char *, named->count + 1) : NULL;
    size_t count = 0;

    for (const struct node *name = names ? named->children : NULL; name; name = name->next) {
        names[count] = arena_format(lint->arena, "%.*s", STR_ARG(name->name)).data;
        count += names[count] != NULL;
    }
    if (names)
        near = report_nearest(child->name, names, count);
    if (near)
        hint = arena_format(lint->arena, "did you mean \"%s\"?", near);
    report_add(lint->report, SEVERITY_ERROR, PROBLEM_SCHEMA_REFUSES, child->name_place, hint.data,
               "%.*s%s\"%.*s\" is not a member that the schema allows here", STR_ARG(where), where.len ? ": " : "",
               STR_ARG(child->name));
}

static bool check_additional(struct lint *lint, const struct node *schema, const struct node *keyword,
                             const struct spot *spot, const struct node *member, bool tell)
{
    if (!is_additional(lint, schema, member->name))
        return true;
    if (keyword->type != JSON_FALSE)
        return check_child(lint, keyword, spot, member, 0, tell);
    if (tell)
        refuse_name(lint, schema, spot, member);
    return false;
}

bool lint_additional(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                     bool tell)
{
    return keyword->type == JSON_TRUE || check_members(lint, schema, keyword, spot, tell, check_additional);
}

static bool check_name(struct lint *lint, const struct node *schema, const struct node *keyword,
                       const struct spot *spot, const struct node *member, bool tell)
{
    struct node name = {.type = JSON_STRING, .place = member->name_place, .name = member->name, .text = member->name};

    (void)schema;
    return check_child(lint, keyword, spot, &name, 0, tell);
}

bool lint_names(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                bool tell)
{
    return check_members(lint, schema, keyword, spot, tell, check_name);
}

/* "items" as one schema for all, or (as "prefixItems") a list of schemas, behind which additionalItems counts. */
bool lint_items(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                bool tell)
{
    const struct node *rule = keyword->type == JSON_ARRAY ? keyword->children : keyword;
    const struct node *rest = keyword->type == JSON_ARRAY && str_eq(keyword->name, STR("items"))
                                  ? lint_member(schema, STR("additionalItems"))
                                  : NULL;
    const struct node *prefix = lint_member(schema, STR("prefixItems"));
    size_t index = 0, first = keyword->type != JSON_ARRAY && prefix ? prefix->count : 0;
    bool ok = true;

    if (spot->node->type != JSON_ARRAY)
        return true;
    for (const struct node *child = spot->node->children; child && (ok || tell); child = child->next, index++) {
        const struct node *used = rule ? rule : rest;

        ok = (!used || index < first || check_child(lint, used, spot, child, index, tell)) && ok;
        if (keyword->type == JSON_ARRAY)
            rule = rule ? rule->next : NULL;
    }
    return ok;
}

static uint64_t bound_of(const struct node *schema, struct str name, uint64_t none)
{
    const struct node *bound = lint_member(schema, name);
    double number;

    return bound && bound->type == JSON_NUMBER && text_to_double(bound->text, &number) && number >= 0 && number < 9e15
               ? (uint64_t)number
               : none;
}

bool lint_contains(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                   bool tell)
{
    uint64_t found = 0;
    size_t index = 0;

    if (spot->node->type != JSON_ARRAY)
        return true;
    for (const struct node *child = spot->node->children; child; child = child->next)
        found += check_child(lint, keyword, spot, child, index++, false);
    return (found >= bound_of(schema, STR("minContains"), 1) &&
            found <= bound_of(schema, STR("maxContains"), UINT64_MAX)) ||
           lint_refuse(lint, spot, tell, "has %llu elements of a form that the schema wants a different number of",
                       (unsigned long long)found);
}

/* Draft 7's "dependencies" holds lists of names, too. */
bool lint_dependent(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                    bool tell)
{
    bool ok = true;

    for (const struct node *rule = keyword->children; rule && (ok || tell); rule = rule->next)
        if (rule->type != JSON_ARRAY && lint_member(spot->node, rule->name))
            ok = lint_value(lint, rule, spot, tell) && ok;
    return lint_dependent_required(lint, schema, keyword, spot, tell && ok) && ok;
}
