/* lint_forms.c: keywords of JSON Schema that ask other schemas about the same value.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/lint_internal.h"

enum { REFERENCES_MAX = 100 };

bool lint_ref(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
              bool tell)
{
    struct str base = lint->base, uri;
    const struct node *target = keyword->type == JSON_STRING ? lint_find(lint, keyword->text, &uri) : NULL;
    bool ok;

    (void)schema;
    if (!target)
        return lint_break(lint, keyword, "the reference \"%.*s\" leads to nothing in this file",
                          STR_ARG(keyword->text));
    lint->base = uri;
    ok = lint_value(lint, target, spot, tell);
    lint->base = base;
    return ok;
}

bool lint_all_of(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                 bool tell)
{
    bool ok = true;

    (void)schema;
    for (const struct node *branch = keyword->children; branch && (ok || tell); branch = branch->next)
        ok = lint_value(lint, branch, spot, tell) && ok;
    return ok;
}

/* Whether the value has a type for which a branch is meant. */
static bool suits(struct lint *lint, const struct node *branch, const struct spot *spot, unsigned depth)
{
    const struct node *type = lint_member(branch, STR("type")), *ref = lint_member(branch, STR("$ref"));
    struct str base = lint->base, uri;
    bool ok = true;

    if (type)
        return lint_type(lint, branch, type, spot, false);
    if (ref && ref->type == JSON_STRING && depth < REFERENCES_MAX) {
        const struct node *target = lint_find(lint, ref->text, &uri);

        lint->base = uri;
        ok = target && suits(lint, target, spot, depth + 1);
        lint->base = base;
    }
    return ok;
}

/* No branch allows the value. When only one can be meant, that one says why. */
static bool refuse_all(struct lint *lint, const struct node *branches, const struct spot *spot)
{
    const struct node *meant = NULL;
    unsigned count = 0;

    for (const struct node *branch = branches->children; branch; branch = branch->next)
        if (suits(lint, branch, spot, 0)) {
            meant = branch;
            count++;
        }
    if (count == 1)
        return lint_value(lint, meant, spot, true);
    return lint_refuse(lint, spot, true, "has none of the %u forms that the schema allows here", branches->count);
}

bool lint_any_of(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                 bool tell)
{
    (void)schema;
    for (const struct node *branch = keyword->children; branch; branch = branch->next)
        if (lint_value(lint, branch, spot, false))
            return true;
    return tell ? refuse_all(lint, keyword, spot) : false;
}

bool lint_one_of(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                 bool tell)
{
    unsigned count = 0;

    (void)schema;
    for (const struct node *branch = keyword->children; branch; branch = branch->next)
        count += lint_value(lint, branch, spot, false);
    if (count == 0 && tell)
        return refuse_all(lint, keyword, spot);
    return count == 1 ||
           lint_refuse(lint, spot, tell && count > 1, "has %u forms of which the schema allows one only", count);
}

bool lint_not(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
              bool tell)
{
    (void)schema;
    return !lint_value(lint, keyword, spot, false) ||
           lint_refuse(lint, spot, tell, "has a form that is forbidden here");
}

bool lint_if_then(struct lint *lint, const struct node *schema, const struct node *keyword, const struct spot *spot,
                  bool tell)
{
    const struct node *next = lint_member(schema, lint_value(lint, keyword, spot, false) ? STR("then") : STR("else"));

    return !next || lint_value(lint, next, spot, tell);
}
