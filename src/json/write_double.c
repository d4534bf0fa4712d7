/* write_double.c: doubles as the shortest decimal text that reads back as the same number, laid out as Go's encoder
 * does (exponent form outside 1e-6 .. 1e21). For numbers of the configuration; traffic keeps its digits. Start with
 * json_write_double. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include "json/writer_internal.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 17 };

/* d.ddd times ten to the power of `exponent`. */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count, exponent;
};

/* Adds one to the last digit of "d.ddde+XX"; all nines stay as they are. */
static void add_one(char *text)
{
    char *at = strchr(text, 'e');

    while (at > text && (at[-1] == '9' || at[-1] == '.'))
        at--;
    if (at == text)
        return;
    at[-1]++;
    for (; *at != 'e'; at++) {
        if (*at == '9')
            *at = '0';
    }
}

/* Writes `number` with `count` digits; false when that does not read back as the same number. */
static bool fits(double number, int count, char *text, size_t size)
{
    snprintf(text, size, "%.*e", count - 1, number);
    if (strtod(text, NULL) == number)
        return true;
    /* The gap below a power of two is half as wide: the nearest decimal may miss it while the next above does not. */
    add_one(text);
    return strtod(text, NULL) == number;
}

/* `number` is finite and not negative. 15 digits are exact for every normal double that has so few; 17 always suffice.
 */
static void shortest(double number, struct decimal *out)
{
    char text[40];
    int count = number < DBL_MIN ? 1 : 15;

    while (count < DIGITS_MAX && !fits(number, count, text, sizeof(text)))
        count++;
    if (count == DIGITS_MAX)
        snprintf(text, sizeof(text), "%.*e", count - 1, number);

    const char *at = text;

    for (out->count = 0; *at != 'e'; at++) {
        if (*at != '.') {
            ASSERT(out->count < DIGITS_MAX);
            out->digits[out->count++] = *at;
        }
    }
    while (out->count > 1 && out->digits[out->count - 1] == '0')
        out->count--;
    out->exponent = (int)strtol(at + 1, NULL, 10);
}

static void write_zeros(struct json_writer *writer, int count)
{
    while (count-- > 0)
        writer_char(writer, '0');
}

static void write_digits(struct json_writer *writer, const struct decimal *decimal, int from, int to)
{
    json_write_raw(writer, str_of(decimal->digits + from, (size_t)(to - from)));
}

static void write_plain(struct json_writer *writer, const struct decimal *decimal)
{
    int whole = decimal->exponent + 1; /* digits before the point */

    if (whole <= 0) {
        json_write_raw(writer, STR("0."));
        write_zeros(writer, -whole);
        write_digits(writer, decimal, 0, decimal->count);
        return;
    }
    if (whole >= decimal->count) {
        write_digits(writer, decimal, 0, decimal->count);
        write_zeros(writer, whole - decimal->count);
        return;
    }
    write_digits(writer, decimal, 0, whole);
    writer_char(writer, '.');
    write_digits(writer, decimal, whole, decimal->count);
}

static void write_scientific(struct json_writer *writer, const struct decimal *decimal)
{
    char exponent[16];
    int len = snprintf(exponent, sizeof(exponent), "e%+d", decimal->exponent);

    write_digits(writer, decimal, 0, 1);
    if (decimal->count > 1) {
        writer_char(writer, '.');
        write_digits(writer, decimal, 1, decimal->count);
    }
    json_write_raw(writer, str_of(exponent, (size_t)len));
}

static void write_number(struct json_writer *writer, double number, bool exponent_allowed)
{
    struct decimal decimal;
    double size = fabs(number);

    if (!isfinite(number)) {
        json_write_raw(writer, STR("null"));
        return;
    }
    if (signbit(number))
        writer_char(writer, '-');
    shortest(size, &decimal);
    if (exponent_allowed && size > 0 && (size < 1e-6 || size >= 1e21))
        write_scientific(writer, &decimal);
    else
        write_plain(writer, &decimal);
}

void json_write_double(struct json_writer *writer, double number)
{
    write_number(writer, number, true);
}

void json_write_decimal(struct json_writer *writer, double number)
{
    write_number(writer, number, false);
}
