/* text.c: numbers, percent escapes, UTF-8 and likeness of words. Durations are in text_duration.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <math.h>
#include <stdlib.h>

enum {
    DOUBLE_TEXT_BYTES = 128, /* longer numbers are copied to the heap */
    DISTANCE_BYTES_MAX = 128,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool text_to_u64(struct str s, uint64_t *out)
{
    uint64_t number = 0;

    for (size_t i = 0; i < s.len; i++)
        if (!is_digit(s.data[i]) || !mul_ok(&number, number, 10u) ||
            !add_ok(&number, number, (unsigned)(s.data[i] - '0')))
            return false;
    *out = number;
    return s.len > 0;
}

/* 0 to 15, or -1 when c is no hex digit. */
static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_hex_to_u64(struct str s, uint64_t *out)
{
    uint64_t number = 0;

    if (s.len == 0 || s.len > 16)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        int value = hex_value(s.data[i]);

        if (value < 0)
            return false;
        number = number << 4 | (unsigned)value;
    }
    *out = number;
    return true;
}

bool text_to_i64(struct str s, int64_t *out)
{
    bool negative = s.len > 0 && s.data[0] == '-', has_sign = negative || (s.len > 0 && s.data[0] == '+');
    uint64_t size;

    if (!text_to_u64(str_from_offset(s, has_sign ? 1 : 0), &size) || size > (uint64_t)INT64_MAX + negative)
        return false;
    *out = (int64_t)(negative ? 0 - size : size);
    return true;
}

/* A number of JSON, taken apart. */
struct decimal {
    bool negative;
    bool is_exact;    /* digits and exponent say all: nothing was left out */
    uint64_t digits;  /* all digits as one number */
    int64_t exponent; /* value = digits * 10^exponent */
};

static size_t count_digits(struct str s)
{
    size_t count = 0;

    while (count < s.len && is_digit(s.data[count]))
        count++;
    return count;
}

bool text_leading_u64(struct str s, uint64_t *out)
{
    return text_to_u64(str_first(s, count_digits(s)), out);
}

static void add_digits(struct decimal *decimal, struct str digits)
{
    for (size_t i = 0; i < digits.len; i++)
        if (!mul_ok(&decimal->digits, decimal->digits, 10u) ||
            !add_ok(&decimal->digits, decimal->digits, (unsigned)(digits.data[i] - '0')))
            decimal->is_exact = false;
}

/* RFC 8259 6: [ "-" ] int [ "." digits ] [ e [ sign ] digits ], no leading zeros. */
static bool parse_decimal(struct str s, struct decimal *decimal)
{
    size_t count, start;
    int64_t exponent;

    *decimal = (struct decimal){.is_exact = true};
    decimal->negative = s.len > 0 && s.data[0] == '-';
    s = str_from_offset(s, decimal->negative ? 1 : 0);
    count = count_digits(s);
    if (count == 0 || (count > 1 && s.data[0] == '0'))
        return false;
    add_digits(decimal, str_first(s, count));
    s = str_from_offset(s, count);
    if (s.len > 0 && s.data[0] == '.') {
        s = str_from_offset(s, 1);
        count = count_digits(s);
        if (count == 0)
            return false;
        add_digits(decimal, str_first(s, count));
        decimal->exponent = -(int64_t)count;
        s = str_from_offset(s, count);
    }
    if (s.len == 0)
        return true;
    if ((s.data[0] | 0x20) != 'e')
        return false;
    s = str_from_offset(s, 1);
    start = s.len > 0 && (s.data[0] == '-' || s.data[0] == '+') ? 1 : 0;
    count = count_digits(str_from_offset(s, start));
    if (count == 0 || start + count != s.len)
        return false;
    if (!text_to_i64(s, &exponent) || !add_ok(&decimal->exponent, decimal->exponent, exponent))
        decimal->is_exact = false;
    return true;
}

/* The general way: right for all numbers, but slow. */
static bool convert_double(struct str s, double *out)
{
    char fixed[DOUBLE_TEXT_BYTES];
    char *copy = s.len < sizeof fixed ? fixed : malloc(s.len + 1);

    if (!copy)
        return false;
    memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    *out = strtod(copy, NULL);
    if (copy != fixed)
        free(copy);
    return isfinite(*out) != 0;
}

bool text_to_double(struct str s, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal decimal;
    double value;

    if (!parse_decimal(s, &decimal))
        return false;
    /* Both factors are exact as doubles, so that one rounding gives the nearest double (Clinger 1990). */
    if (!decimal.is_exact || decimal.digits > (uint64_t)1 << 53 || decimal.exponent < -22 || decimal.exponent > 22)
        return convert_double(s, out);
    value = (double)decimal.digits;
    value = decimal.exponent < 0 ? value / powers[-decimal.exponent] : value * powers[decimal.exponent];
    *out = decimal.negative ? -value : value;
    return true;
}

static size_t digits_of(uint64_t number)
{
    size_t len = 1;

    for (; number >= 1000; number /= 1000)
        len += 3;
    return len + (number >= 10) + (number >= 100);
}

size_t text_from_u64(uint64_t number, char out[NUMBER_TEXT_BYTES])
{
    size_t len = digits_of(number);

    for (size_t i = len; i > 0; number /= 10)
        out[--i] = (char)('0' + number % 10);
    return len;
}

size_t text_hex_from_u64(uint64_t number, char out[NUMBER_TEXT_BYTES])
{
    size_t len = number == 0 ? 1 : (size_t)(67 - __builtin_clzll(number)) / 4;

    for (size_t i = len; i > 0; number >>= 4)
        out[--i] = "0123456789abcdef"[number & 15];
    return len;
}

/* The byte that "%hh" at the front of s stands for, or -1. */
static int escaped_byte(struct str s)
{
    int high = s.len < 3 ? -1 : hex_value(s.data[1]), low = s.len < 3 ? -1 : hex_value(s.data[2]);

    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool text_percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *out, struct str *bad)
{
    char *text = arena_alloc(arena, s.len + 1, 1);
    size_t len = 0;

    if (bad)
        *bad = STR_EMPTY;
    if (!text)
        return false;
    while (s.len > 0) {
        char c = s.data[0];

        if (c == '%') {
            int byte = escaped_byte(s);

            if (byte < 0) {
                if (bad)
                    *bad = str_first(s, 3);
                return false;
            }
            text[len++] = (char)byte;
            s = str_from_offset(s, 3);
            continue;
        }
        text[len++] = c == '+' && plus_is_space ? ' ' : c;
        s = str_from_offset(s, 1);
    }
    text[len] = '\0';
    *out = str_of(text, len);
    return true;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;

    return least < c ? least : c;
}

unsigned text_distance(struct str a, struct str b, unsigned limit)
{
    unsigned row[DISTANCE_BYTES_MAX + 1]; /* row[j]: distance of the part of a so far and the first j bytes of b */

    if (str_eq(a, b))
        return 0;
    if (a.len > DISTANCE_BYTES_MAX || b.len > DISTANCE_BYTES_MAX)
        return limit + 1;
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned above = row[j];

            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.data[i - 1] != b.data[j - 1]));
            diagonal = above;
        }
    }
    return row[b.len] <= limit ? row[b.len] : limit + 1;
}

/* Bytes of the well-formed sequence at the front of s (Unicode 15, table 3-7), 0 when there is none. */
static size_t sequence_len(struct str s)
{
    const uint8_t *byte = (const uint8_t *)s.data;
    uint8_t least = 0x80, most = 0xbf; /* of the second byte */
    size_t len;

    if (byte[0] < 0x80)
        return 1;
    if (byte[0] < 0xc2 || byte[0] > 0xf4)
        return 0;
    len = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;
    if (byte[0] == 0xe0)
        least = 0xa0; /* no longer than needed */
    else if (byte[0] == 0xed)
        most = 0x9f; /* no surrogates */
    else if (byte[0] == 0xf0)
        least = 0x90;
    else if (byte[0] == 0xf4)
        most = 0x8f; /* at most U+10FFFF */
    if (s.len < len || byte[1] < least || byte[1] > most)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool text_is_utf8(struct str s)
{
    while (s.len > 0) {
        uint64_t eight = UINT64_MAX;
        size_t len;

        if (s.len >= 8)
            memcpy(&eight, s.data, 8);
        len = (eight & 0x8080808080808080u) == 0 ? 8 : sequence_len(s);
        if (len == 0)
            return false;
        s = str_from_offset(s, len);
    }
    return true;
}
