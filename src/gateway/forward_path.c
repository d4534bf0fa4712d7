/* forward_path.c: path and query of a request for a backend: the pattern with its parameters filled, encoded as Go's
 * URL.EscapedPath does it, and the client's query behind the pattern's own. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "gateway/escape.h"
#include "gateway/forward_internal.h"
#include "gateway/pattern.h"

/* A parameter's value; what stands for it when the path captured none. The last of equal names counts. */
static struct str value_of(const struct forward_input *input, const struct pattern_part *part)
{
    const struct route_match *match = input->match;

    for (unsigned i = match->param_count; i > 0; i--)
        if (placeholder_is_param(part->param, match->params[i - 1].name))
            return match->params[i - 1].value;
    return part->unfilled;
}

static char *write_text(struct str text, char *out)
{
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    return out + text.len;
}

/* Bytes that would end the path or be taken for an escape stay part of the value. */
static bool breaks_path(char c)
{
    return c == '%' || c == '?' || c == '#' || (uint8_t)c < ' ' || c == 0x7f;
}

/* As it came, when the router kept it so: escape_encoded_path leaves a valid encoding alone. */
static char *write_path_value(struct str value, bool as_sent, char *out)
{
    if (as_sent)
        return write_text(value, out);
    for (size_t i = 0; i < value.len; i++) {
        if (breaks_path(value.data[i]))
            out = escape_write(ESCAPE_QUERY, str_of(value.data + i, 1), out);
        else
            *out++ = value.data[i];
    }
    return out;
}

static size_t room_for(const struct forward_input *input)
{
    const struct backend *backend = input->backend;
    size_t room = 1;

    for (size_t i = 0; i < backend->part_count; i++) {
        const struct pattern_part *part = &backend->parts[i];

        room += part->literal.len + (part->param.len > 0 ? 3 * value_of(input, part).len : 0);
    }
    return room;
}

/* Is the value what the client wrote? What stands for a missing one is not. */
static bool is_as_sent(const struct forward_input *input, const struct pattern_part *part)
{
    return input->match->as_sent && value_of(input, part).data != part->unfilled.data;
}

/* The value decoded: behind the '?' it is encoded by other rules. A bad escape was refused by the router. */
static struct str query_value(struct arena *arena, const struct forward_input *input, const struct pattern_part *part)
{
    struct str value = value_of(input, part), decoded;

    if (!is_as_sent(input, part) || str_find_char(value, '%') == value.len)
        return value;
    return text_percent_decode(arena, value, false, &decoded, NULL) ? decoded : value;
}

/* The pattern with its parameters. Parts of the path come first; the path is encoded as one. */
static struct str fill_pattern(struct arena *arena, const struct forward_input *input)
{
    const struct backend *backend = input->backend;
    char *out = arena_alloc(arena, room_for(input), 1), *end = out, *query;
    struct str path;
    size_t i = 0;

    if (!out)
        return STR_EMPTY;
    for (; i < backend->part_count && !backend->parts[i].in_query; i++) {
        end = write_text(backend->parts[i].literal, end);
        if (backend->parts[i].param.len > 0)
            end = write_path_value(value_of(input, &backend->parts[i]), is_as_sent(input, &backend->parts[i]), end);
    }
    path = escape_encoded_path(arena, str_of(out, (size_t)(end - out)));
    query = end;
    for (; i < backend->part_count; i++) {
        end = write_text(backend->parts[i].literal, end);
        if (backend->parts[i].param.len > 0)
            end = escape_write(ESCAPE_QUERY, query_value(arena, input, &backend->parts[i]), end);
    }
    if (end == query || !path.data)
        return path;
    if (path.data == out)
        return str_of(out, (size_t)(end - out));
    return arena_format(arena, "%.*s%.*s", STR_ARG(path), STR_ARG(str_of(query, (size_t)(end - query))));
}

static struct str append(struct arena *arena, struct str path, const char *between, struct str query)
{
    return query.len == 0 ? path : arena_format(arena, "%.*s%s%.*s", STR_ARG(path), between, STR_ARG(query));
}

/* What the star matched, as it came. The whole of the request's path when the pattern is a slash and a star too. */
static struct str subtree_path(struct arena *arena, const struct forward_input *input, struct str pattern)
{
    struct str path = input->request->path, rest = input->match->rest, all;
    bool raw_query = input->endpoint->all_query && input->backend->options->input_query_strings.count == 0;
    size_t query_at = str_find_char(path, '?');

    if (raw_query && pattern.len == 1 && rest.data == path.data + 1 && rest.len + 1 == query_at)
        return path;
    all = append(arena, pattern, "", rest);
    if (!all.data)
        return STR_EMPTY;
    if (raw_query)
        return append(arena, all, "", str_from_offset(path, query_at));
    rest = forward_query(arena, input);
    return rest.data ? append(arena, all, "?", rest) : STR_EMPTY;
}

struct str forward_path(struct arena *arena, const struct forward_input *input)
{
    const struct backend *backend = input->backend;
    struct str path = backend->is_fixed ? backend->parts[0].literal : fill_pattern(arena, input), query;

    if (!path.data)
        return STR_EMPTY;
    if (backend->subtree)
        return subtree_path(arena, input, path);
    query = forward_query(arena, input);
    if (!query.data)
        return STR_EMPTY;
    return append(arena, path, backend->pattern_has_query ? "&" : str_ends(path, STR("?")) ? "" : "?", query);
}
