/* forward_query.c: the client's query for the backend: taken apart, filtered, sorted by name and encoded again, as Go's
 * url.Values does it. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/escape.h"
#include "gateway/forward_internal.h"

#include <stdlib.h>

struct pair {
    struct str name, value; /* decoded */
    size_t order;           /* keeps equal names in the order they came */
};

static bool passes(const struct forward_input *input, struct str name)
{
    const struct str_list *second = &input->backend->options->input_query_strings;

    if (!input->endpoint->all_query && !str_list_has(&input->endpoint->options->input_query_strings, name))
        return false;
    return second->count == 0 || str_list_has(second, name);
}

static bool decode(struct arena *arena, struct str text, struct str *out)
{
    *out = text;
    if (str_find_char(text, '%') == text.len && str_find_char(text, '+') == text.len)
        return true;
    return text_percent_decode(arena, text, true, out, NULL);
}

/* One piece between two '&'. False: Go drops it, or nobody wants it. */
static bool read_pair(struct arena *arena, const struct forward_input *input, struct str piece, struct pair *pair)
{
    size_t equals = str_find_char(piece, '=');

    if (piece.len == 0 || str_find_char(piece, ';') < piece.len)
        return false;
    return decode(arena, str_first(piece, equals), &pair->name) && passes(input, pair->name) &&
           decode(arena, str_from_offset(piece, equals + 1), &pair->value);
}

static int compare(const void *left, const void *right)
{
    const struct pair *a = left, *b = right;
    int order = str_compare(a->name, b->name);

    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static struct str encode(struct arena *arena, const struct pair *pairs, size_t count)
{
    size_t room = 1;
    char *out, *end;

    for (size_t i = 0; i < count; i++)
        room += escape_len(ESCAPE_QUERY, pairs[i].name) + escape_len(ESCAPE_QUERY, pairs[i].value) + 2;
    out = end = arena_alloc(arena, room, 1);
    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *end++ = '&';
        end = escape_write(ESCAPE_QUERY, pairs[i].name, end);
        *end++ = '=';
        end = escape_write(ESCAPE_QUERY, pairs[i].value, end);
    }
    return str_of(out, (size_t)(end - out));
}

/* What passes, in the bytes and the order in which it came. */
static struct str query_as_sent(struct arena *arena, const struct forward_input *input, struct str query)
{
    bool all = input->endpoint->all_query && input->backend->options->input_query_strings.count == 0;
    char *out = all ? NULL : arena_alloc(arena, query.len + 1, 1);
    struct str piece;
    size_t len = 0;

    if (all)
        return query;
    while (out && str_split(&query, '&', &piece)) {
        struct str name;

        if (!decode(arena, str_first(piece, str_find_char(piece, '=')), &name) || !passes(input, name))
            continue;
        if (len > 0)
            out[len++] = '&';
        if (piece.len > 0)
            memcpy(out + len, piece.data, piece.len);
        len += piece.len;
    }
    return str_of(out, len);
}

struct str forward_query(struct arena *arena, const struct forward_input *input)
{
    struct str query = path_query(input->request->path), piece;
    size_t room = 1, count = 0;
    struct pair *pairs;

    if (query.len == 0 || (!input->endpoint->all_query && input->endpoint->options->input_query_strings.count == 0))
        return STR("");
    if (input->service->server.as_sent)
        return query_as_sent(arena, input, query);
    for (size_t i = 0; i < query.len; i++)
        room += query.data[i] == '&';
    pairs = arena_array(arena, struct pair, room);
    if (!pairs)
        return STR_EMPTY;
    while (str_split(&query, '&', &piece))
        if (read_pair(arena, input, piece, &pairs[count])) {
            pairs[count].order = count;
            count++;
        }
    if (count > 1)
        qsort(pairs, count, sizeof *pairs, compare);
    return encode(arena, pairs, count);
}
