/* walk.c: reading a tape: values, members, elements, positions. Start with json_root.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include "json/json_internal.h"

static const struct json missing = {NULL, 0};

struct json json_root(const struct json_doc *doc)
{
    return (struct json){doc, 0};
}

bool json_exists(struct json value)
{
    return value.doc != NULL;
}

enum json_type json_type(struct json value)
{
    return value.doc ? (enum json_type)json_entry_of(value)->type : JSON_NULL;
}

struct str json_raw(struct json value)
{
    if (!value.doc)
        return STR_EMPTY;
    const struct json_entry *entry = json_entry_of(value);

    return str_of(value.doc->text.data + entry->at, entry->len);
}

uint32_t json_offset(struct json value)
{
    return value.doc ? json_entry_of(value)->at : 0;
}

uint32_t json_count(struct json value)
{
    return value.doc ? json_entry_of(value)->count : 0;
}

struct str json_number(struct json value)
{
    return json_type(value) == JSON_NUMBER ? json_raw(value) : STR_EMPTY;
}

bool json_bool(struct json value)
{
    return json_type(value) == JSON_TRUE;
}

/* The value at a tape index inside `parent`: past a member's name if there is one; missing at the parent's end. */
static struct json value_at(struct json parent, uint32_t index)
{
    const struct json_entry *tape = parent.doc->tape;

    if (index >= tape[parent.index].next)
        return missing;
    return (struct json){parent.doc, index + tape[index].name};
}

struct json json_first(struct json parent)
{
    if (json_type(parent) != JSON_ARRAY && json_type(parent) != JSON_OBJECT)
        return missing;
    return value_at(parent, parent.index + 1);
}

struct json json_after(struct json parent, struct json at)
{
    ASSERT(parent.doc == at.doc);
    return parent.doc ? value_at(parent, json_entry_of(at)->next) : missing;
}

struct json json_name(struct json member)
{
    ASSERT(member.doc && member.index > 0);
    struct json name = {member.doc, member.index - 1};

    ASSERT(json_entry_of(name)->name);
    return name;
}

/* Is the name at this entry, as a value, these bytes? */
static bool name_is(const struct json_doc *doc, const struct json_entry *entry, struct str name)
{
    struct str content = json_content(doc->text, entry);
    size_t matched = 0;
    char rune[4];

    if (json_is_literal(entry))
        return str_eq(content, name);
    for (const char *at = content.data, *end = at + content.len; at < end;) {
        size_t len = json_put_rune(json_take_rune(&at, end), rune);

        if (name.len - matched < len || memcmp(name.data + matched, rune, len) != 0)
            return false;
        matched += len;
    }
    return matched == name.len;
}

struct json json_member(struct json object, struct str name)
{
    struct json found = missing;

    if (json_type(object) != JSON_OBJECT)
        return missing;
    const struct json_entry *tape = object.doc->tape;
    uint32_t end = tape[object.index].next;

    for (uint32_t at = object.index + 1; at < end; at = tape[at + 1].next) {
        if (name_is(object.doc, &tape[at], name))
            found = (struct json){object.doc, at + 1};
    }
    return found;
}

struct json json_element(struct json array, uint32_t index)
{
    if (json_type(array) != JSON_ARRAY)
        return missing;
    const struct json_entry *entry = json_entry_of(array);

    /* Nothing nested: elements are neighbours. */
    if (entry->next - array.index - 1 == entry->count)
        return index < entry->count ? (struct json){array.doc, array.index + 1 + index} : missing;

    struct json at = json_first(array);

    while (index-- > 0 && json_exists(at))
        at = json_after(array, at);
    return at;
}

void json_position(struct str text, uint32_t at, uint32_t *line, uint32_t *column)
{
    const char *start = text.len ? text.data : "", *end = start + size_min(at, text.len);
    uint32_t lines = 1;

    for (const char *newline; start < end && (newline = memchr(start, '\n', (size_t)(end - start))); lines++)
        start = newline + 1;
    *line = lines;
    *column = (uint32_t)(end - start) + 1;
}
