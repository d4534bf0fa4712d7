/* pattern.c: placeholders of paths. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/pattern.h"

static bool is_name(enum placeholder_rule rule, char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
        return true;
    return rule == PLACEHOLDER_WIDE && (c == '.' || c == ':' || c == '/');
}

/* How long the name behind the brace at `at` is; 0: no placeholder stands there. */
static size_t name_len(enum placeholder_rule rule, struct str text, size_t at)
{
    size_t end = at + 1;

    if (text.data[at] != '{' || (rule == PLACEHOLDER_STRICT && (at == 0 || text.data[at - 1] != '/')))
        return 0;
    while (end < text.len && is_name(rule, text.data[end]))
        end++;
    return end < text.len && text.data[end] == '}' ? end - at - 1 : 0;
}

bool placeholder_next(enum placeholder_rule rule, struct str *rest, struct str *before, struct str *name)
{
    for (size_t at = 0; at < rest->len; at++) {
        size_t len = name_len(rule, *rest, at);

        if (len == 0)
            continue;
        *before = str_first(*rest, at);
        *name = str_of(rest->data + at + 1, len);
        *rest = str_of(rest->data + at + len + 2, rest->len - at - len - 2);
        return true;
    }
    return false;
}

bool placeholders_list(struct arena *arena, enum placeholder_rule rule, struct str text, struct str_list *names)
{
    struct str before, name;

    *names = (struct str_list){arena_array(arena, struct str, text.len / 3 + 1), NULL, 0};
    if (!names->items)
        return false;
    while (placeholder_next(rule, &text, &before, &name))
        if (!str_list_has(names, name))
            names->items[names->count++] = name;
    return true;
}

struct str path_with_slash(struct arena *arena, struct str path)
{
    return str_starts(path, STR("/")) ? path : arena_format(arena, "/%.*s", STR_ARG(path));
}

struct str path_to_route(struct arena *arena, struct str path, const struct str_list *names)
{
    size_t query = str_find_char(path, '?'), len = 0;
    char *out = arena_alloc(arena, path.len + 1, 1);

    if (!out)
        return STR_EMPTY;
    for (size_t at = 0; at < path.len;) {
        size_t name = at < query ? name_len(PLACEHOLDER_WIDE, path, at) : 0;

        if (name > 0 && str_list_has(names, str_of(path.data + at + 1, name))) {
            out[len++] = ':';
            memcpy(out + len, path.data + at + 1, name);
            len += name;
            at += name + 2;
        } else {
            out[len++] = path.data[at++];
        }
    }
    out[len] = '\0';
    return str_of(out, len);
}

/* Is there a name of ours behind a slash, and nothing, or another slash, behind it? */
static bool holds_reserved(struct str path, struct str reserved)
{
    for (size_t at = 0; at < path.len; at++) {
        struct str rest = str_from_offset(path, at);

        if (str_starts(rest, reserved) && (rest.len == reserved.len || rest.data[reserved.len] == '/'))
            return true;
    }
    return false;
}

bool path_is_refused(struct str path)
{
    return str_find_char(path, '*') + 1 < path.len || holds_reserved(path, STR("/__debug")) ||
           holds_reserved(path, STR("/__echo")) || holds_reserved(path, STR("/__health"));
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool placeholder_is_special(struct str name)
{
    size_t at = 4;

    if (str_starts(name, STR("JWT.")))
        return name.len > 4;
    if (!str_starts(name, STR("resp")))
        return false;
    while (at < name.len && is_digit(name.data[at]))
        at++;
    return at > 4 && at + 1 < name.len && name.data[at] == '_';
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
}

bool placeholder_is_param(struct str name, struct str param)
{
    return name.len == param.len && name.len > 0 && upper(name.data[0]) == upper(param.data[0]) &&
           str_eq(str_from_offset(name, 1), str_from_offset(param, 1));
}
