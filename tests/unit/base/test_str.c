/* test_str.c: text as pointer and length. SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"
#include "harness/test.h"

TEST(str_equality_looks_at_bytes_and_len)
{
    CHECK(str_eq(STR("abc"), guard_copy(STR("abc"))));
    CHECK(!str_eq(STR("abc"), STR("abd")));
    CHECK(!str_eq(STR("abc"), STR("abcd")));
    CHECK(str_eq(STR_EMPTY, STR("")));
    CHECK(!str_eq(STR_EMPTY, STR("\0")));
}

TEST(str_of_a_missing_text_is_empty)
{
    CHECK_EQ(str_from(NULL).len, 0);
    CHECK_TEXT(str_from("ab"), "ab");
}

TEST(str_parts_stay_inside)
{
    struct str s = STR("hello");

    CHECK_TEXT(str_from_offset(s, 0), "hello");
    CHECK_TEXT(str_from_offset(s, 4), "o");
    CHECK_TEXT(str_from_offset(s, 5), "");
    CHECK_TEXT(str_from_offset(s, SIZE_MAX), "");
    CHECK_TEXT(str_first(s, 0), "");
    CHECK_TEXT(str_first(s, 5), "hello");
    CHECK_TEXT(str_first(s, SIZE_MAX), "hello");
    CHECK_EQ(str_from_offset(STR_EMPTY, 1).len, 0);
}

TEST(str_fold_knows_only_ascii_letters)
{
    static const struct {
        struct str a, b;
        bool equal;
    } cases[] = {
        {STR_INIT(""), STR_INIT(""), true},
        {STR_INIT("Content-Length"), STR_INIT("cONTENT-lENGTH"), true},
        {STR_INIT("az"), STR_INIT("AZ"), true},
        {STR_INIT("@["), STR_INIT("`{"), false}, /* next to A and Z, and a bit apart from their neighbours */
        {STR_INIT("a"), STR_INIT("b"), false},
        {STR_INIT("a"), STR_INIT("aa"), false},
        {STR_INIT("Age"), STR_INIT("agf"), false},
        {STR_INIT("\xc4"), STR_INIT("\xe4"), false}, /* a letter in Latin-1 */
        {STR_INIT("-"), STR_INIT("\x0d"), false},    /* differ in bit 0x20 */
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%zu", i);
        CHECK_EQ(str_eq_fold(guard_copy(cases[i].a), guard_copy(cases[i].b)), cases[i].equal);
        CHECK_EQ(str_eq_fold(cases[i].b, cases[i].a), cases[i].equal);
    }
    CHECK(str_eq_fold(STR_EMPTY, STR("")));
}

TEST(str_prefixes_and_suffixes)
{
    static const struct {
        struct str s, part;
        bool starts, starts_fold, ends;
    } cases[] = {
        {STR_INIT("http://x"), STR_INIT("http://"), true, true, false},
        {STR_INIT("HTTP://x"), STR_INIT("http://"), false, true, false},
        {STR_INIT("a.json"), STR_INIT(".json"), false, false, true},
        {STR_INIT("a.JSON"), STR_INIT(".json"), false, false, false},
        {STR_INIT("abc"), STR_INIT("abc"), true, true, true},
        {STR_INIT("abc"), STR_INIT("abcd"), false, false, false},
        {STR_INIT("abcd"), STR_INIT("abd"), false, false, false},
        {STR_INIT("bc"), STR_INIT("abc"), false, false, false},
        {STR_INIT("abc"), STR_INIT(""), true, true, true},
        {STR_INIT(""), STR_INIT(""), true, true, true},
        {STR_INIT(""), STR_INIT("a"), false, false, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str s = guard_copy(cases[i].s), part = guard_copy(cases[i].part);

        test_case_is("%zu", i);
        CHECK_EQ(str_starts(s, part), cases[i].starts);
        CHECK_EQ(str_starts_fold(s, part), cases[i].starts_fold);
        CHECK_EQ(str_ends(s, part), cases[i].ends);
    }
    CHECK(str_starts(STR_EMPTY, STR_EMPTY));
    CHECK(str_ends(STR_EMPTY, STR_EMPTY));
}

TEST(str_order_is_bytewise_and_shorter_first)
{
    static const struct str sorted[] = {STR_INIT(""),   STR_INIT("\0"), STR_INIT("A"),    STR_INIT("a"),
                                        STR_INIT("aa"), STR_INIT("b"),  STR_INIT("\x80"), STR_INIT("\xff")};

    for (size_t i = 0; i < COUNT_OF(sorted); i++)
        for (size_t j = 0; j < COUNT_OF(sorted); j++) {
            int order = str_compare(guard_copy(sorted[i]), sorted[j]);

            test_case_is("%zu and %zu", i, j);
            CHECK_INT((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

TEST(str_find_gives_first_last_or_the_len)
{
    struct str s = guard_copy(STR("a:b:c"));

    CHECK_EQ(str_find_char(s, ':'), 1);
    CHECK_EQ(str_find_last_char(s, ':'), 3);
    CHECK_EQ(str_find_char(s, 'x'), 5);
    CHECK_EQ(str_find_last_char(s, 'x'), 5);
    CHECK_EQ(str_find_char(STR_EMPTY, 'x'), 0);
    CHECK_EQ(str_find_last_char(STR_EMPTY, 'x'), 0);
    CHECK_EQ(str_find_char(STR("a\0b"), '\0'), 1);
    CHECK_EQ(str_find(s, STR("b:")), 2);
    CHECK_EQ(str_find(s, STR(":c")), 3);
    CHECK_EQ(str_find(s, STR("c:")), 5);
    CHECK_EQ(str_find(s, STR("a:b:c:")), 5);
    CHECK_EQ(str_find(s, STR("")), 0);
    CHECK_EQ(str_find(STR_EMPTY, STR("a")), 0);
    CHECK_EQ(str_find(STR_EMPTY, STR_EMPTY), 0);
}

TEST(str_trim_takes_spaces_and_tabs_only)
{
    CHECK_TEXT(str_trim(guard_copy(STR(" \t a b\t "))), "a b");
    CHECK_TEXT(str_trim(STR("a")), "a");
    CHECK_TEXT(str_trim(guard_copy(STR(" \t "))), "");
    CHECK_TEXT(str_trim(STR_EMPTY), "");
    CHECK_TEXT(str_trim(STR("\r\na\n")), "\r\na\n");
    CHECK_TEXT(str_trim(STR("\va\f")), "\va\f");
}

TEST(str_trim_of_takes_the_bytes_named)
{
    CHECK_TEXT(str_trim_of(guard_copy(STR("\r\n a b\t ")), STR(" \t\r\n")), "a b");
    CHECK_TEXT(str_trim_of(guard_copy(STR("xyx")), STR("x")), "y");
    CHECK_TEXT(str_trim_of(guard_copy(STR("xxx")), STR("yx")), "");
    CHECK_TEXT(str_trim_of(STR_EMPTY, STR(" ")), "");
    CHECK_TEXT(str_trim_of(STR(" a "), STR_EMPTY), " a ");
    CHECK_STR(str_trim_of(STR("\0a\0"), STR(" ")), STR("\0a\0"));
}

TEST(str_split_gives_each_part_once)
{
    static const struct {
        struct str input;
        size_t count;
        struct str parts[4];
    } cases[] = {
        {STR_INIT("a,,b"), 3, {STR_INIT("a"), STR_INIT(""), STR_INIT("b")}},
        {STR_INIT(""), 1, {STR_INIT("")}},
        {STR_INIT(","), 2, {STR_INIT(""), STR_INIT("")}},
        {STR_INIT("abc"), 1, {STR_INIT("abc")}},
        {STR_INIT("a,"), 2, {STR_INIT("a"), STR_INIT("")}},
        {STR_INIT(",a,b,"), 4, {STR_INIT(""), STR_INIT("a"), STR_INIT("b"), STR_INIT("")}},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str rest = guard_copy(cases[i].input), part;
        size_t count = 0;

        test_case_is("%zu", i);
        for (; str_split(&rest, ',', &part); count++) {
            CHECK(count < cases[i].count);
            CHECK_STR(part, cases[i].parts[count]);
        }
        CHECK_EQ(count, cases[i].count);
        CHECK(!str_split(&rest, ',', &part));
    }
}

TEST(str_split_of_nothing_has_no_part)
{
    struct str rest = STR_EMPTY, part;

    CHECK(!str_split(&rest, ',', &part));
}

TEST(str_to_cstr_fits_with_its_nul_or_not_at_all)
{
    char out[4] = "???";

    CHECK(str_to_cstr(STR("abc"), out, sizeof out));
    CHECK_CSTR(out, "abc");
    CHECK(!str_to_cstr(STR("abcd"), out, sizeof out));
    CHECK_CSTR(out, "");
    CHECK(str_to_cstr(STR_EMPTY, out, 1));
    CHECK_CSTR(out, "");
    out[0] = '?';
    CHECK(!str_to_cstr(STR("a\0b"), out, sizeof out));
    CHECK_CSTR(out, "");
    out[0] = '?';
    CHECK(!str_to_cstr(STR_EMPTY, out, 0));
    CHECK_EQ(out[0], '?');
}
