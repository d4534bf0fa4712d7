/* escape.c: percent-escapes of URLs. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/escape.h"

/* One bit for each ASCII character that stays. */
static const uint32_t kept[][4] = {
    [ESCAPE_QUERY] = {0x00000000u, 0x03ff6000u, 0x87fffffeu, 0x47fffffeu},
    [ESCAPE_PATH] = {0x00000000u, 0x2ffff850u, 0x87ffffffu, 0x47fffffeu},
    [ESCAPE_PATH_VALID] = {0x00000000u, 0x2fffffd2u, 0xafffffffu, 0x47fffffeu},
};

static ALWAYS_INLINE bool keeps(enum escape_set set, char c)
{
    uint8_t byte = (uint8_t)c;

    return byte < 128 && (kept[set][byte / 32] >> byte % 32 & 1) != 0;
}

bool escape_keeps(enum escape_set set, char c)
{
    return keeps(set, c);
}

/* The first byte that the set does not keep; text.len when it keeps all. */
static size_t find(enum escape_set set, struct str text)
{
    size_t at = 0;

    while (at < text.len && keeps(set, text.data[at]))
        at++;
    return at;
}

static bool is_one_byte(enum escape_set set, char c)
{
    return keeps(set, c) || (set == ESCAPE_QUERY && c == ' ');
}

size_t escape_len(enum escape_set set, struct str text)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++)
        len += is_one_byte(set, text.data[i]) ? 1 : 3;
    return len;
}

static char *write_byte(char c, char *out)
{
    static const char digits[] = "0123456789ABCDEF";

    *out++ = '%';
    *out++ = digits[(uint8_t)c >> 4];
    *out++ = digits[(uint8_t)c & 15];
    return out;
}

char *escape_write(enum escape_set set, struct str text, char *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (keeps(set, c))
            *out++ = c;
        else if (set == ESCAPE_QUERY && c == ' ')
            *out++ = '+';
        else
            out = write_byte(c, out);
    }
    return out;
}

struct str escape_text(struct arena *arena, enum escape_set set, struct str text)
{
    char *out;

    if (text.data && find(set, text) == text.len)
        return text;
    out = arena_alloc(arena, 3 * text.len + 1, 1);
    if (!out)
        return STR_EMPTY;
    return str_of(out, (size_t)(escape_write(set, text, out) - out));
}

/* 0 to 15, or 16 when c is no hex digit. */
static unsigned hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

static bool is_escape(struct str text, size_t at)
{
    return text.data[at] == '%' && at + 2 < text.len && hex_value(text.data[at + 1]) < 16 &&
           hex_value(text.data[at + 2]) < 16;
}

static bool is_valid_path(struct str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (!keeps(ESCAPE_PATH_VALID, path.data[i]) && !is_escape(path, i))
            return false;
    return true;
}

struct str escape_encoded_path(struct arena *arena, struct str path)
{
    char *decoded;
    size_t len = 0;

    if (path.data && is_valid_path(path))
        return path;
    decoded = arena_alloc(arena, path.len + 1, 1);
    if (!decoded)
        return STR_EMPTY;
    for (size_t i = 0; i < path.len; i++) {
        if (is_escape(path, i)) {
            decoded[len++] = (char)(hex_value(path.data[i + 1]) << 4 | hex_value(path.data[i + 2]));
            i += 2;
        } else {
            decoded[len++] = path.data[i];
        }
    }
    return escape_text(arena, ESCAPE_PATH, str_of(decoded, len));
}

static bool fits_request_line(char c)
{
    return c > ' ' && c < 0x7f;
}

struct str escape_raw_query(struct arena *arena, struct str query)
{
    char *out = arena_alloc(arena, 3 * query.len + 1, 1), *end = out;

    if (!out)
        return STR_EMPTY;
    for (size_t i = 0; i < query.len; i++) {
        if (fits_request_line(query.data[i]))
            *end++ = query.data[i];
        else
            end = write_byte(query.data[i], end);
    }
    return str_of(out, (size_t)(end - out));
}
