/* test_text.c: numbers, percent escapes, likeness and UTF-8. Durations are in test_duration.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "harness/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

TEST(text_decimal_numbers)
{
    static const struct {
        struct str text;
        bool is_u64, is_i64;
        uint64_t u64;
        int64_t i64;
    } cases[] = {
        {STR_INIT("0"), true, true, 0, 0},
        {STR_INIT("007"), true, true, 7, 7},
        {STR_INIT("18446744073709551615"), true, false, UINT64_MAX, 0},
        {STR_INIT("00000000000000000000000018446744073709551615"), true, false, UINT64_MAX, 0},
        {STR_INIT("18446744073709551616"), false, false, 0, 0},
        {STR_INIT("18446744073709551620"), false, false, 0, 0},
        {STR_INIT("184467440737095516150"), false, false, 0, 0},
        {STR_INIT("9223372036854775807"), true, true, INT64_MAX, INT64_MAX},
        {STR_INIT("9223372036854775808"), true, false, (uint64_t)INT64_MAX + 1, 0},
        {STR_INIT("-9223372036854775808"), false, true, 0, INT64_MIN},
        {STR_INIT("-9223372036854775809"), false, false, 0, 0},
        {STR_INIT("+9223372036854775807"), false, true, 0, INT64_MAX},
        {STR_INIT("+9223372036854775808"), false, false, 0, 0},
        {STR_INIT("-1"), false, true, 0, -1},
        {STR_INIT("+1"), false, true, 0, 1},
        {STR_INIT("-0"), false, true, 0, 0},
        {STR_INIT(""), false, false, 0, 0},
        {STR_INIT("-"), false, false, 0, 0},
        {STR_INIT("+"), false, false, 0, 0},
        {STR_INIT("--1"), false, false, 0, 0},
        {STR_INIT("+-1"), false, false, 0, 0},
        {STR_INIT(" 1"), false, false, 0, 0},
        {STR_INIT("1 "), false, false, 0, 0},
        {STR_INIT("1_0"), false, false, 0, 0},
        {STR_INIT("1\0"), false, false, 0, 0},
        {STR_INIT("0x1"), false, false, 0, 0},
        {STR_INIT("1/"), false, false, 0, 0}, /* next to 0 and 9 */
        {STR_INIT("1:"), false, false, 0, 0},
        {STR_INIT("1.0"), false, false, 0, 0},
    };
    uint64_t u64;
    int64_t i64;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str text = guard_copy(cases[i].text);

        test_case_is("%.*s", STR_ARG(text));
        CHECK_EQ(text_to_u64(text, &u64), cases[i].is_u64);
        if (cases[i].is_u64)
            CHECK_EQ(u64, cases[i].u64);
        CHECK_EQ(text_to_i64(text, &i64), cases[i].is_i64);
        if (cases[i].is_i64)
            CHECK_INT(i64, cases[i].i64);
    }
    CHECK(!text_to_u64(STR_EMPTY, &u64));
    CHECK(!text_to_i64(STR_EMPTY, &i64));
}

TEST(text_digits_at_the_front)
{
    static const struct {
        struct str text;
        bool is_number;
        uint64_t number;
    } cases[] = {
        {STR_INIT("12"), true, 12},
        {STR_INIT("12 kB"), true, 12},
        {STR_INIT("0x1"), true, 0},
        {STR_INIT("18446744073709551615/"), true, UINT64_MAX},
        {STR_INIT("18446744073709551616 "), false, 0},
        {STR_INIT(""), false, 0},
        {STR_INIT(" 1"), false, 0},
        {STR_INIT("-1"), false, 0},
        {STR_INIT("max"), false, 0},
    };
    uint64_t number;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str text = guard_copy(cases[i].text);

        test_case_is("%.*s", STR_ARG(text));
        CHECK_EQ(text_leading_u64(text, &number), cases[i].is_number);
        if (cases[i].is_number)
            CHECK_EQ(number, cases[i].number);
    }
}

TEST(text_hex_numbers)
{
    static const struct {
        struct str text;
        bool is_number;
        uint64_t number;
    } cases[] = {
        {STR_INIT("0"), true, 0},
        {STR_INIT("aF09"), true, 0xaf09},
        {STR_INIT("ffffffffffffffff"), true, UINT64_MAX},
        {STR_INIT("0000000000000001"), true, 1},
        {STR_INIT("00000000000000001"), false, 0},
        {STR_INIT(""), false, 0},
        {STR_INIT("g"), false, 0},
        {STR_INIT("G"), false, 0},
        {STR_INIT("@"), false, 0},
        {STR_INIT("`"), false, 0},
        {STR_INIT("/"), false, 0},
        {STR_INIT(":"), false, 0},
        {STR_INIT("0x1"), false, 0},
        {STR_INIT("-1"), false, 0},
        {STR_INIT("1 "), false, 0},
        {STR_INIT("\x11"), false, 0}, /* a digit but for the bit 0x20 */
    };
    uint64_t number;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%.*s", STR_ARG(cases[i].text));
        CHECK_EQ(text_hex_to_u64(guard_copy(cases[i].text), &number), cases[i].is_number);
        if (cases[i].is_number)
            CHECK_EQ(number, cases[i].number);
    }
}

TEST(text_numbers_are_written_as_printf_writes_them)
{
    struct rng *rng = test_rng();

    for (int i = 0; i < 20000; i++) {
        uint64_t number = i == 0 ? 0 : i == 1 ? UINT64_MAX : rng_next(rng) >> rng_below(rng, 64), again;
        char out[NUMBER_TEXT_BYTES], expected[NUMBER_TEXT_BYTES];
        struct str text;

        snprintf(expected, sizeof expected, "%" PRIu64, number);
        text = str_of(out, text_from_u64(number, out));
        CHECK_STR(text, str_from(expected));
        CHECK(text_to_u64(text, &again));
        CHECK_EQ(again, number);
        snprintf(expected, sizeof expected, "%" PRIx64, number);
        text = str_of(out, text_hex_from_u64(number, out));
        CHECK_STR(text, str_from(expected));
        CHECK(text_hex_to_u64(text, &again));
        CHECK_EQ(again, number);
    }
}

static void check_same_double(double a, double b)
{
    uint64_t bits_a, bits_b;

    memcpy(&bits_a, &a, sizeof a);
    memcpy(&bits_b, &b, sizeof b);
    CHECK_EQ(bits_a, bits_b);
}

TEST(text_doubles_are_the_nearest)
{
    static const char *const cases[] = {
        "0",
        "-0",
        "1",
        "-1",
        "0.1",
        "-0.1",
        "1.5e3",
        "1E3",
        "1e+3",
        "1e-3",
        "0e5",
        "0.000",
        "123456789012345678901234567890",
        "0.30000000000000004",
        "9007199254740992",
        "9007199254740993",
        "9007199254740993e0",
        "9007199254740992e22",
        "9007199254740992e23",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "8.5e-22",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "4.9e-324",
        "5e-324",
        "2e-324",
        "1e-400",
        "0e999999999999999999999",
        "1e-99999999999999999999",
        "0.0000000000000000000000000000000000000000000000000000000001e60",
        "1.00000000000000011102230246251565404236316680908203124", /* just below half way to the next */
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203126",
        ("100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
         "000000000000000000000000000000000001e-140"), /* longer than fits on the stack */
    };
    double value;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i]);
        CHECK(text_to_double(guard_copy(str_from(cases[i])), &value));
        check_same_double(value, strtod(cases[i], NULL));
    }
}

TEST(text_doubles_agree_with_the_c_library)
{
    struct rng *rng = test_rng();
    double value;

    for (int i = 0; i < 50000; i++) {
        char text[64];

        snprintf(text, sizeof text, "%s%" PRIu64 ".%0*" PRIu64 "e%d", i % 2 == 0 ? "" : "-",
                 rng_next(rng) >> rng_below(rng, 64), (int)rng_below(rng, 5) + 1,
                 rng_next(rng) >> (44 + rng_below(rng, 20)), (int)rng_below(rng, 60) - 30);
        test_case_is("%s", text);
        CHECK(text_to_double(str_from(text), &value));
        check_same_double(value, strtod(text, NULL));
    }
}

TEST(text_doubles_have_the_grammar_of_json)
{
    static const struct str cases[] = {
        STR_INIT(""),
        STR_INIT("-"),
        STR_INIT("+1"),
        STR_INIT("01"),
        STR_INIT("-01"),
        STR_INIT("00"),
        STR_INIT("1."),
        STR_INIT(".1"),
        STR_INIT("-.1"),
        STR_INIT("1.e1"),
        STR_INIT("1e"),
        STR_INIT("1e+"),
        STR_INIT("1e1.0"),
        STR_INIT("1e--1"),
        STR_INIT("1e1e1"),
        STR_INIT("1 "),
        STR_INIT(" 1"),
        STR_INIT("1.0.0"),
        STR_INIT("0x10"),
        STR_INIT("nan"),
        STR_INIT("inf"),
        STR_INIT("-inf"),
        STR_INIT("1\0"),
        STR_INIT("1f"),
        STR_INIT("1,5"),
        STR_INIT("--1"),
        STR_INIT("e1"),
        STR_INIT("1Ex"),
        STR_INIT("1e999"),
        STR_INIT("-1e999"),
        STR_INIT("1e99999999999999999999"),
        STR_INIT("1.7976931348623159e308"),
    };
    double value;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%.*s", STR_ARG(cases[i]));
        CHECK(!text_to_double(guard_copy(cases[i]), &value));
    }
}

TEST(text_long_double_needs_memory)
{
    char text[300];
    double value;

    memset(text, '1', sizeof text);
    test_fail_allocation(1);
    CHECK(!text_to_double(str_of(text, sizeof text), &value));
    CHECK(text_to_double(str_of(text, sizeof text), &value));
    CHECK(value > 1.1111e299 && value < 1.1112e299);
}

TEST(text_percent_decodes)
{
    static const struct {
        struct str input;
        bool plus_is_space;
        struct str output; /* data NULL: refused */
        struct str bad;
    } cases[] = {
        {STR_INIT(""), false, STR_INIT(""), STR_INIT("")},
        {STR_INIT("abc"), false, STR_INIT("abc"), STR_INIT("")},
        {STR_INIT("a+b"), false, STR_INIT("a+b"), STR_INIT("")},
        {STR_INIT("a+b"), true, STR_INIT("a b"), STR_INIT("")},
        {STR_INIT("a%2Bb"), true, STR_INIT("a+b"), STR_INIT("")},
        {STR_INIT("%41%4a%4A"), false, STR_INIT("AJJ"), STR_INIT("")},
        {STR_INIT("%2541"), false, STR_INIT("%41"), STR_INIT("")}, /* decoded once */
        {STR_INIT("%00%ff"), false, STR_INIT("\0\xff"), STR_INIT("")},
        {STR_INIT("%"), false, {NULL, 0}, STR_INIT("%")},
        {STR_INIT("a%4"), false, {NULL, 0}, STR_INIT("%4")},
        {STR_INIT("%zzz"), false, {NULL, 0}, STR_INIT("%zz")},
        {STR_INIT("%4g"), false, {NULL, 0}, STR_INIT("%4g")},
        {STR_INIT("%g4"), false, {NULL, 0}, STR_INIT("%g4")},
        {STR_INIT("%%41"), false, {NULL, 0}, STR_INIT("%%4")},
        {STR_INIT("%41%"), false, {NULL, 0}, STR_INIT("%")},
        {STR_INIT("% 41"), false, {NULL, 0}, STR_INIT("% 4")},
        {STR_INIT("%+1"), true, {NULL, 0}, STR_INIT("%+1")},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str out, bad;

        test_case_is("%.*s", STR_ARG(cases[i].input));
        CHECK_EQ(text_percent_decode(test_arena(), guard_copy(cases[i].input), cases[i].plus_is_space, &out, &bad),
                 cases[i].output.data != NULL);
        CHECK_STR(bad, cases[i].bad);
        if (!cases[i].output.data)
            continue;
        CHECK_STR(out, cases[i].output);
        CHECK_EQ(out.data[out.len], 0);
    }
    CHECK(!text_percent_decode(test_arena(), STR("%"), false, &(struct str){0}, NULL));
}

TEST(text_percent_decode_without_room)
{
    struct arena *arena = arena_new(NULL, 3);
    struct str out, bad = STR("x");

    CHECK(!text_percent_decode(arena, STR("%41%"), false, &out, &bad));
    CHECK_EQ(bad.len, 0);
    CHECK(text_percent_decode(arena, STR("ab"), false, &out, &bad));
    arena_free(arena);
}

TEST(text_distance_counts_edits)
{
    static const struct {
        struct str a, b;
        unsigned limit, distance;
    } cases[] = {
        {STR_INIT("timeout"), STR_INIT("timeout"), 2, 0},
        {STR_INIT("timeout"), STR_INIT("timout"), 2, 1},
        {STR_INIT("timeout"), STR_INIT("timeouts"), 2, 1},
        {STR_INIT("timeout"), STR_INIT("timexut"), 2, 1},
        {STR_INIT("timeout"), STR_INIT("timeuot"), 2, 2},
        {STR_INIT("kitten"), STR_INIT("sitting"), 5, 3},
        {STR_INIT("kitten"), STR_INIT("sitting"), 3, 3},
        {STR_INIT("kitten"), STR_INIT("sitting"), 2, 3},
        {STR_INIT("kitten"), STR_INIT("sitting"), 1, 2},
        {STR_INIT("kitten"), STR_INIT("sitting"), 0, 1},
        {STR_INIT(""), STR_INIT("abc"), 5, 3},
        {STR_INIT("abc"), STR_INIT(""), 5, 3},
        {STR_INIT(""), STR_INIT(""), 5, 0},
        {STR_INIT("abc"), STR_INIT("xyz"), 9, 3},
        {STR_INIT("Saturday"), STR_INIT("Sunday"), 9, 3},
        {STR_INIT("a"), STR_INIT("A"), 9, 1},
    };
    char long_a[129], long_b[129];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%.*s and %.*s", STR_ARG(cases[i].a), STR_ARG(cases[i].b));
        CHECK_EQ(text_distance(guard_copy(cases[i].a), guard_copy(cases[i].b), cases[i].limit), cases[i].distance);
        CHECK_EQ(text_distance(cases[i].b, cases[i].a, cases[i].limit), cases[i].distance);
    }
    memset(long_a, 'a', sizeof long_a);
    memset(long_b, 'a', sizeof long_b);
    long_b[5] = 'b';
    CHECK_EQ(text_distance(str_of(long_a, 128), str_of(long_b, 128), 3), 1);
    CHECK_EQ(text_distance(str_of(long_a, 128), str_of(long_a + 1, 0), 200), 128);
    CHECK_EQ(text_distance(str_of(long_a, 129), str_of(long_b, 129), 3), 4); /* too long to look at */
    CHECK_EQ(text_distance(str_of(long_a, 129), guard_copy(str_of(long_a, 129)), 3), 0);
}

TEST(text_utf8_edges)
{
    static const struct {
        struct str bytes;
        bool is_utf8;
    } cases[] = {
        {STR_INIT(""), true},
        {STR_INIT("\0\x7f"), true},
        {STR_INIT("\x80"), false},
        {STR_INIT("\xbf"), false},
        {STR_INIT("\xc0\x80"), false}, /* two bytes for NUL */
        {STR_INIT("\xc1\xbf"), false},
        {STR_INIT("\xc2\x80"), true},
        {STR_INIT("\xc2"), false},
        {STR_INIT("\xc2\x7f"), false},
        {STR_INIT("\xc2\xc0"), false},
        {STR_INIT("\xdf\xbf"), true},
        {STR_INIT("\xe0\x9f\xbf"), false},
        {STR_INIT("\xe0\xa0\x80"), true},
        {STR_INIT("\xe0\xa0"), false},
        {STR_INIT("\xe0\xa0\x7f"), false},
        {STR_INIT("\xe2\x82\xac"), true},
        {STR_INIT("\xed\x9f\xbf"), true},
        {STR_INIT("\xed\xa0\x80"), false}, /* first surrogate */
        {STR_INIT("\xed\xbf\xbf"), false},
        {STR_INIT("\xee\x80\x80"), true},
        {STR_INIT("\xef\xbf\xbf"), true},
        {STR_INIT("\xf0\x8f\xbf\xbf"), false},
        {STR_INIT("\xf0\x90\x80\x80"), true},
        {STR_INIT("\xf0\x90\x80"), false},
        {STR_INIT("\xf0\x90\x80\xc0"), false},
        {STR_INIT("\xf4\x8f\xbf\xbf"), true},
        {STR_INIT("\xf4\x90\x80\x80"), false}, /* U+110000 */
        {STR_INIT("\xf5\x80\x80\x80"), false},
        {STR_INIT("\xf8\x88\x80\x80\x80"), false},
        {STR_INIT("\xff"), false},
        {STR_INIT("\xfe"), false},
    };

    /* Each at every distance from a step of eight bytes, with ASCII around. */
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t before = 0; before < 18; before++)
            for (size_t after = 0; after < 10; after++) {
                char bytes[32];

                test_case_is("%zu, %zu before, %zu after", i, before, after);
                memset(bytes, 'a', sizeof bytes);
                memcpy(bytes + before, cases[i].bytes.data, cases[i].bytes.len);
                CHECK_EQ(text_is_utf8(guard_copy(str_of(bytes, before + cases[i].bytes.len + after))),
                         cases[i].is_utf8);
            }
    CHECK(text_is_utf8(STR_EMPTY));
}

/* Every code point, written by the rules of RFC 3629 3, and every pair of bytes. */
TEST(text_utf8_of_all_code_points)
{
    for (uint32_t c = 0; c < 0x120000; c++) {
        char b[4];
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

        for (size_t i = 0; i < len; i++)
            b[i] = (char)(0x80 | (c >> (6 * (len - 1 - i)) & 0x3f));
        b[0] = (char)(len == 1 ? c : (0xf00 >> len & 0xff) | c >> (6 * (len - 1)));
        if (text_is_utf8(str_of(b, len)) != ((c < 0xd800 || c > 0xdfff) && c <= 0x10ffff))
            test_fail(__FILE__, __LINE__, "U+%04X", c);
    }
    for (unsigned pair = 0; pair < 0x10000; pair++) {
        char b[2] = {(char)(pair >> 8), (char)pair};
        bool two = pair >> 8 >= 0xc2 && pair >> 8 <= 0xdf && (pair & 0xc0) == 0x80;

        if (text_is_utf8(str_of(b, 2)) != (two || (pair & 0x8080) == 0))
            test_fail(__FILE__, __LINE__, "bytes %04x", pair);
    }
}
