/* feed_date.c: reads the dates that feeds are written with. Start with feed_date. SPDX-License-Identifier: Apache-2.0
 */
#include "gateway/feed_date.h"

#include "base/text.h"

struct moment {
    int64_t year, month, day, hour, minute, second, offset_minutes;
};

static bool take_char(struct str *text, char c)
{
    if (text->len == 0 || text->data[0] != c)
        return false;
    *text = str_from_offset(*text, 1);
    return true;
}

/* Up to `digits_max` digits; false: there is none. */
static bool take_number(struct str *text, unsigned digits_max, int64_t *number)
{
    unsigned digits = 0;

    *number = 0;
    for (; digits < digits_max && text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9'; digits++) {
        *number = *number * 10 + (text->data[0] - '0');
        *text = str_from_offset(*text, 1);
    }
    return digits > 0;
}

static void skip_spaces(struct str *text)
{
    while (take_char(text, ' ') || take_char(text, ','))
        continue;
}

/* "Z", "+02:00", "+0200", "GMT" and the American names. */
static bool take_zone(struct str *text, int64_t *offset_minutes)
{
    static const struct {
        const char *name;
        int hours;
    } names[] = {{"GMT", 0},  {"UTC", 0},  {"UT", 0},   {"EST", -5}, {"EDT", -4}, {"CST", -6}, {"CDT", -5},
                 {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}, {"CET", 1},  {"CEST", 2}, {"Z", 0}};
    bool minus = text->len > 0 && text->data[0] == '-';
    int64_t hours, minutes;

    *offset_minutes = 0;
    if (text->len == 0)
        return true;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq(*text, str_from(names[i].name))) {
            *offset_minutes = names[i].hours * 60;
            return true;
        }
    if (!take_char(text, '+') && !take_char(text, '-'))
        return false;
    if (!take_number(text, 2, &hours))
        return false;
    (void)take_char(text, ':');
    if (!take_number(text, 2, &minutes))
        return false;
    *offset_minutes = (hours * 60 + minutes) * (minus ? -1 : 1);
    return text->len == 0;
}

static bool take_clock(struct str *text, struct moment *m)
{
    int64_t ignored;

    if (!take_number(text, 2, &m->hour) || !take_char(text, ':') || !take_number(text, 2, &m->minute))
        return false;
    if (take_char(text, ':') && !take_number(text, 2, &m->second))
        return false;
    if (take_char(text, '.') && !take_number(text, 9, &ignored))
        return false;
    return m->hour < 24 && m->minute < 60 && m->second <= 60;
}

static bool take_month(struct str *text, int64_t *month)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (*month = 1; *month <= 12; (*month)++)
        if (str_starts_fold(*text, str_of(names + 3 * (*month - 1), 3))) {
            while (text->len > 0 && (text->data[0] | 0x20) >= 'a' && (text->data[0] | 0x20) <= 'z')
                *text = str_from_offset(*text, 1);
            return true;
        }
    return false;
}

/* "Mon, 02 Jan 2006 15:04:05 MST" */
static bool read_mail_date(struct str text, struct moment *m)
{
    size_t comma = str_find_char(text, ',');

    if (comma < text.len)
        text = str_from_offset(text, comma + 1);
    skip_spaces(&text);
    if (!take_number(&text, 2, &m->day))
        return false;
    skip_spaces(&text);
    if (!take_month(&text, &m->month))
        return false;
    skip_spaces(&text);
    if (!take_number(&text, 4, &m->year))
        return false;
    m->year += m->year < 70 ? 2000 : m->year < 100 ? 1900 : 0;
    skip_spaces(&text);
    if (text.len > 0 && !take_clock(&text, m))
        return false;
    skip_spaces(&text);
    return take_zone(&text, &m->offset_minutes);
}

/* "2006-01-02T15:04:05Z", "2006-01-02" */
static bool read_iso_date(struct str text, struct moment *m)
{
    if (!take_number(&text, 4, &m->year) || !take_char(&text, '-') || !take_number(&text, 2, &m->month) ||
        !take_char(&text, '-') || !take_number(&text, 2, &m->day))
        return false;
    if (text.len == 0)
        return true;
    if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' '))
        return false;
    if (!take_clock(&text, m))
        return false;
    skip_spaces(&text);
    return take_zone(&text, &m->offset_minutes);
}

/* Days since 1970-03-01 shifted to a year that begins in March, so that leap days come last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year, from_march = (month + 9) % 12;

    return shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + (from_march * 153 + 2) / 5 + day;
}

static void from_days(int64_t days, struct moment *m)
{
    int64_t year = days * 400 / 146097 + 1;

    while (days_of(year, 3, 1) > days)
        year--;
    m->month = 2;
    for (int64_t i = 3; i <= 14 && days_of(i > 12 ? year + 1 : year, i > 12 ? i - 12 : i, 1) <= days; i++)
        m->month = i > 12 ? i - 12 : i;
    m->year = m->month <= 2 ? year + 1 : year;
    m->day = days - days_of(m->year, m->month, 1) + 1;
}

struct str feed_date(struct arena *arena, struct str text)
{
    struct moment m = {0};
    int64_t minutes;

    text = str_trim(text);
    if (!read_iso_date(text, &m)) {
        m = (struct moment){0};
        if (!read_mail_date(text, &m))
            return STR_EMPTY;
    }
    if (m.month < 1 || m.month > 12 || m.day < 1 || m.day > 31 || m.year < 1)
        return STR_EMPTY;
    minutes = days_of(m.year, m.month, m.day) * 1440 + m.hour * 60 + m.minute - m.offset_minutes;
    from_days(minutes / 1440, &m);
    return arena_format(arena, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)m.year, (int)m.month, (int)m.day,
                        (int)(minutes % 1440 / 60), (int)(minutes % 60), (int)m.second);
}
