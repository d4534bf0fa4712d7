/* yaml_scalar.c: what a scalar without quotes means in YAML: null, a boolean, a number, or text. The rules are those of
 * the YAML package that KrakenD's loader uses: 0x, 0o, 0b and a leading 0 tell a base, underscores may stand between
 * digits, "yes" and "on" are texts. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/document_internal.h"

#include "json/write.h"

static bool is_one_of(struct str s, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (str_eq(s, str_from(words[i])))
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The base that a prefix tells, taken off *s. */
static uint64_t take_base(struct str *s)
{
    char mark = s->len > 2 && s->data[0] == '0' ? s->data[1] : '\0';
    uint64_t base = mark == 'x' || mark == 'X'   ? 16
                    : mark == 'o' || mark == 'O' ? 8
                    : mark == 'b' || mark == 'B' ? 2
                                                 : 10;

    if (base != 10) {
        *s = str_from_offset(*s, 2);
    } else if (s->len > 1 && s->data[0] == '0') {
        *s = str_from_offset(*s, 1);
        base = 8;
    }
    return base;
}

static bool read_digit(char c, uint64_t base, uint64_t *digit)
{
    char low = (char)(c | 0x20);

    if (is_digit(c))
        *digit = (uint64_t)(c - '0');
    else if (low >= 'a' && low <= 'f')
        *digit = (uint64_t)(low - 'a') + 10;
    else
        return false;
    return *digit < base;
}

/* A whole number of any base that fits into 63 bits. */
static bool read_whole(struct str s, bool *negative, uint64_t *number)
{
    uint64_t base, digit;
    bool any = false;

    *negative = s.len > 0 && s.data[0] == '-';
    *number = 0;
    if (s.len > 0 && (s.data[0] == '-' || s.data[0] == '+'))
        s = str_from_offset(s, 1);
    if (s.len == 0 || !is_digit(s.data[0]))
        return false;
    base = take_base(&s);
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '_' && i > 0)
            continue;
        if (!read_digit(s.data[i], base, &digit) || *number > (INT64_MAX - digit) / base)
            return false;
        *number = *number * base + digit;
        any = true;
    }
    return any;
}

static size_t digits_at(struct str s, size_t at)
{
    size_t end = at;

    while (end < s.len && is_digit(s.data[end]))
        end++;
    return end - at;
}

/* Sign, digits with a point somewhere, an exponent: ".5" and "1." too, which JSON does not take. */
static bool is_float(struct str s)
{
    size_t at = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+') ? 1 : 0;
    size_t whole = digits_at(s, at), fraction = 0, exponent;

    at += whole;
    if (at < s.len && s.data[at] == '.') {
        fraction = digits_at(s, at + 1);
        at += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (at == s.len)
        return true;
    if (s.data[at] != 'e' && s.data[at] != 'E')
        return false;
    at++;
    if (at < s.len && (s.data[at] == '-' || s.data[at] == '+'))
        at++;
    exponent = digits_at(s, at);
    return exponent > 0 && at + exponent == s.len;
}

/* In JSON's form: no plus, a digit on both sides of the point, no leading zeros. data NULL: no room. */
static struct str json_float(struct arena *arena, struct str s)
{
    const char *sign = s.data[0] == '-' ? "-" : "";
    size_t point;
    struct str whole, rest;

    if (s.data[0] == '-' || s.data[0] == '+')
        s = str_from_offset(s, 1);
    for (point = 0; point < s.len && is_digit(s.data[point]);)
        point++;
    whole = str_first(s, point);
    rest = str_from_offset(s, point);
    while (whole.len > 1 && whole.data[0] == '0')
        whole = str_from_offset(whole, 1);
    if (rest.len > 0 && rest.data[0] == '.' && digits_at(rest, 1) == 0)
        return arena_format(arena, "%s%.*s.0%.*s", sign, STR_ARG(whole.len ? whole : STR("0")),
                            STR_ARG(str_from_offset(rest, 1)));
    return arena_format(arena, "%s%.*s%.*s", sign, STR_ARG(whole.len ? whole : STR("0")), STR_ARG(rest));
}

static bool set(struct node *node, enum json_type type, struct str text)
{
    node->type = type;
    node->text = text;
    return text.data != NULL;
}

bool yaml_resolve(struct arena *arena, struct str plain, struct node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    uint64_t number;
    bool negative;

    if (is_one_of(plain, nulls))
        return set(node, JSON_NULL, STR("null"));
    if (is_one_of(plain, trues))
        return set(node, JSON_TRUE, STR("true"));
    if (is_one_of(plain, falses))
        return set(node, JSON_FALSE, STR("false"));
    if (read_whole(plain, &negative, &number))
        return set(node, JSON_NUMBER, arena_format(arena, "%s%llu", negative ? "-" : "", (unsigned long long)number));
    if (is_float(plain))
        return set(node, JSON_NUMBER, json_float(arena, plain));
    return set(node, JSON_STRING, arena_copy(arena, plain));
}
