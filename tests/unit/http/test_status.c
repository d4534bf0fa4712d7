/* test_status.c: statuses, methods, dates. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "http/head.h"

#include <stdio.h>

TEST(statuses_have_their_reasons)
{
    CHECK_TEXT(status_reason(100), "Continue");
    CHECK_TEXT(status_reason(200), "OK");
    CHECK_TEXT(status_reason(404), "Not Found");
    CHECK_TEXT(status_reason(511), "Network Authentication Required");
    CHECK_EQ(status_reason(0).len, 0);
    CHECK_EQ(status_reason(299).len, 0);
    CHECK_EQ(status_reason(599).len, 0);
    CHECK_EQ(status_reason(999).len, 0);
    CHECK_EQ(status_reason(65535).len, 0);
}

TEST(bodies_depend_on_the_status)
{
    CHECK(!status_has_body(100));
    CHECK(!status_has_body(199));
    CHECK(status_has_body(200));
    CHECK(!status_has_body(204));
    CHECK(status_has_body(205));
    CHECK(!status_has_body(304));
    CHECK(status_has_body(404));
}

TEST(methods_are_idempotent_by_their_exact_name)
{
    CHECK(method_is_idempotent(STR("GET")));
    CHECK(method_is_idempotent(STR("HEAD")));
    CHECK(method_is_idempotent(STR("PUT")));
    CHECK(method_is_idempotent(STR("DELETE")));
    CHECK(method_is_idempotent(STR("OPTIONS")));
    CHECK(method_is_idempotent(STR("TRACE")));
    CHECK(!method_is_idempotent(STR("POST")));
    CHECK(!method_is_idempotent(STR("PATCH")));
    CHECK(!method_is_idempotent(STR("get")));
    CHECK(!method_is_idempotent(STR("")));
}

TEST(dates_are_those_of_the_calendar)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the example of RFC 9110 5.6.7 */
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {978307199, "Sun, 31 Dec 2000 23:59:59 GMT"},
        {978307200, "Mon, 01 Jan 2001 00:00:00 GMT"},
        {1709164800, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"}, /* no leap year */
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
    };
    char out[HTTP_DATE_BYTES];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].text);
        CHECK_STR(http_date(rows[i].seconds * 1000000000 + 999999999, out), str_from(rows[i].text));
        CHECK_EQ(out[HTTP_DATE_BYTES - 1], 0);
    }
}

TEST(dates_are_made_once_for_each_second)
{
    static const struct {
        uint64_t second;
        const char *text;
    } rows[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {978307199, "Sun, 31 Dec 2000 23:59:59 GMT"},
        {978307199, "Sun, 31 Dec 2000 23:59:59 GMT"},
        {978307200, "Mon, 01 Jan 2001 00:00:00 GMT"},
        {978307199, "Sun, 31 Dec 2000 23:59:59 GMT"}, /* the calendar was set back */
    };
    struct http_dates dates = {0};

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_STR(http_date_of(&dates, rows[i].second * 1000000000 + 999999999), str_from(rows[i].text));
}

TEST(each_day_follows_the_one_before)
{
    static const unsigned lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned day = 1, month = 0, year = 1970;

    for (uint64_t days = 0; days < 200000; days++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        unsigned length = lengths[month] + (month == 1 && leap);
        char out[HTTP_DATE_BYTES], want[32];

        snprintf(want, sizeof(want), "%02u %.3s %04u", day, &"JanFebMarAprMayJunJulAugSepOctNovDec"[month * 3], year);
        http_date(days * 86400 * UINT64_C(1000000000), out);
        CHECK_STR(str_of(out + 5, 11), str_from(want));
        if (day++ < length)
            continue;
        day = 1;
        month = (month + 1) % 12;
        year += month == 0;
    }
}
