/* follow_url.c: a Location as an absolute URL. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/escape.h"
#include "gateway/follow.h"

static size_t find_any(struct str s, const char *bytes)
{
    size_t at = 0;

    while (at < s.len && !strchr(bytes, s.data[at]))
        at++;
    return at;
}

static bool has_controls(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((uint8_t)s.data[i] < ' ' || s.data[i] == 0x7f)
            return true;
    return false;
}

/* RFC 3986 5.2.4, on a path that begins with a slash. data NULL: no room. */
static struct str remove_dots(struct arena *arena, struct str path)
{
    char *out = arena_alloc(arena, path.len + 2, 1);
    struct str rest = str_from_offset(path, 1), part;
    size_t len = 0;
    bool ends_open = false;

    if (!out)
        return STR_EMPTY;
    while (str_split(&rest, '/', &part)) {
        bool up = str_eq(part, STR(".."));

        ends_open = up || str_eq(part, STR("."));
        if (up)
            len = str_find_last_char(str_of(out, len), '/') < len ? str_find_last_char(str_of(out, len), '/') : 0;
        if (ends_open)
            continue;
        out[len++] = '/';
        memcpy(out + len, part.data, part.len);
        len += part.len;
    }
    if (ends_open || len == 0)
        out[len++] = '/';
    return str_of(out, len);
}

/* "path?query" as it can be sent. data NULL: no room. */
static struct str sendable(struct arena *arena, struct str target)
{
    size_t mark = str_find_char(target, '?');
    struct str path = escape_encoded_path(arena, str_first(target, mark)), query;

    if (mark == target.len || !path.data)
        return path;
    query = escape_raw_query(arena, str_from_offset(target, mark + 1));
    return query.data ? arena_format(arena, "%.*s?%.*s", STR_ARG(path), STR_ARG(query)) : STR_EMPTY;
}

static bool take_authority(struct arena *arena, struct str rest, struct follow_url *out)
{
    size_t end = find_any(rest, "/?"), at;

    out->authority = str_first(rest, end);
    at = str_find_last_char(out->authority, '@');
    if (at < out->authority.len)
        out->authority = str_from_offset(out->authority, at + 1); /* Nobody's password is sent on. */
    rest = str_from_offset(rest, end);
    out->path = rest.len > 0 && rest.data[0] == '/' ? rest : arena_format(arena, "/%.*s", STR_ARG(rest));
    return out->authority.len > 0;
}

static struct str without_query(struct str path)
{
    return str_first(path, str_find_char(path, '?'));
}

/* A relative one, by the path that it is relative to. */
static struct str merge(struct arena *arena, struct str base, struct str location)
{
    struct str path = without_query(base), folder = str_first(path, str_find_last_char(path, '/') + 1), merged, clean;
    size_t query;

    if (location.len == 0)
        return base;
    if (location.data[0] == '?')
        return arena_format(arena, "%.*s%.*s", STR_ARG(path), STR_ARG(location));
    merged = location.data[0] == '/' ? location : arena_format(arena, "%.*s%.*s", STR_ARG(folder), STR_ARG(location));
    if (!merged.data || str_find(merged, STR("/.")) == merged.len)
        return merged;
    query = str_find_char(merged, '?');
    clean = remove_dots(arena, str_first(merged, query));
    return clean.data ? arena_format(arena, "%.*s%.*s", STR_ARG(clean), STR_ARG(str_from_offset(merged, query)))
                      : STR_EMPTY;
}

bool follow_resolve(struct arena *arena, const struct follow_url *base, struct str location, struct follow_url *out)
{
    size_t colon;

    *out = *base;
    location = str_first(str_trim(location), str_find_char(str_trim(location), '#'));
    if (has_controls(location))
        return false;
    colon = find_any(location, ":/?");
    if (colon < location.len && location.data[colon] == ':') {
        bool secured = str_starts_fold(location, STR("https://"));

        if (!secured && !str_starts_fold(location, STR("http://")))
            return false;
        out->scheme = secured ? STR("https") : STR("http");
        location = str_from_offset(location, colon + 1);
    }
    if (str_starts(location, STR("//"))) {
        if (!take_authority(arena, str_from_offset(location, 2), out))
            return false;
    } else {
        out->path = merge(arena, base->path, location);
    }
    out->path = out->path.data ? sendable(arena, out->path) : STR_EMPTY;
    return out->path.data != NULL;
}
