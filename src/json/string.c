/* string.c: the characters of a JSON string: escapes undone, order by value. Not the scanning (parse.c) and not the
 * escaping (write.c). Start with json_take_rune. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include "json/json_internal.h"
#include "json/scan_internal.h"

static uint32_t hex_digit(char c)
{
    if (c <= '9')
        return (uint32_t)(c - '0');
    return (uint32_t)((c | 0x20) - 'a') + 10;
}

/* The four digits after "\u"; json_parse has seen that they are digits. */
static uint32_t hex_unit(const char *digits)
{
    return hex_digit(digits[0]) << 12 | hex_digit(digits[1]) << 8 | hex_digit(digits[2]) << 4 | hex_digit(digits[3]);
}

static bool is_high(uint32_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* *at stands after "\u". */
static uint32_t take_unicode(const char **at, const char *end)
{
    ASSERT(end - *at >= 4);
    uint32_t unit = hex_unit(*at);

    *at += 4;
    if (is_high(unit) && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = hex_unit(*at + 2);

        if (is_low(low)) {
            *at += 6;
            return 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return is_high(unit) || is_low(unit) ? JSON_RUNE_REPLACEMENT : unit;
}

/* *at stands after the backslash. */
static uint32_t take_escape(const char **at, const char *end)
{
    ASSERT(*at < end);
    switch (*(*at)++) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        return take_unicode(at, end);
    default: /* the quote, the backslash, the slash stand for themselves */
        return (unsigned char)(*at)[-1];
    }
}

uint32_t json_take_utf8(const char **at, const char *end, bool *bad)
{
    const unsigned char *s = (const unsigned char *)*at;
    unsigned len = scan_utf8(*at, end);

    *at += len ? len : 1;
    *bad = len == 0;
    switch (len) {
    case 0:
        return JSON_RUNE_REPLACEMENT;
    case 1:
        return s[0];
    case 2:
        return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
    case 3:
        return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
    default:
        return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 |
               (s[3] & 0x3f);
    }
}

uint32_t json_take_rune(const char **at, const char *end)
{
    bool bad;

    if (**at != '\\')
        return json_take_utf8(at, end, &bad);
    ++*at;
    return take_escape(at, end);
}

size_t json_put_rune(uint32_t rune, char out[4])
{
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xc0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xe0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    out[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
}

/* By character, which is the same order as by byte: UTF-8 keeps it. */
int json_compare_content(struct str a, struct str b)
{
    const char *a_at = a.data, *a_end = a.data + a.len;
    const char *b_at = b.data, *b_end = b.data + b.len;

    while (a_at < a_end && b_at < b_end) {
        uint32_t x = json_take_rune(&a_at, a_end);
        uint32_t y = json_take_rune(&b_at, b_end);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a_at < a_end) - (b_at < b_end);
}

int json_compare_entries(struct str text, const struct json_entry *a, const struct json_entry *b)
{
    struct str x = json_content(text, a), y = json_content(text, b);

    if (json_is_literal(a) && json_is_literal(b))
        return str_compare(x, y);
    return json_compare_content(x, y);
}

struct str json_string(struct arena *arena, struct json value)
{
    if (!json_exists(value) || json_type(value) != JSON_STRING)
        return STR_EMPTY;
    const struct json_entry *entry = json_entry_of(value);
    struct str content = json_content(value.doc->text, entry);

    if (json_is_literal(entry))
        return content;
    /* A bad byte grows to three, an escape only shrinks. */
    size_t room = entry->repaired ? content.len * 3 : content.len;
    char *out = arena_alloc(arena, room + 4, 1);
    size_t len = 0;

    if (!out)
        return STR_EMPTY;
    for (const char *at = content.data, *end = at + content.len; at < end;)
        len += json_put_rune(json_take_rune(&at, end), out + len);
    ASSERT(len <= room);
    return str_of(out, len);
}
