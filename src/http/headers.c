/* headers.c: the fields of a head, in order, and walks over comma-separated lists in them. What a field means is in
 * semantics.c. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "http/head.h"

enum { FIELDS_FIRST = 10 }; /* with two heads of so many fields, all of a plain exchange fits one page */

/* Room for one more. */
static bool grow(struct http_headers *headers, struct arena *arena)
{
    uint32_t room = headers->room == 0 ? FIELDS_FIRST : headers->room * 2;
    struct http_field *fields;

    if (room < headers->room)
        return false;
    fields = arena_alloc(arena, room * sizeof(*fields), _Alignof(struct http_field));
    if (!fields)
        return false;
    if (headers->count > 0)
        memcpy(fields, headers->fields, headers->count * sizeof(*fields));
    headers->fields = fields;
    headers->room = room;
    return true;
}

static bool add(struct http_headers *headers, struct arena *arena, struct http_field field)
{
    if (headers->count == headers->room && !grow(headers, arena))
        return false;
    headers->fields[headers->count++] = field;
    return true;
}

bool headers_add(struct http_headers *headers, struct arena *arena, struct str name, struct str value)
{
    return add(headers, arena, (struct http_field){.name = name, .value = value, .id = (uint16_t)header_id_of(name)});
}

bool headers_add_id(struct http_headers *headers, struct arena *arena, enum header_id id, struct str value)
{
    ASSERT(id != HEADER_OTHER);
    return add(headers, arena, (struct http_field){.name = header_name(id), .value = value, .id = (uint16_t)id});
}

bool headers_set_id(struct http_headers *headers, struct arena *arena, enum header_id id, struct str value)
{
    uint32_t kept = 0;
    bool done = false;

    for (uint32_t i = 0; i < headers->count; i++) {
        struct http_field field = headers->fields[i];

        if (field.id == id) {
            if (done)
                continue;
            field.value = value;
            done = true;
        }
        headers->fields[kept++] = field;
    }
    headers->count = kept;
    return done || headers_add_id(headers, arena, id, value);
}

void headers_remove_id(struct http_headers *headers, enum header_id id)
{
    uint32_t kept = 0;

    ASSERT(id != HEADER_OTHER);
    while (kept < headers->count && headers->fields[kept].id != id)
        kept++;
    for (uint32_t i = kept; i < headers->count; i++)
        if (headers->fields[i].id != id)
            headers->fields[kept++] = headers->fields[i];
    headers->count = kept;
}

static bool is_named(const struct http_field *field, enum header_id id, struct str name)
{
    return field->id == id && (id != HEADER_OTHER || str_eq_fold(field->name, name));
}

void headers_remove(struct http_headers *headers, struct str name)
{
    enum header_id id = header_id_of(name);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < headers->count; i++)
        if (!is_named(&headers->fields[i], id, name))
            headers->fields[kept++] = headers->fields[i];
    headers->count = kept;
}

struct str headers_get_id(const struct http_headers *headers, enum header_id id)
{
    ASSERT(id != HEADER_OTHER);
    for (uint32_t i = 0; i < headers->count; i++)
        if (headers->fields[i].id == id)
            return headers->fields[i].value;
    return STR_EMPTY;
}

struct str headers_get(const struct http_headers *headers, struct str name)
{
    enum header_id id = header_id_of(name);

    for (uint32_t i = 0; i < headers->count; i++)
        if (is_named(&headers->fields[i], id, name))
            return headers->fields[i].value;
    return STR_EMPTY;
}

/* Where the element at the front of a list ends: at the first comma outside quotes. */
static size_t element_end(struct str list)
{
    bool quoted = false;

    for (size_t i = 0; i < list.len; i++) {
        char c = list.data[i];

        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted)
            i++;
        else if (c == ',' && !quoted)
            return i;
    }
    return list.len;
}

/* The next element of one value that is not empty. */
static bool take_element(struct str *rest, struct str *element)
{
    while (rest->len > 0) {
        size_t end = element_end(*rest);

        *element = str_trim(str_first(*rest, end));
        *rest = str_from_offset(*rest, end + 1);
        if (element->len > 0)
            return true;
    }
    return false;
}

bool headers_list_next(const struct http_headers *headers, enum header_id id, struct header_list *cursor,
                       struct str *element)
{
    for (;;) {
        if (cursor->inside && take_element(&cursor->rest, element))
            return true;
        cursor->inside = false;
        while (cursor->field < headers->count && headers->fields[cursor->field].id != id)
            cursor->field++;
        if (cursor->field >= headers->count)
            return false;
        cursor->rest = headers->fields[cursor->field++].value;
        cursor->inside = true;
    }
}
