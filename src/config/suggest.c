/* suggest.c: what was probably meant by a duration or a size that is none: "3sec", "5 s", "1d", "64K". A suggestion is
 * only made when the loader would take it. Start with suggest_duration. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "config/value_internal.h"

enum { TEXT_BYTES_MAX = 64 };

/* Words for units of time; `hours` says how many hours a unit has that Go does not know. */
struct time_word {
    struct str word;
    const char *unit;
    uint32_t hours;
};

/* clang-format off */
static const struct time_word time_words[] = {
    {STR_INIT("s"), "s", 0}, {STR_INIT("sec"), "s", 0}, {STR_INIT("secs"), "s", 0},
    {STR_INIT("second"), "s", 0}, {STR_INIT("seconds"), "s", 0},
    {STR_INIT("m"), "m", 0}, {STR_INIT("min"), "m", 0}, {STR_INIT("mins"), "m", 0},
    {STR_INIT("minute"), "m", 0}, {STR_INIT("minutes"), "m", 0},
    {STR_INIT("h"), "h", 0}, {STR_INIT("hr"), "h", 0}, {STR_INIT("hrs"), "h", 0},
    {STR_INIT("hour"), "h", 0}, {STR_INIT("hours"), "h", 0},
    {STR_INIT("ms"), "ms", 0}, {STR_INIT("msec"), "ms", 0}, {STR_INIT("msecs"), "ms", 0}, {STR_INIT("millis"), "ms", 0},
    {STR_INIT("millisecond"), "ms", 0}, {STR_INIT("milliseconds"), "ms", 0},
    {STR_INIT("us"), "us", 0}, {STR_INIT("usec"), "us", 0}, {STR_INIT("micros"), "us", 0},
    {STR_INIT("microsecond"), "us", 0}, {STR_INIT("microseconds"), "us", 0},
    {STR_INIT("ns"), "ns", 0}, {STR_INIT("nsec"), "ns", 0}, {STR_INIT("nanos"), "ns", 0},
    {STR_INIT("nanosecond"), "ns", 0}, {STR_INIT("nanoseconds"), "ns", 0},
    {STR_INIT("d"), "h", 24}, {STR_INIT("day"), "h", 24}, {STR_INIT("days"), "h", 24},
    {STR_INIT("w"), "h", 168}, {STR_INIT("week"), "h", 168}, {STR_INIT("weeks"), "h", 168},
};
/* clang-format on */

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '.';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the longest front of *rest whose bytes all are (or are not) number characters; spaces around it are dropped. */
static struct str take_run(struct str *rest, bool numbers)
{
    size_t len = 0;

    *rest = str_trim(*rest);
    while (len < rest->len && is_number_char(rest->data[len]) == numbers && !is_space(rest->data[len]))
        len++;
    struct str run = str_first(*rest, len);

    *rest = str_trim(str_from_offset(*rest, len));
    return run;
}

static const struct time_word *find_time_word(struct str word)
{
    for (size_t i = 0; i < COUNT_OF(time_words); i++) {
        if (str_eq_fold(word, time_words[i].word))
            return &time_words[i];
    }
    return NULL;
}

/* One number and its word in the loader's units; data NULL: not understood, or no memory. */
static struct str convert_part(struct arena *arena, struct str number, struct str word)
{
    const struct time_word *known = find_time_word(word);
    uint64_t count;

    if (!known || number.len == 0)
        return STR_EMPTY;
    if (known->hours == 0)
        return arena_format(arena, "%.*s%s", STR_ARG(number), known->unit);
    if (!text_to_u64(number, &count) || count > 100000)
        return STR_EMPTY;
    return arena_format(arena, "%uh", (unsigned)count * known->hours);
}

static const char *did_you_mean(struct arena *arena, struct str meant)
{
    return arena_format(arena, "did you mean \"%.*s\"?", STR_ARG(meant)).data;
}

/* A number without a unit. Few people wait hundreds of seconds, and fewer write three milliseconds. */
static const char *suggest_for_number(struct arena *arena, struct str number)
{
    double value;

    if (!text_to_double(number, &value))
        return NULL;
    return arena_format(arena, "add a unit: did you mean \"%.*s%s\"?", STR_ARG(number), value < 100 ? "s" : "ms").data;
}

const char *suggest_duration(struct arena *arena, struct str wrong)
{
    struct str rest = str_trim(wrong), meant = STR("");
    int64_t duration_ns;

    if (rest.len == 0 || rest.len > TEXT_BYTES_MAX)
        return "such as \"1.5s\", \"300ms\", \"1h30m\"";
    while (rest.len > 0) {
        struct str number = take_run(&rest, true), word = take_run(&rest, false);

        if (meant.len == 0 && word.len == 0 && rest.len == 0)
            return suggest_for_number(arena, number);
        struct str part = convert_part(arena, number, word);

        if (!part.data)
            return "such as \"1.5s\", \"300ms\", \"1h30m\"";
        meant = arena_format(arena, "%.*s%.*s", STR_ARG(meant), STR_ARG(part));
    }
    return meant.data && text_to_duration(meant, &duration_ns) ? did_you_mean(arena, meant) : NULL;
}

const char *suggest_unit(struct arena *arena, int64_t number)
{
    char text[DURATION_TEXT_BYTES];

    if (number >= 1000000) /* a millisecond and more: nanoseconds may well be meant */
        return arena_format(arena, "write \"%.*s\"", STR_ARG(text_from_duration(number, text))).data;
    return arena_format(arena, "did you mean \"%lld%s\"?", (long long)number, number < 100 ? "s" : "ms").data;
}

const char *suggest_size(struct arena *arena, struct str wrong)
{
    struct str rest = str_trim(wrong), number = take_run(&rest, true), word = take_run(&rest, false);
    char unit = word.len > 0 ? (char)(word.data[0] & ~0x20) : '\0';
    double value;

    if (wrong.len > TEXT_BYTES_MAX || rest.len > 0 || !text_to_double(number, &value))
        return "such as 65536, \"64KiB\", \"1MB\"";
    if (unit != 'K' && unit != 'M' && unit != 'G')
        return "such as 65536, \"64KiB\", \"1MB\"";
    return did_you_mean(arena, arena_format(arena, "%.*s%ciB", STR_ARG(number), unit));
}
