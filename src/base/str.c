/* str.c: comparing, searching and cutting text. Numbers and escapes are in text.c. SPDX-License-Identifier: Apache-2.0
 */
#include "base/str.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool equal_fold(const char *a, const char *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool str_eq_fold(struct str a, struct str b)
{
    return a.len == b.len && equal_fold(a.data, b.data, a.len);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool str_starts_fold(struct str s, struct str prefix)
{
    return s.len >= prefix.len && equal_fold(s.data, prefix.data, prefix.len);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && (suffix.len == 0 || str_eq(str_from_offset(s, s.len - suffix.len), suffix));
}

int str_compare(struct str a, struct str b)
{
    size_t len = size_min(a.len, b.len);
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

size_t str_find_char(struct str s, char c)
{
    const char *at = s.len == 0 ? NULL : memchr(s.data, c, s.len);

    return at ? (size_t)(at - s.data) : s.len;
}

size_t str_find_last_char(struct str s, char c)
{
    const char *at = s.len == 0 ? NULL : memrchr(s.data, c, s.len);

    return at ? (size_t)(at - s.data) : s.len;
}

size_t str_find(struct str s, struct str needle)
{
    const char *at;

    if (needle.len == 0)
        return 0;
    at = s.len == 0 ? NULL : memmem(s.data, s.len, needle.data, needle.len);
    return at ? (size_t)(at - s.data) : s.len;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && is_blank(s.data[0]))
        s = str_of(s.data + 1, s.len - 1);
    return s;
}

static bool holds(struct str bytes, char c)
{
    return str_find_char(bytes, c) < bytes.len;
}

struct str str_trim_of(struct str s, struct str bytes)
{
    while (s.len > 0 && holds(bytes, s.data[s.len - 1]))
        s.len--;
    while (s.len > 0 && holds(bytes, s.data[0]))
        s = str_of(s.data + 1, s.len - 1);
    return s;
}

bool str_split(struct str *rest, char separator, struct str *part)
{
    size_t at = str_find_char(*rest, separator);

    if (!rest->data)
        return false;
    *part = str_first(*rest, at);
    *rest = at < rest->len ? str_of(rest->data + at + 1, rest->len - at - 1) : STR_EMPTY;
    return true;
}

bool str_to_cstr(struct str s, char *out, size_t size)
{
    bool fits = s.len < size && str_find_char(s, '\0') == s.len;

    if (size == 0)
        return false;
    if (fits && s.len > 0)
        memcpy(out, s.data, s.len);
    out[fits ? s.len : 0] = '\0';
    return fits;
}
