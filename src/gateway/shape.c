/* shape.c: target, allow, deny, mapping and group on Data, in KrakenD's order. What is listed is taken over as slices
 * of the tape; objects become nodes only where a path goes through them. Start with shape_apply.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/shape.h"

static struct shape_rule *find_rule(struct shape_rule *rules, struct str name)
{
    for (; rules; rules = rules->next)
        if (str_eq(rules->name, name))
            return rules;
    return NULL;
}

static struct shape_rule *add_rule(struct arena *arena, struct shape_rule **rules, struct str name)
{
    struct shape_rule *rule = arena_make(arena, struct shape_rule);

    if (!rule)
        return NULL;
    rule->name = name;
    rule->next = *rules;
    *rules = rule;
    return rule;
}

bool shape_allow(struct arena *arena, struct shape *shape, struct str path)
{
    struct shape_rule **rules = &shape->allow, *rule = NULL;
    struct str part;

    path = path.data ? path : STR("");
    while (str_split(&path, '.', &part)) {
        rule = find_rule(*rules, part);
        if (!rule)
            rule = add_rule(arena, rules, part);
        if (!rule)
            return false;
        rules = &rule->children;
    }
    *rules = NULL; /* The path ends here, whatever led further before. */
    return true;
}

bool shape_deny(struct arena *arena, struct shape *shape, struct str path)
{
    struct shape_rule **rules = &shape->deny, *rule = NULL;
    struct str part;
    bool is_new = true;

    path = path.data ? path : STR("");
    while (str_split(&path, '.', &part)) {
        rule = find_rule(*rules, part);
        is_new = rule == NULL;
        if (!is_new && !rule->children)
            return true; /* It goes as a whole. */
        if (is_new)
            rule = add_rule(arena, rules, part);
        if (!rule)
            return false;
        rules = &rule->children;
    }
    *rules = NULL;
    return true;
}

/* Walks the dotted path through objects; anything else on the way or at its end leaves an empty object. */
static bool take_target(struct arena *arena, struct str target, struct data *data)
{
    struct str part;

    while (str_split(&target, '.', &part)) {
        struct data value;

        if (!data_find(data, part, &value) || data_type(&value) != JSON_OBJECT || value.kind == DATA_RAW) {
            *data = data_new(arena, DATA_OBJECT);
            return data->kind != DATA_NULL;
        }
        *data = value;
    }
    return true;
}

static bool keep_listed(struct arena *arena, struct shape_rule *rules, struct data *data);

/* A member that the list names: whole at a path's end; else what the list leaves of it. *keep: something stays. */
static bool keep_member(struct arena *arena, const struct shape_rule *rule, struct data *value, bool *keep)
{
    *keep = true;
    if (!rule->children)
        return true;
    *keep = data_type(value) == JSON_OBJECT && value->kind != DATA_RAW;
    if (*keep && !keep_listed(arena, rule->children, value))
        return false;
    *keep = *keep && !data_is_empty(value);
    return true;
}

static bool keep_from_tape(struct arena *arena, struct shape_rule *rules, struct json object, struct data_node *kept)
{
    for (struct json at = json_first(object); json_exists(at); at = json_after(object, at)) {
        struct str name = json_string(arena, json_name(at));
        struct shape_rule *rule = find_rule(rules, name);
        struct data value;
        bool keep;

        if (!name.data)
            return false;
        if (!rule)
            continue;
        value = data_of(at);
        if (!keep_member(arena, rule, &value, &keep))
            return false;
        data_take(kept, name); /* of equal names the last counts, even when it does not stay */
        if (keep && !data_add(arena, kept, name, value))
            return false;
    }
    return true;
}

static bool keep_from_node(struct arena *arena, struct shape_rule *rules, const struct data_node *node,
                           struct data_node *kept)
{
    for (struct data_member *member = node->first; member; member = member->next) {
        struct shape_rule *rule = find_rule(rules, member->name);
        bool keep;

        if (!rule)
            continue;
        if (!keep_member(arena, rule, &member->value, &keep))
            return false;
        data_take(kept, member->name);
        if (keep && !data_add(arena, kept, member->name, member->value))
            return false;
    }
    return true;
}

/* The object with only what the list names. */
static bool keep_listed(struct arena *arena, struct shape_rule *rules, struct data *data)
{
    struct data kept = data_new(arena, DATA_OBJECT);

    if (kept.kind == DATA_NULL)
        return false;
    if (data->kind == DATA_TAPE ? !keep_from_tape(arena, rules, data->json, kept.node)
                                : !keep_from_node(arena, rules, data->node, kept.node))
        return false;
    *data = kept;
    return true;
}

static bool drop_listed(struct arena *arena, struct shape_rule *rules, struct data *data);

/* What is not dropped becomes a member of a node; of equal names all do, as they are all treated alike. */
static bool drop_from_tape(struct arena *arena, struct shape_rule *rules, struct data *data)
{
    struct data left = data_new(arena, DATA_OBJECT);
    struct json object = data->json;

    if (left.kind == DATA_NULL)
        return false;
    for (struct json at = json_first(object); json_exists(at); at = json_after(object, at)) {
        struct str name = json_string(arena, json_name(at));
        struct shape_rule *rule = find_rule(rules, name);
        struct data value = data_of(at);

        if (!name.data)
            return false;
        if (rule && !rule->children)
            continue;
        if ((rule && !drop_listed(arena, rule->children, &value)) || !data_add(arena, left.node, name, value))
            return false;
    }
    left.node->born_empty = json_count(object) == 0;
    *data = left;
    return true;
}

static bool drop_from_node(struct arena *arena, struct shape_rule *rules, struct data_node *node)
{
    for (; rules; rules = rules->next) {
        if (!rules->children) {
            data_take(node, rules->name);
            continue;
        }
        for (struct data_member *member = node->first; member; member = member->next)
            if (str_eq(member->name, rules->name) && !drop_listed(arena, rules->children, &member->value))
                return false;
    }
    return true;
}

/* Only objects are looked into; one that loses all members stays, empty. */
static bool drop_listed(struct arena *arena, struct shape_rule *rules, struct data *data)
{
    if (data_type(data) != JSON_OBJECT || data->kind == DATA_RAW)
        return true;
    return data->kind == DATA_TAPE ? drop_from_tape(arena, rules, data) : drop_from_node(arena, rules, data->node);
}

/* In the order of the file. As in KrakenD a name that is mapped to itself goes. */
static bool rename_members(struct arena *arena, const struct shape *shape, struct data *data)
{
    if (!data_open(arena, data))
        return false;
    for (size_t i = 0; i < shape->rename_count; i++) {
        const struct shape_rename *rename = &shape->renames[i];
        struct data_member *member = data_take(data->node, rename->from);

        if (!member || str_eq(rename->from, rename->to))
            continue;
        member->name = rename->to;
        data_link(data->node, member);
    }
    return true;
}

static bool filter(struct arena *arena, const struct shape *shape, struct data *data)
{
    if (data_is_empty(data))
        return true;
    if (shape->allow ? !keep_listed(arena, shape->allow, data) : shape->deny && !drop_listed(arena, shape->deny, data))
        return false;
    return data_is_empty(data) || shape->rename_count == 0 || rename_members(arena, shape, data);
}

static bool put_under(struct arena *arena, struct str group, struct data *data)
{
    struct data outer = data_new(arena, DATA_OBJECT);

    if (outer.kind == DATA_NULL || !data_add(arena, outer.node, group, *data))
        return false;
    *data = outer;
    return true;
}

bool shape_apply(struct arena *arena, const struct shape *shape, struct data *data)
{
    if (shape->target.len > 0 && !take_target(arena, shape->target, data))
        return false;
    if (shape->flatmap.count > 0 ? !flatmap_apply(arena, &shape->flatmap, data) : !filter(arena, shape, data))
        return false;
    return shape->group.len == 0 || put_under(arena, shape->group, data);
}
