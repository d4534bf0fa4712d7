/* escape.c: the parts of a string that are not plain ASCII: escapes and UTF-8, checked, and whether Go's encoder would
 * have written them so. Not their meaning (string.c). Start with parser_escape. SPDX-License-Identifier: Apache-2.0 */
#include "json/parser_internal.h"
#include "json/scan_internal.h"

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Four hexadecimal digits at `at`, to *unit; false with the fault set. *lower: none of them is a capital. */
static bool read_unit(struct parser *p, const char *at, uint32_t *unit, bool *lower)
{
    uint32_t value = 0;

    *lower = true;
    for (int i = 0; i < 4; i++, at++) {
        if (at == p->end || !is_hex(*at))
            return parser_fail(p, JSON_FAULT_HEX, at);
        *lower = *lower && !(*at >= 'A' && *at <= 'F');
        value = value << 4 | (uint32_t)(*at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10);
    }
    *unit = value;
    return true;
}

/* Would Go's encoder write this character as \u00XX (or \u2028, \u2029)? */
static bool go_writes_unit(uint32_t unit)
{
    if (unit < 0x20)
        return unit != '\b' && unit != '\f' && unit != '\n' && unit != '\r' && unit != '\t';
    return unit == '<' || unit == '>' || unit == '&' || unit == 0x2028 || unit == 0x2029;
}

/* p->at is the backslash of a high surrogate's escape. Does a low one follow? Unfinished text counts as a fault at its
 * end, bad digits as a fault at their place. */
static bool read_low(struct parser *p, const char *at, bool *found)
{
    uint32_t unit;
    bool lower;

    *found = false;
    if (at == p->end || (*at == '\\' && at + 1 == p->end))
        return parser_fail(p, JSON_FAULT_HEX, p->end);
    if (at[0] != '\\' || at[1] != 'u')
        return true;
    if (!read_unit(p, at + 2, &unit, &lower))
        return false;
    *found = unit >= 0xdc00 && unit < 0xe000;
    return true;
}

/* The escape "\u" at p->at. A pair is never what Go writes: it puts the character itself. */
static bool read_unicode(struct parser *p, struct json_entry *entry)
{
    uint32_t unit;
    bool lower, paired = false;

    if (!read_unit(p, p->at + 2, &unit, &lower))
        return false;
    if (unit >= 0xd800 && unit < 0xdc00 && !read_low(p, p->at + 6, &paired))
        return false;
    if (unit >= 0xd800 && unit < 0xe000 && !paired) {
        if (!p->repair)
            return parser_fail(p, JSON_FAULT_SURROGATE, p->at);
        entry->repaired = 1;
    }
    if (!lower || !go_writes_unit(unit))
        entry->canonical = 0;
    p->at += paired ? 12 : 6;
    return true;
}

bool parser_escape(struct parser *p, struct json_entry *entry)
{
    entry->escaped = 1;
    switch (p->at + 1 < p->end ? p->at[1] : '\0') {
    case '/':
        entry->canonical = 0;
        break;
    case '"':
    case '\\':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        break;
    case 'u':
        return read_unicode(p, entry);
    default:
        return parser_fail(p, JSON_FAULT_ESCAPE, p->at + 1);
    }
    p->at += 2;
    return true;
}

bool parser_wide(struct parser *p, struct json_entry *entry)
{
    while (p->at < p->end && (unsigned char)*p->at >= 0x80) {
        unsigned len = scan_utf8(p->at, p->end);

        if (len == 0) {
            if (!p->repair)
                return parser_fail(p, JSON_FAULT_UTF8, p->at);
            entry->repaired = 1;
            entry->canonical = 0;
            len = 1;
        } else if (len == 3 && memcmp(p->at, "\xe2\x80", 2) == 0 && (p->at[2] & 0xfe) == 0xa8) {
            entry->canonical = 0;
        }
        p->at += len;
    }
    return true;
}
