/* flatmap.c: move, append and del on Data. Parents that a path leads to are collected first, then their children are
 * cut out and put elsewhere, so that a path with stars never meets what it has moved. Elements of arrays keep the
 * number they had as their name until something is appended. Start with flatmap_apply.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/flatmap.h"

/* A value that a path leads to, and what was met on the way. */
struct met {
    struct str label;
    struct data *value;
};

struct place {
    struct data *value;
    struct met *met; /* one for each part of the path */
};

struct places {
    struct place *items;
    size_t count, room;
};

/* A child cut out of its parent. */
struct cut {
    struct data_member *member;
    struct place parent;
};

bool flatmap_path(struct arena *arena, struct str text, struct flatmap_path *path)
{
    struct str part;
    size_t room = 1;

    for (size_t i = 0; i < text.len; i++)
        room += text.data[i] == '.';
    *path = (struct flatmap_path){arena_array(arena, struct str, room), 0};
    if (!path->parts)
        return false;
    if (text.len == 0)
        text = STR("");
    while (str_split(&text, '.', &part))
        path->parts[path->count++] = part;
    return true;
}

static bool is_star(struct str part)
{
    return str_eq(part, STR("*"));
}

static bool is_node(const struct data *data)
{
    return data->kind == DATA_OBJECT || data->kind == DATA_ARRAY;
}

/* The first child of that name; NULL: there is none. */
static struct data_member *child(const struct data *data, struct str name)
{
    struct data_member *member = is_node(data) ? data->node->first : NULL;

    while (member && !str_eq(member->name, name))
        member = member->next;
    return member;
}

static void take_out(struct data_node *node, const struct data_member *gone)
{
    node->last = NULL;
    for (struct data_member **at = &node->first; *at;) {
        if (*at == gone) {
            *at = gone->next;
            node->count--;
            if (!*at)
                return;
        }
        node->last = *at;
        at = &(*at)->next;
    }
}

/* A value that is to get children: what is neither object nor array becomes an object. */
static bool make_node(struct arena *arena, struct data *data)
{
    if (!data_open(arena, data))
        return false;
    if (!is_node(data)) {
        *data = data_new(arena, DATA_OBJECT);
        if (data->kind == DATA_NULL)
            return false;
        data->node->born_empty = false;
    }
    return true;
}

static bool make_room(struct arena *arena, struct places *places)
{
    size_t room = places->room * 2 + 4;
    struct place *items;

    if (places->count < places->room)
        return true;
    items = arena_alloc(arena, room * sizeof(*items), _Alignof(struct place));
    if (!items)
        return false;
    if (places->count > 0)
        memcpy(items, places->items, places->count * sizeof(*items));
    places->items = items;
    places->room = room;
    return true;
}

/* A child of `parent`, which `depth` parts led to. */
static bool add_place(struct arena *arena, struct places *places, const struct place *parent, size_t depth,
                      struct data_member *member)
{
    struct met *met = arena_alloc(arena, (depth + 1) * sizeof(*met), _Alignof(struct met));

    if (!met || !make_room(arena, places))
        return false;
    if (depth > 0)
        memcpy(met, parent->met, depth * sizeof(*met));
    met[depth] = (struct met){member->name, &member->value};
    places->items[places->count++] = (struct place){&member->value, met};
    return true;
}

/* All children that one part of a path stands for. */
static bool step(struct arena *arena, const struct place *from, size_t depth, struct str part, struct places *to)
{
    struct data *data = from->value;

    if (!data_open(arena, data))
        return false;
    if (!is_node(data))
        return true;
    for (struct data_member *member = data->node->first; member; member = member->next) {
        if (!is_star(part) && !str_eq(member->name, part))
            continue;
        if (!add_place(arena, to, from, depth, member))
            return false;
        if (!is_star(part))
            return true;
    }
    return true;
}

/* What the first `count` parts lead to. */
static bool collect(struct arena *arena, struct data *root, const struct str *parts, size_t count, struct places *found)
{
    if (!make_room(arena, found))
        return false;
    found->items[found->count++] = (struct place){root, NULL};
    for (size_t depth = 0; depth < count; depth++) {
        struct places next = {0};

        for (size_t i = 0; i < found->count; i++)
            if (!step(arena, &found->items[i], depth, parts[depth], &next))
                return false;
        *found = next;
    }
    for (size_t i = 0; i < found->count; i++)
        if (!data_open(arena, found->items[i].value))
            return false;
    return true;
}

/* Cuts the child out of each parent that has it. */
static bool cut_children(struct arena *arena, const struct places *parents, struct str name, struct cut **cuts,
                         size_t *count)
{
    *count = 0;
    *cuts = arena_alloc(arena, (parents->count + 1) * sizeof(**cuts), _Alignof(struct cut));
    for (size_t i = 0; *cuts && i < parents->count; i++) {
        struct data_member *member = child(parents->items[i].value, name);

        if (!member)
            continue;
        take_out(parents->items[i].value->node, member);
        (*cuts)[(*count)++] = (struct cut){member, parents->items[i]};
    }
    return *cuts != NULL;
}

static void relabel(const struct places *parents, struct str from, struct str to)
{
    for (size_t i = 0; i < parents->count; i++) {
        struct data_member *member = child(parents->items[i].value, from);

        if (member)
            member->name = to;
    }
}

/* How many parts two paths have in common, at most `count`. */
static size_t in_common(const struct flatmap_path *a, const struct flatmap_path *b, size_t count)
{
    size_t i = 0;

    while (i < count && str_eq(a->parts[i], b->parts[i]))
        i++;
    return i;
}

/* Under the deepest value from the root on that is there; a star in the path is what was met at that depth. As far as
 * both paths go the same way, it is known already. */
static bool promote(struct arena *arena, struct data *root, const struct flatmap_path *from, const struct cut *cut,
                    const struct flatmap_path *to)
{
    size_t known = in_common(from, to, to->count - 1);
    struct data *parent = known > 0 ? cut->parent.met[known - 1].value : root;

    for (size_t i = known; i + 1 < to->count; i++) {
        struct data_member *next;

        if (!data_open(arena, parent))
            return false;
        next = child(parent, is_star(to->parts[i]) ? cut->parent.met[i].label : to->parts[i]);
        if (!next)
            break;
        parent = &next->value;
    }
    if (!make_node(arena, parent))
        return false;
    cut->member->name = to->parts[to->count - 1];
    data_link(parent->node, cut->member);
    return true;
}

/* Under its own parent, through objects that are made where they are missing. */
static bool embed(struct arena *arena, const struct cut *cut, const struct str *parts, size_t count)
{
    struct data *parent = cut->parent.value;

    for (size_t i = 0; i + 1 < count; i++) {
        struct data_member *next;

        if (!make_node(arena, parent))
            return false;
        next = child(parent, parts[i]);
        if (!next) {
            struct data made = data_new(arena, DATA_OBJECT);

            if (made.kind == DATA_NULL || !data_add(arena, parent->node, parts[i], made))
                return false;
            made.node->born_empty = false;
            next = parent->node->last;
        }
        parent = &next->value;
    }
    if (!make_node(arena, parent))
        return false;
    cut->member->name = parts[count - 1];
    data_link(parent->node, cut->member);
    return true;
}

static bool move(struct arena *arena, struct data *root, const struct flatmap_path *from, const struct flatmap_path *to)
{
    struct places parents = {0};
    struct str last = from->parts[from->count - 1];
    struct cut *cuts;
    size_t count;

    if (!collect(arena, root, from->parts, from->count - 1, &parents))
        return false;
    if (from->count == to->count) {
        relabel(&parents, last, to->parts[to->count - 1]);
        return true;
    }
    if (!cut_children(arena, &parents, last, &cuts, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (from->count > to->count ? !promote(arena, root, from, &cuts[i], to)
                                    : !embed(arena, &cuts[i], to->parts + from->count - 1, to->count - from->count + 1))
            return false;
    return true;
}

static bool del(struct arena *arena, struct data *data, const struct str *parts, size_t count)
{
    if (!data_open(arena, data))
        return false;
    if (!is_node(data))
        return true;
    if (is_star(parts[0]) && count == 1) {
        *data->node = (struct data_node){.born_empty = data->node->born_empty, .born_null = data->node->born_null};
        return true;
    }
    for (struct data_member *member = data->node->first; member; member = member->next) {
        if (!is_star(parts[0]) && !str_eq(member->name, parts[0]))
            continue;
        if (count == 1) {
            take_out(data->node, member);
            return true;
        }
        if (!del(arena, &member->value, parts + 1, count - 1))
            return false;
        if (!is_star(parts[0]))
            return true;
    }
    return true;
}

/* What a path leads to; a star makes a list of what it leads to in each child. Null: there is nothing. */
static bool get(struct arena *arena, struct data *data, const struct str *parts, size_t count, struct data *value)
{
    struct data_member *member;

    *value = (struct data){.kind = DATA_NULL};
    if (!data_open(arena, data))
        return false;
    if (count == 0) {
        *value = *data;
        return true;
    }
    if (!is_node(data) || data->node->count == 0)
        return true;
    if (!is_star(parts[0])) {
        member = child(data, parts[0]);
        return !member || get(arena, &member->value, parts + 1, count - 1, value);
    }
    *value = data_new(arena, DATA_ARRAY);
    if (value->kind == DATA_NULL)
        return false;
    for (member = data->node->first; member; member = member->next) {
        struct data item;

        if (!get(arena, &member->value, parts + 1, count - 1, &item) || !data_add(arena, value->node, STR(""), item))
            return false;
    }
    return true;
}

/* One that was emptied is none: it is null. */
static bool is_list(const struct data *data)
{
    return data->kind == DATA_ARRAY && (data->node->count > 0 || data->node->born_empty || data->node->born_null);
}

/* The value at a path in which a star is a name like any other; objects are made on the way where there is none. */
static struct data *make_way(struct arena *arena, struct data *root, const struct flatmap_path *path)
{
    struct data *value = root;

    for (size_t i = 0; i < path->count; i++) {
        struct data_member *member;

        if (!make_node(arena, value))
            return NULL;
        member = child(value, path->parts[i]);
        if (!member) {
            struct data made = data_new(arena, DATA_OBJECT);

            if (made.kind == DATA_NULL || !data_add(arena, value->node, path->parts[i], made))
                return NULL;
            made.node->born_empty = false;
            member = value->node->last;
        }
        value = &member->value;
    }
    return value;
}

static bool number_anew(struct arena *arena, struct data_node *node)
{
    uint32_t index = 0;

    for (struct data_member *member = node->first; member; member = member->next) {
        member->name = data_index(arena, index++);
        if (!member->name.data)
            return false;
    }
    return true;
}

/* A value with nodes of its own. */
static bool copy(struct arena *arena, const struct data *from, struct data *to)
{
    *to = *from;
    if (!is_node(from))
        return true;
    *to = data_new(arena, from->kind);
    if (to->kind == DATA_NULL)
        return false;
    to->node->born_empty = from->node->born_empty;
    to->node->born_null = from->node->born_null;
    for (const struct data_member *member = from->node->first; member; member = member->next) {
        struct data value;

        if (!copy(arena, &member->value, &value) || !data_add(arena, to->node, member->name, value))
            return false;
    }
    return true;
}

/* Copies, as what stars found stays where it is, too: a node in two places would change in both, or come to hold
 * itself. */
static bool add_all(struct arena *arena, struct data_node *to, const struct data_node *from, uint32_t count)
{
    for (const struct data_member *member = from->first; count > 0; member = member->next, count--) {
        struct data value;

        if (!copy(arena, &member->value, &value) || !data_add(arena, to, member->name, value))
            return false;
    }
    return true;
}

/* The elements at `from` go behind those at `to`, and `from` goes; unless both are lists, all stays as it is. To what
 * was found through stars at `to` there is no way back: the whole becomes a new value named `*`, as in KrakenD. */
static bool append(struct arena *arena, struct data *root, const struct flatmap_path *from,
                   const struct flatmap_path *to)
{
    struct data source, target, *place;

    if (!get(arena, root, from->parts, from->count, &source) || !get(arena, root, to->parts, to->count, &target))
        return false;
    if (!is_list(&source) || !is_list(&target))
        return true;
    place = make_way(arena, root, to);
    if (!place)
        return false;
    if (place->kind != DATA_ARRAY || place->node != target.node) {
        *place = data_new(arena, DATA_ARRAY);
        if (place->kind == DATA_NULL || !add_all(arena, place->node, target.node, target.node->count))
            return false;
        place->node->born_empty = false;
    }
    return add_all(arena, place->node, source.node, source.node->count) && number_anew(arena, place->node) &&
           del(arena, root, from->parts, from->count);
}

static bool run(struct arena *arena, const struct flatmap_op *op, struct data *root)
{
    switch (op->kind) {
    case FLATMAP_MOVE:
        return move(arena, root, &op->args[0], &op->args[1]);
    case FLATMAP_APPEND:
        return append(arena, root, &op->args[0], &op->args[1]);
    case FLATMAP_DEL:
        break;
    }
    for (size_t i = 0; i < op->arg_count; i++)
        if (!del(arena, root, op->args[i].parts, op->args[i].count))
            return false;
    return true;
}

/* Only what is emptied from here on becomes null; elements are numbered anew. */
static bool prepare(struct arena *arena, struct data *data)
{
    uint32_t index = 0;

    if (!is_node(data))
        return true;
    data->node->born_empty = data->node->count == 0;
    if (data->kind == DATA_OBJECT && !data_unique(arena, data))
        return false;
    for (struct data_member *member = data->node->first; member; member = member->next) {
        if (data->kind == DATA_ARRAY)
            member->name = data_index(arena, index++);
        if (!member->name.data || !prepare(arena, &member->value))
            return false;
    }
    return true;
}

/* A collection that is null counts as a list all the same: Go has a nil slice there. */
static bool prepare_collection(struct arena *arena, const struct data *root)
{
    struct data_member *member = child(root, STR("collection"));

    if (!member || data_type(&member->value) != JSON_NULL)
        return true;
    member->value = data_new(arena, DATA_ARRAY);
    if (member->value.kind == DATA_NULL)
        return false;
    member->value.node->born_empty = false;
    member->value.node->born_null = true;
    return true;
}

/* What has lost its last child is null. What was never opened has lost nothing. */
static void settle(struct data *data)
{
    if (!is_node(data))
        return;
    for (struct data_member *member = data->node->first; member; member = member->next)
        settle(&member->value);
    if (data->node->count == 0 && !data->node->born_empty)
        *data = (struct data){.kind = DATA_NULL};
}

bool flatmap_apply(struct arena *arena, const struct flatmap *flatmap, struct data *data)
{
    if (flatmap->count == 0 || data_type(data) != JSON_OBJECT || data->kind == DATA_RAW)
        return true;
    if (!prepare(arena, data) || (flatmap->collection && !prepare_collection(arena, data)))
        return false;
    for (size_t i = 0; i < flatmap->count; i++)
        if (!run(arena, &flatmap->ops[i], data))
            return false;
    settle(data);
    return true;
}
