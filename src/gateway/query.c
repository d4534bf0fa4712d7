/* query.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/query.h"

#include "base/text.h"
#include "gateway/escape.h"

#include <stdlib.h>

bool query_decode(struct arena *arena, struct str text, struct str *out)
{
    *out = text;
    if (str_find_char(text, '%') == text.len && str_find_char(text, '+') == text.len)
        return true;
    return text_percent_decode(arena, text, true, out, NULL);
}

bool query_read_name(struct arena *arena, struct str piece, struct query_param *param)
{
    size_t equals = str_find_char(piece, '=');

    if (piece.len == 0 || str_find_char(piece, ';') < piece.len)
        return false;
    param->value = str_from_offset(piece, equals + 1);
    return query_decode(arena, str_first(piece, equals), &param->name);
}

bool query_read_value(struct arena *arena, struct query_param *param)
{
    return query_decode(arena, param->value, &param->value);
}

static int compare(const void *left, const void *right)
{
    const struct query_param *a = left, *b = right;
    int order = str_compare(a->name, b->name);

    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

void query_sort(struct query_param *params, size_t count)
{
    if (count > 1)
        qsort(params, count, sizeof *params, compare);
}

struct str query_encode(struct arena *arena, const struct query_param *params, size_t count)
{
    size_t room = 1;
    char *out, *end;

    for (size_t i = 0; i < count; i++)
        room += escape_len(ESCAPE_QUERY, params[i].name) + escape_len(ESCAPE_QUERY, params[i].value) + 2;
    out = end = arena_alloc(arena, room, 1);
    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *end++ = '&';
        end = escape_write(ESCAPE_QUERY, params[i].name, end);
        *end++ = '=';
        end = escape_write(ESCAPE_QUERY, params[i].value, end);
    }
    return str_of(out, (size_t)(end - out));
}
