/* forward_query.c: the client's query for the backend: taken apart, filtered, sorted by name and encoded again, as Go's
 * url.Values does it. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/forward_internal.h"
#include "gateway/query.h"

static bool passes(const struct forward_input *input, struct str name)
{
    const struct str_list *second = &input->backend->options->input_query_strings;

    if (!input->endpoint->all_query && !str_list_has(&input->endpoint->options->input_query_strings, name))
        return false;
    return second->count == 0 || str_list_has(second, name);
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

        if (!query_decode(arena, str_first(piece, str_find_char(piece, '=')), &name) || !passes(input, name))
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
    struct query_param *params;

    if (query.len == 0 || (!input->endpoint->all_query && input->endpoint->options->input_query_strings.count == 0))
        return STR("");
    if (input->service->server.as_sent)
        return query_as_sent(arena, input, query);
    for (size_t i = 0; i < query.len; i++)
        room += query.data[i] == '&';
    params = arena_array(arena, struct query_param, room);
    if (!params)
        return STR_EMPTY;
    while (str_split(&query, '&', &piece))
        if (query_read_name(arena, piece, &params[count]) && passes(input, params[count].name) &&
            query_read_value(arena, &params[count])) {
            params[count].order = count;
            count++;
        }
    query_sort(params, count);
    return query_encode(arena, params, count);
}
