/* date.c: the date of the Date field, without a call of the C library's calendar. SPDX-License-Identifier: Apache-2.0
 */
#include "base/assert.h"
#include "http/head.h"

struct civil {
    uint64_t year, month, day; /* month and day count from 1 */
};

/* From days since 1970-01-01. Years are counted from March, so that the leap day is the last of a year, in eras of 400
 * years, which all have the same number of days. */
static struct civil civil_of(uint64_t days)
{
    uint64_t since_era = (days + 719468) % 146097, era = (days + 719468) / 146097;
    uint64_t year = (since_era - since_era / 1460 + since_era / 36524 - since_era / 146096) / 365;
    uint64_t day = since_era - (365 * year + year / 4 - year / 100);
    uint64_t month = (5 * day + 2) / 153; /* 0 is March */

    return (struct civil){
        .year = year + era * 400 + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = day - (153 * month + 2) / 5 + 1,
    };
}

static void put_digits(char *out, uint64_t number, size_t count)
{
    while (count-- > 0) {
        out[count] = (char)('0' + number % 10);
        number /= 10;
    }
}

struct str http_date(uint64_t wall_ns, char out[HTTP_DATE_BYTES])
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t seconds = wall_ns / 1000000000, days = seconds / 86400, second = seconds % 86400;
    struct civil civil = civil_of(days);

    memcpy(out, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_BYTES);
    memcpy(out, weekdays + days % 7 * 3, 3);
    put_digits(out + 5, civil.day, 2);
    memcpy(out + 8, months + (civil.month - 1) * 3, 3);
    put_digits(out + 12, civil.year, 4);
    put_digits(out + 17, second / 3600, 2);
    put_digits(out + 20, second / 60 % 60, 2);
    put_digits(out + 23, second % 60, 2);
    return str_of(out, HTTP_DATE_BYTES - 1);
}

struct str http_date_of(struct http_dates *dates, uint64_t wall_ns)
{
    uint64_t second = wall_ns / 1000000000;

    if (second != dates->second || dates->text[0] == '\0')
        http_date(wall_ns, dates->text);
    dates->second = second;
    return str_of(dates->text, HTTP_DATE_BYTES - 1);
}
