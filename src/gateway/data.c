/* data.c: values while they are shaped: slices of tapes, and nodes where something changes. Writing is at the end;
 * start with data_open. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/data.h"

#include "base/assert.h"
#include "base/text.h"

#include <stdlib.h>

enum { FEW_MEMBERS = 16 };

struct data data_of(struct json value)
{
    struct data data = {.kind = DATA_NULL};

    if (json_exists(value) && json_type(value) != JSON_NULL)
        data = (struct data){.kind = DATA_TAPE, .json = value};
    return data;
}

struct data data_text(struct str text)
{
    return (struct data){.kind = DATA_TEXT, .text = text.data ? text : STR("")};
}

struct data data_raw(struct str json)
{
    return (struct data){.kind = DATA_RAW, .text = json};
}

struct data data_new(struct arena *arena, enum data_kind kind)
{
    struct data data = {.kind = kind};

    ASSERT(kind == DATA_OBJECT || kind == DATA_ARRAY);
    data.node = arena_make(arena, struct data_node);
    if (!data.node)
        return (struct data){.kind = DATA_NULL};
    data.node->born_empty = true;
    return data;
}

/* What ready-made JSON is shows in its first byte. */
static enum json_type raw_type(struct str raw)
{
    char first = raw.len > 0 ? raw.data[0] : 'n';

    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

enum json_type data_type(const struct data *data)
{
    switch (data->kind) {
    case DATA_NULL:
        return JSON_NULL;
    case DATA_TAPE:
        return json_type(data->json);
    case DATA_TEXT:
        return JSON_STRING;
    case DATA_RAW:
        return raw_type(data->text);
    case DATA_OBJECT:
        return JSON_OBJECT;
    case DATA_ARRAY:
        return JSON_ARRAY;
    }
    return JSON_NULL;
}

bool data_is_empty(const struct data *data)
{
    if (data->kind == DATA_TAPE)
        return json_type(data->json) != JSON_OBJECT || json_count(data->json) == 0;
    return data->kind != DATA_OBJECT || data->node->count == 0;
}

void data_link(struct data_node *node, struct data_member *member)
{
    member->next = NULL;
    if (node->last)
        node->last->next = member;
    else
        node->first = member;
    node->last = member;
    node->count++;
}

bool data_add(struct arena *arena, struct data_node *node, struct str name, struct data value)
{
    struct data_member *member = arena_alloc(arena, sizeof(*member), _Alignof(struct data_member));

    if (!member)
        return false;
    *member = (struct data_member){NULL, name, value};
    data_link(node, member);
    return true;
}

struct str data_index(struct arena *arena, uint32_t index)
{
    char digits[NUMBER_TEXT_BYTES];

    return arena_copy(arena, str_of(digits, text_from_u64(index, digits)));
}

static bool add_from_tape(struct arena *arena, struct data_node *node, struct json parent)
{
    bool object = json_type(parent) == JSON_OBJECT;
    uint32_t index = 0;

    for (struct json at = json_first(parent); json_exists(at); at = json_after(parent, at), index++) {
        struct str name = object ? json_string(arena, json_name(at)) : data_index(arena, index);

        if (!name.data || !data_add(arena, node, name, data_of(at)))
            return false;
    }
    return true;
}

bool data_add_all(struct arena *arena, struct data_node *node, const struct data *object)
{
    if (object->kind == DATA_TAPE)
        return add_from_tape(arena, node, object->json);
    if (object->kind != DATA_OBJECT)
        return true;
    for (const struct data_member *member = object->node->first; member; member = member->next)
        if (!data_add(arena, node, member->name, member->value))
            return false;
    return true;
}

/* A member with the first bytes of its name, which tell most names apart, and its place, so that sorting keeps equal
 * names as they came. */
struct ordered {
    uint64_t prefix;
    struct data_member *member;
    size_t place;
};

/* In the order of its bytes, zeros behind a short name. */
static uint64_t prefix_of(struct str name)
{
    uint64_t prefix = 0;
    uint32_t front, back;

    if (name.len >= sizeof(prefix)) {
        memcpy(&prefix, name.data, sizeof(prefix));
        return __builtin_bswap64(prefix);
    }
    if (name.len < sizeof(front)) {
        for (size_t i = 0; i < name.len; i++)
            prefix |= (uint64_t)(unsigned char)name.data[i] << (56 - 8 * i);
        return prefix;
    }
    memcpy(&front, name.data, sizeof(front));
    memcpy(&back, name.data + name.len - sizeof(back), sizeof(back));
    return (uint64_t)__builtin_bswap32(front) << 32 | (uint64_t)__builtin_bswap32(back) << (64 - 8 * name.len);
}

static int compare_whole(const struct ordered *a, const struct ordered *b)
{
    int order = str_compare(a->member->name, b->member->name);

    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

static inline int compare(const void *left, const void *right)
{
    const struct ordered *a = left, *b = right;

    if (LIKELY(a->prefix != b->prefix))
        return a->prefix < b->prefix ? -1 : 1;
    return compare_whole(a, b);
}

static void sort(struct ordered *all, size_t count)
{
    if (count > FEW_MEMBERS) {
        qsort(all, count, sizeof(*all), compare);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct ordered member = all[i];
        size_t at = i;

        for (; at > 0 && compare(&all[at - 1], &member) > 0; at--)
            all[at] = all[at - 1];
        all[at] = member;
    }
}

/* All members of a node, by name when it is an object's. NULL: no room. */
static struct ordered *list_all(struct arena *arena, const struct data *data)
{
    struct ordered *all = arena_alloc(arena, (data->node->count + 1u) * sizeof(*all), _Alignof(struct ordered));
    size_t count = 0;

    if (!all)
        return NULL;
    for (struct data_member *member = data->node->first; member; member = member->next, count++)
        all[count] = (struct ordered){prefix_of(member->name), member, count};
    if (data->kind == DATA_OBJECT)
        sort(all, count);
    return all;
}

/* Is the member at i the one of its name that counts? */
static bool counts(const struct data *data, const struct ordered *all, size_t i)
{
    return data->kind == DATA_ARRAY || i + 1 == data->node->count || all[i].prefix != all[i + 1].prefix ||
           !str_eq(all[i].member->name, all[i + 1].member->name);
}

/* Members in the order they came, without those that a later one of the same name stands for. */
bool data_unique(struct arena *arena, struct data *data)
{
    struct ordered *all = list_all(arena, data);
    struct data_node *node = data->node;
    size_t count = node->count;
    uint32_t dropped = 0;

    if (!all)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!counts(data, all, i)) {
            all[i].member->name.data = NULL; /* marks it */
            dropped++;
        }
    if (dropped == 0)
        return true;
    for (struct data_member **at = &node->first; *at;) {
        if ((*at)->name.data) {
            node->last = *at;
            at = &(*at)->next;
        } else {
            *at = (*at)->next;
        }
    }
    node->count -= dropped;
    return true;
}

/* The members all[0..count) of one name as one. */
static bool gather_equals(struct arena *arena, struct data_node *node, const struct ordered *all, size_t count)
{
    struct data array;

    if (count == 1) {
        data_link(node, all[0].member);
        return true;
    }
    array = data_new(arena, DATA_ARRAY);
    if (array.kind == DATA_NULL || !data_add(arena, node, all[0].member->name, array))
        return false;
    array.node->born_empty = false;
    for (size_t i = 0; i < count; i++)
        data_link(array.node, all[i].member);
    return true;
}

bool data_gather(struct arena *arena, struct data *data)
{
    struct ordered *all = list_all(arena, data);
    struct data_node gathered = {.born_empty = data->node->born_empty};
    size_t count = data->node->count;

    for (size_t i = 0, end; all && i < count; i = end) {
        for (end = i + 1; end < count && str_eq(all[i].member->name, all[end].member->name);)
            end++;
        if (!gather_equals(arena, &gathered, all + i, end - i))
            return false;
    }
    *data->node = gathered;
    return all != NULL;
}

bool data_unwrap(struct arena *arena, struct data *data)
{
    static const struct json_options options = {.utf8_repaired = true};
    struct json_doc *doc;
    struct json_error err;

    if (data->kind != DATA_RAW)
        return true;
    doc = arena_make(arena, struct json_doc);
    if (!doc || !json_parse(arena, data->text, &options, doc, &err))
        return false;
    *data = data_of(json_root(doc));
    return true;
}

bool data_open(struct arena *arena, struct data *data)
{
    enum json_type type = data_type(data);
    struct json tape;
    struct data opened;

    if (data->kind != DATA_TAPE || (type != JSON_OBJECT && type != JSON_ARRAY))
        return true;
    tape = data->json;
    opened = data_new(arena, type == JSON_OBJECT ? DATA_OBJECT : DATA_ARRAY);
    if (opened.kind == DATA_NULL || !add_from_tape(arena, opened.node, tape))
        return false;
    opened.node->born_empty = opened.node->count == 0;
    *data = opened;
    return type == JSON_ARRAY || tape.doc->tape[tape.index].canonical || data_unique(arena, data);
}

bool data_find(const struct data *data, struct str name, struct data *value)
{
    bool found = false;

    if (data->kind == DATA_TAPE) {
        struct json member = json_member(data->json, name);

        *value = data_of(member);
        return json_exists(member);
    }
    if (data->kind != DATA_OBJECT)
        return false;
    for (const struct data_member *member = data->node->first; member; member = member->next)
        if (str_eq(member->name, name)) {
            *value = member->value;
            found = true;
        }
    return found;
}

struct data_member *data_take(struct data_node *node, struct str name)
{
    struct data_member *taken = NULL;

    node->last = NULL;
    for (struct data_member **at = &node->first; *at;) {
        if (str_eq((*at)->name, name)) {
            taken = *at;
            *at = taken->next;
            node->count--;
        } else {
            node->last = *at;
            at = &(*at)->next;
        }
    }
    return taken;
}

void data_join(struct data_node *to, struct data_node *from)
{
    ASSERT(to != from);
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (struct data_node){.born_empty = true};
}

bool data_list(struct arena *arena, struct data *data, struct data_member ***members, size_t *count)
{
    struct ordered *all;

    *members = NULL;
    *count = 0;
    if (!data_open(arena, data))
        return false;
    if (data->kind != DATA_OBJECT && data->kind != DATA_ARRAY)
        return true;
    all = list_all(arena, data);
    *members = arena_alloc(arena, (data->node->count + 1u) * sizeof(**members), _Alignof(struct data_member *));
    if (!all || !*members)
        return false;
    for (size_t i = 0; i < data->node->count; i++)
        if (counts(data, all, i))
            (*members)[(*count)++] = all[i].member;
    return true;
}

struct str data_scalar(struct arena *arena, const struct data *data)
{
    switch (data_type(data)) {
    case JSON_NULL:
        return STR("");
    case JSON_FALSE:
        return STR("false");
    case JSON_TRUE:
        return STR("true");
    case JSON_NUMBER:
        return data->kind == DATA_RAW ? data->text : json_number(data->json);
    case JSON_STRING:
        return data->kind == DATA_TEXT   ? data->text
               : data->kind == DATA_TAPE ? json_string(arena, data->json)
                                         : STR_EMPTY;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return STR_EMPTY;
}

static void write_node(struct json_writer *writer, const struct data *data)
{
    bool object = data->kind == DATA_OBJECT, begun = false;
    struct ordered *all = list_all(writer->arena, data);

    if (!all) {
        writer->failed = true;
        return;
    }
    json_write_char(writer, object ? '{' : '[');
    for (size_t i = 0; i < data->node->count; i++) {
        if (!counts(data, all, i))
            continue;
        if (object)
            json_write_name(writer, all[i].member->name, !begun);
        else if (begun)
            json_write_char(writer, ',');
        begun = true;
        data_write(writer, &all[i].member->value);
    }
    json_write_char(writer, object ? '}' : ']');
}

void data_write(struct json_writer *writer, const struct data *data)
{
    switch (data->kind) {
    case DATA_NULL:
        json_write_raw(writer, STR("null"));
        return;
    case DATA_TAPE:
        json_write(writer, data->json);
        return;
    case DATA_TEXT:
        json_write_string(writer, data->text);
        return;
    case DATA_RAW:
        json_write_raw(writer, data->text);
        return;
    case DATA_OBJECT:
    case DATA_ARRAY:
        break;
    }
    write_node(writer, data);
}
