/* text_duration.c: durations in the grammar and the print of Go's package time, as configuration files use them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

#define SIZE_LIMIT ((uint64_t)1 << 63) /* the size of the smallest int64_t */

static const struct {
    struct str name;
    uint64_t ns;
} units[] = {
    {STR_INIT("ns"), 1},
    {STR_INIT("us"), NS_PER_US},
    {STR_INIT("\xc2\xb5s"), NS_PER_US}, /* U+00B5, micro sign */
    {STR_INIT("\xce\xbcs"), NS_PER_US}, /* U+03BC, Greek letter mu */
    {STR_INIT("ms"), NS_PER_MS},
    {STR_INIT("s"), NS_PER_S},
    {STR_INIT("m"), (uint64_t)60 * NS_PER_S},
    {STR_INIT("h"), (uint64_t)3600 * NS_PER_S},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes the digits at the front of *s; *count is how many there were. False: more than SIZE_LIMIT. */
static bool take_whole(struct str *s, uint64_t *number, size_t *count)
{
    *number = 0;
    for (*count = 0; *count < s->len && is_digit(s->data[*count]); ++*count) {
        if (*number > SIZE_LIMIT / 10)
            return false;
        *number = *number * 10 + (uint64_t)(s->data[*count] - '0');
        if (*number > SIZE_LIMIT)
            return false;
    }
    *s = str_from_offset(*s, *count);
    return true;
}

/* Takes the digits after the point as number / scale. Those beyond what fits do not count. */
static void take_fraction(struct str *s, uint64_t *number, double *scale, size_t *count)
{
    bool is_full = false;

    *number = 0;
    *scale = 1;
    for (*count = 0; *count < s->len && is_digit(s->data[*count]); ++*count) {
        uint64_t longer = *number * 10 + (uint64_t)(s->data[*count] - '0');

        is_full = is_full || *number > INT64_MAX / 10 || longer > SIZE_LIMIT;
        if (is_full)
            continue;
        *number = longer;
        *scale *= 10;
    }
    *s = str_from_offset(*s, *count);
}

/* Takes the unit: everything up to the next digit or point. 0: it is none. */
static uint64_t take_unit(struct str *s)
{
    size_t len = 0;
    struct str name;

    while (len < s->len && s->data[len] != '.' && !is_digit(s->data[len]))
        len++;
    name = str_first(*s, len);
    *s = str_from_offset(*s, len);
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (str_eq(units[i].name, name))
            return units[i].ns;
    return 0;
}

/* Takes one number with its unit and adds it to *sum. */
static bool take_term(struct str *s, uint64_t *sum)
{
    uint64_t whole, fraction = 0, unit, ns;
    size_t whole_count, fraction_count = 0;
    double scale = 1;

    if (!take_whole(s, &whole, &whole_count))
        return false;
    if (s->len > 0 && s->data[0] == '.') {
        *s = str_from_offset(*s, 1);
        take_fraction(s, &fraction, &scale, &fraction_count);
    }
    unit = take_unit(s);
    if (whole_count + fraction_count == 0 || unit == 0 || !mul_ok(&ns, whole, unit) || ns > SIZE_LIMIT)
        return false;
    /* In Go's order of operations, so that the last nanosecond is the same; it stays below an hour. */
    ns += (uint64_t)((double)fraction * ((double)unit / scale));
    return ns <= SIZE_LIMIT && add_ok(sum, *sum, ns) && *sum <= SIZE_LIMIT;
}

bool text_to_duration(struct str s, int64_t *out_ns)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t sum = 0;

    if (negative || (s.len > 0 && s.data[0] == '+'))
        s = str_from_offset(s, 1);
    if (s.len == 0)
        return false;
    if (str_eq(s, STR("0")))
        s = STR_EMPTY;
    while (s.len > 0)
        if (!take_term(&s, &sum))
            return false;
    if (sum == SIZE_LIMIT && !negative)
        return false;
    *out_ns = (int64_t)(negative ? 0 - sum : sum);
    return true;
}

/* Text that grows to the front. */
struct writer {
    char *start;
};

static void put(struct writer *writer, struct str text)
{
    writer->start -= text.len;
    memcpy(writer->start, text.data, text.len);
}

static void put_number(struct writer *writer, uint64_t number)
{
    char digits[NUMBER_TEXT_BYTES];

    put(writer, str_of(digits, text_from_u64(number, digits)));
}

/* Writes the last `places` decimal places of `number` without trailing zeros, and the point if anything is left;
 * returns what stands before the point. */
static uint64_t put_fraction(struct writer *writer, uint64_t number, int places)
{
    bool has_digits = false;

    for (; places > 0; places--, number /= 10) {
        has_digits = has_digits || number % 10 != 0;
        if (has_digits)
            *--writer->start = (char)('0' + number % 10);
    }
    if (has_digits)
        put(writer, STR("."));
    return number;
}

static void put_part_of_second(struct writer *writer, uint64_t ns)
{
    if (ns < NS_PER_US) {
        put(writer, STR("ns"));
        put_number(writer, ns);
    } else if (ns < NS_PER_MS) {
        put(writer, STR("\xc2\xb5s"));
        put_number(writer, put_fraction(writer, ns, 3));
    } else {
        put(writer, STR("ms"));
        put_number(writer, put_fraction(writer, ns, 6));
    }
}

static void put_seconds(struct writer *writer, uint64_t ns)
{
    uint64_t seconds, minutes, hours;

    put(writer, STR("s"));
    seconds = put_fraction(writer, ns, 9);
    put_number(writer, seconds % 60);
    minutes = seconds / 60;
    if (minutes == 0)
        return;
    put(writer, STR("m"));
    put_number(writer, minutes % 60);
    hours = minutes / 60;
    if (hours == 0)
        return;
    put(writer, STR("h"));
    put_number(writer, hours);
}

struct str text_from_duration(int64_t duration_ns, char out[DURATION_TEXT_BYTES])
{
    uint64_t ns = duration_ns < 0 ? 0 - (uint64_t)duration_ns : (uint64_t)duration_ns;
    struct writer writer = {out + DURATION_TEXT_BYTES};

    if (ns == 0)
        put(&writer, STR("0s"));
    else if (ns < NS_PER_S)
        put_part_of_second(&writer, ns);
    else
        put_seconds(&writer, ns);
    if (duration_ns < 0)
        put(&writer, STR("-"));
    return str_of(writer.start, (size_t)(out + DURATION_TEXT_BYTES - writer.start));
}
