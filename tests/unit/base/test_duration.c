/* test_duration.c: durations read and printed as Go's package time does. The expected values were made with Go.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "harness/test.h"

#include <inttypes.h>

/* clang-format off */
static const struct {
    struct str text;
    int64_t ns;
    const char *print;
} read_cases[] = {
    {STR_INIT("0"), 0, "0s"},
    {STR_INIT("+0"), 0, "0s"},
    {STR_INIT("-0"), 0, "0s"},
    {STR_INIT("5s"), 5000000000, "5s"},
    {STR_INIT("30s"), 30000000000, "30s"},
    {STR_INIT("1478s"), 1478000000000, "24m38s"},
    {STR_INIT("-5s"), -5000000000, "-5s"},
    {STR_INIT("+5s"), 5000000000, "5s"},
    {STR_INIT("5.0s"), 5000000000, "5s"},
    {STR_INIT("5.6s"), 5600000000, "5.6s"},
    {STR_INIT("5.s"), 5000000000, "5s"},
    {STR_INIT(".5s"), 500000000, "500ms"},
    {STR_INIT("1.0s"), 1000000000, "1s"},
    {STR_INIT("1.00s"), 1000000000, "1s"},
    {STR_INIT("1.004s"), 1004000000, "1.004s"},
    {STR_INIT("1.0040s"), 1004000000, "1.004s"},
    {STR_INIT("100.00100s"), 100001000000, "1m40.001s"},
    {STR_INIT("10ns"), 10, "10ns"},
    {STR_INIT("11us"), 11000, "11\xc2\xb5s"},
    {STR_INIT("12\xc2\xb5s"), 12000, "12\xc2\xb5s"},
    {STR_INIT("12\xce\xbcs"), 12000, "12\xc2\xb5s"},
    {STR_INIT("13ms"), 13000000, "13ms"},
    {STR_INIT("14s"), 14000000000, "14s"},
    {STR_INIT("15m"), 900000000000, "15m0s"},
    {STR_INIT("16h"), 57600000000000, "16h0m0s"},
    {STR_INIT("3h30m"), 12600000000000, "3h30m0s"},
    {STR_INIT("10.5s4m"), 250500000000, "4m10.5s"},
    {STR_INIT("-2m3.4s"), -123400000000, "-2m3.4s"},
    {STR_INIT("1h2m3s4ms5us6ns"), 3723004005006, "1h2m3.004005006s"},
    {STR_INIT("39h9m14.425s"), 140954425000000, "39h9m14.425s"},
    {STR_INIT("52763797000ns"), 52763797000, "52.763797s"},
    {STR_INIT("0.3333333333333333333h"), 1200000000000, "20m0s"},
    {STR_INIT("9007199254740993ns"), 9007199254740993, "2501h59m59.254740993s"},
    {STR_INIT("9223372036854775807ns"), 9223372036854775807, "2562047h47m16.854775807s"},
    {STR_INIT("9223372036854775.807us"), 9223372036854775807, "2562047h47m16.854775807s"},
    {STR_INIT("9223372036s854ms775us807ns"), 9223372036854775807, "2562047h47m16.854775807s"},
    {STR_INIT("-9223372036854775808ns"), INT64_MIN, "-2562047h47m16.854775808s"},
    {STR_INIT("-9223372036854775.808us"), INT64_MIN, "-2562047h47m16.854775808s"},
    {STR_INIT("-9223372036s854ms775us808ns"), INT64_MIN, "-2562047h47m16.854775808s"},
    {STR_INIT("-2562047h47m16.854775808s"), INT64_MIN, "-2562047h47m16.854775808s"},
    {STR_INIT("0.100000000000000000000h"), 360000000000, "6m0s"},
    {STR_INIT("0.830103483285477580700h"), 2988372539827, "49m48.372539827s"},
    {STR_INIT("00s"), 0, "0s"},
    {STR_INIT("0.0s"), 0, "0s"},
    {STR_INIT("01s"), 1000000000, "1s"},
    {STR_INIT("1m1h"), 3660000000000, "1h1m0s"},
    {STR_INIT("1s1s"), 2000000000, "2s"},
    {STR_INIT("9223372036854775807.999ns"), 9223372036854775807, "2562047h47m16.854775807s"},
    {STR_INIT("1.9ns"), 1, "1ns"},
    {STR_INIT("0.9us"), 900, "900ns"},
    {STR_INIT("1.5us"), 1500, "1.5\xc2\xb5s"},
    {STR_INIT("1.999999ms"), 1999999, "1.999999ms"},
    {STR_INIT("2562047h47m16.854775807s"), 9223372036854775807, "2562047h47m16.854775807s"},
    {STR_INIT("1.00000000000000000000000001s"), 1000000000, "1s"},
    {STR_INIT("0.99999999999999999999999s"), 1000000000, "1s"},
    {STR_INIT("1us2.5ms"), 2501000, "2.501ms"},
    {STR_INIT("-0s"), 0, "0s"},
    {STR_INIT("-0.5h"), -1800000000000, "-30m0s"},
    {STR_INIT("1.1ns"), 1, "1ns"},
    {STR_INIT("0.000000001h"), 3600, "3.6\xc2\xb5s"},
};
/* clang-format on */

TEST(duration_is_read_as_go_reads_it)
{
    char out[DURATION_TEXT_BYTES];
    int64_t ns, again;

    for (size_t i = 0; i < COUNT_OF(read_cases); i++) {
        test_case_is("%.*s", STR_ARG(read_cases[i].text));
        CHECK(text_to_duration(guard_copy(read_cases[i].text), &ns));
        CHECK_INT(ns, read_cases[i].ns);
        CHECK_STR(text_from_duration(ns, out), str_from(read_cases[i].print));
        CHECK(text_to_duration(text_from_duration(ns, out), &again));
        CHECK_INT(again, ns);
    }
}

TEST(duration_refuses_what_go_refuses)
{
    /* clang-format off */
    static const struct str cases[] = {
        STR_INIT(""),
        STR_INIT("+"),
        STR_INIT("-"),
        STR_INIT("9223372036854775808ns"),
        STR_INIT("9223372036854775.808us"),
        STR_INIT("9223372036854ms775us808ns"),
        STR_INIT("-9223372036854775809ns"),
        STR_INIT("3000000h"),
        STR_INIT("3"),
        STR_INIT("3."),
        STR_INIT("s"),
        STR_INIT("1"),
        STR_INIT("-.s"),
        STR_INIT(".s"),
        STR_INIT("+.s"),
        STR_INIT(" 1s"),
        STR_INIT("1s "),
        STR_INIT("1 s"),
        STR_INIT("1d"),
        STR_INIT("1S"),
        STR_INIT("1h30"),
        STR_INIT("1h 30m"),
        STR_INIT("1.2.3s"),
        STR_INIT("1..s"),
        STR_INIT("--1s"),
        STR_INIT("1e3s"),
        STR_INIT("0x1s"),
        STR_INIT("000"),
        STR_INIT("2562047h47m16.854775808s"),
        STR_INIT("99999999999999999999s"),
        STR_INIT("1\x00s"),
        STR_INIT("1ns\x00"),
        STR_INIT("18446744073709551616ns"),
        STR_INIT("1\xc2\xb5"),
        STR_INIT("1us1"),
        STR_INIT("inf"),
        STR_INIT("1hm"),
        STR_INIT("0s0"),
        STR_INIT("9223372036854775808ns9223372036854775808ns"), /* Go wraps around here */
        STR_INIT("9223372036854775807ns1ns"), STR_INIT("-9223372036854775808ns1ns"), STR_INIT("1\xc2s"),
    };
    /* clang-format on */
    int64_t ns;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%.*s", STR_ARG(cases[i]));
        CHECK(!text_to_duration(guard_copy(cases[i]), &ns));
    }
    CHECK(!text_to_duration(STR_EMPTY, &ns));
}

TEST(duration_is_printed_as_go_prints_it)
{
    /* clang-format off */
    static const struct {
        int64_t ns;
        const char *print;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {-1, "-1ns"},
        {999, "999ns"},
        {1000, "1\xc2\xb5s"},
        {1001, "1.001\xc2\xb5s"},
        {1100, "1.1\xc2\xb5s"},
        {999999, "999.999\xc2\xb5s"},
        {1000000, "1ms"},
        {1000001, "1.000001ms"},
        {2200000, "2.2ms"},
        {999999999, "999.999999ms"},
        {1000000000, "1s"},
        {1000000001, "1.000000001s"},
        {3300000000, "3.3s"},
        {59999999999, "59.999999999s"},
        {60000000000, "1m0s"},
        {61000000000, "1m1s"},
        {3599999999999, "59m59.999999999s"},
        {3600000000000, "1h0m0s"},
        {3661000000000, "1h1m1s"},
        {14700000000000, "4h5m0s"},
        {245001000000, "4m5.001s"},
        {18367001000000, "5h6m7.001s"},
        {480000000001, "8m0.000000001s"},
        {9223372036854775807, "2562047h47m16.854775807s"},
        {INT64_MIN, "-2562047h47m16.854775808s"},
        {-1500000000, "-1.5s"},
    };
    /* clang-format on */
    char out[DURATION_TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%" PRId64, cases[i].ns);
        CHECK_STR(text_from_duration(cases[i].ns, out), str_from(cases[i].print));
    }
}

TEST(duration_print_is_read_back)
{
    struct rng *rng = test_rng();
    char out[DURATION_TEXT_BYTES];
    int64_t again;

    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(rng_next(rng) >> rng_below(rng, 64));
        struct str text = text_from_duration(i % 2 == 0 ? ns : -ns, out);

        test_case_is("%.*s", STR_ARG(text));
        CHECK(text_to_duration(text, &again));
        CHECK_INT(again, i % 2 == 0 ? ns : -ns);
    }
}
