/* override.c: KRAKEND_<KEY> variables as members of the root, over what the file says (spec/krakend-core 1.2). Start
 * with document_override. SPDX-License-Identifier: Apache-2.0 */
#include "config/document.h"
#include "config/problems.h"

struct override {
    struct arena *arena;
    const struct source *source; /* the variable and its value */
};

static struct place place_of(const struct override *override)
{
    return (struct place){override->source, 0, (uint32_t) override->source->text.len};
}

/* The member with exactly this name, appended to the object when there is none. NULL: no memory. */
static struct node *take_member(const struct override *override, struct node *object, struct str name)
{
    struct node **end = &object->children;

    for (; *end; end = &(*end)->next) {
        if (str_eq((*end)->name, name))
            return *end;
    }
    struct node *member = arena_make(override->arena, struct node);

    if (!member)
        return NULL;
    member->name = name;
    member->type = JSON_NULL;
    member->place = place_of(override);
    *end = member;
    object->count++;
    return member;
}

/* Gives a member another value; what it held is gone. */
static void replace(const struct override *override, struct node *member, enum json_type type, struct str text)
{
    member->type = type;
    member->text = text;
    member->children = NULL;
    member->count = 0;
    member->place = member->name_place = place_of(override);
}

/* Walks the dotted path, making objects where there are none, and sets the value at its end. False: no memory. */
static bool graft(const struct override *override, struct node *root, struct str path)
{
    struct node *at = root;
    struct str part;

    while (str_split(&path, '.', &part)) {
        if (at->type != JSON_OBJECT)
            replace(override, at, JSON_OBJECT, STR_EMPTY);
        at = take_member(override, at, part);
        if (!at)
            return false;
    }
    replace(override, at, JSON_STRING, override->source->text);
    return true;
}

static bool has_empty_part(struct str path)
{
    struct str part;

    while (str_split(&path, '.', &part)) {
        if (part.len == 0)
            return true;
    }
    return false;
}

/* `s` in lower case, in the arena; data NULL: no memory. */
static struct str lower(struct arena *arena, struct str s)
{
    char *copy = arena_alloc(arena, s.len + 1, 1);

    if (!copy)
        return STR_EMPTY;
    for (size_t i = 0; i < s.len; i++)
        copy[i] = s.data[i] >= 'A' && s.data[i] <= 'Z' ? (char)(s.data[i] | 0x20) : s.data[i];
    copy[s.len] = '\0';
    return str_of(copy, s.len);
}

void document_override(struct arena *arena, struct node *root, struct str variable, struct str value,
                       struct report *report)
{
    const struct str prefix = STR("KRAKEND_");

    if (root->type != JSON_OBJECT || !str_starts(variable, prefix))
        return;
    struct str path = lower(arena, str_from_offset(variable, prefix.len));
    struct source *source = arena_make(arena, struct source);

    if (path.data && source) {
        if (path.len == 0 || has_empty_part(path))
            return;
        source->name = arena_copy(arena, variable).data;
        source->text = arena_copy(arena, value);
        if (source->name && source->text.data && graft(&(struct override){arena, source}, root, path))
            return;
    }
    report_add(report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY, (struct place){0}, NULL, "no memory for %.*s",
               STR_ARG(variable));
}
