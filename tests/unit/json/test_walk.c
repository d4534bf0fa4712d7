/* test_walk.c: values, members, elements, strings and positions of a tape. SPDX-License-Identifier: Apache-2.0 */
#include "unit/json/json_test.h"

static const struct json missing;

TEST(values_have_their_type_and_text)
{
    static const struct {
        const char *text;
        enum json_type type;
    } rows[] = {
        {"null", JSON_NULL},    {"false", JSON_FALSE},  {"true", JSON_TRUE},          {"-1.50E+3", JSON_NUMBER},
        {"\"a\"", JSON_STRING}, {"[1, 2]", JSON_ARRAY}, {"{\"a\" : 1}", JSON_OBJECT},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str text = arena_format(test_arena(), " %s ", rows[i].text);
        struct json value = json_test_parse(text, &json_strict);

        test_case_is("%s", rows[i].text);
        CHECK(json_exists(value));
        CHECK_EQ(json_type(value), rows[i].type);
        CHECK_STR(json_raw(value), str_from(rows[i].text));
        CHECK_EQ(json_offset(value), 1);
        CHECK_EQ(json_bool(value), rows[i].type == JSON_TRUE);
    }
}

TEST(a_missing_value_is_harmless)
{
    CHECK(!json_exists(missing));
    CHECK_EQ(json_type(missing), JSON_NULL);
    CHECK_EQ(json_raw(missing).len, 0);
    CHECK_EQ(json_count(missing), 0);
    CHECK_EQ(json_number(missing).len, 0);
    CHECK(!json_bool(missing));
    CHECK(json_string(test_arena(), missing).data == NULL);
    CHECK(!json_exists(json_first(missing)));
    CHECK(!json_exists(json_member(missing, STR("a"))));
    CHECK(!json_exists(json_element(missing, 0)));
    CHECK_TEXT(json_test_write(missing), "null");
}

TEST(numbers_keep_their_text)
{
    static const char *const numbers[] = {"0",      "-0",    "1.0", "1e5", "1E+05", "123456789012345678901234567890",
                                          "0.1000", "1e9999"};

    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        struct json value = json_test_parse(str_from(numbers[i]), &json_strict);

        CHECK_STR(json_number(value), str_from(numbers[i]));
        CHECK_STR(json_test_write(value), str_from(numbers[i]));
    }
    CHECK_EQ(json_number(json_test_parse(STR("\"1\""), &json_strict)).len, 0);
}

TEST(strings_are_decoded)
{
    static const struct {
        struct str text, value;
    } rows[] = {
        {STR_INIT("\"\""), STR_INIT("")},
        {STR_INIT("\"plain\""), STR_INIT("plain")},
        {STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR_INIT("\"\\/\b\f\n\r\t")},
        {STR_INIT("\"a\\u0000b\""), STR_INIT("a\0b")},
        {STR_INIT("\"\\u007F\\u0080\\u07ff\\u0800\\uFFFF\""), STR_INIT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
        {STR_INIT("\"\\ud83d\\ude00!\""), STR_INIT("\xf0\x9f\x98\x80!")},
        {STR_INIT("\"\\uD800\\uDC00\\uDBFF\\uDFFF\""), STR_INIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
        /* One U+FFFD for each lone surrogate and each bad byte, as Go. */
        {STR_INIT("\"\\ud83d\""), STR_INIT("\xef\xbf\xbd")},
        {STR_INIT("\"\\ude00\\ud83d\""), STR_INIT("\xef\xbf\xbd\xef\xbf\xbd")},
        {STR_INIT("\"\\ud83d\\u0041\""), STR_INIT("\xef\xbf\xbd"
                                                  "A")},
        {STR_INIT("\"\\ud83d\\ue000\""), STR_INIT("\xef\xbf\xbd\xee\x80\x80")},
        {STR_INIT("\"\\ud83d\\ud83d\\ude00\""), STR_INIT("\xef\xbf\xbd\xf0\x9f\x98\x80")},
        {STR_INIT("\"a\xff"
                  "b\""),
         STR_INIT("a\xef\xbf\xbd"
                  "b")},
        {STR_INIT("\"\xe2\x82\""), STR_INIT("\xef\xbf\xbd\xef\xbf\xbd")},
        {STR_INIT("\"\xf0\x9f\x98\x80\xc3\xa9\\n\""), STR_INIT("\xf0\x9f\x98\x80\xc3\xa9\n")},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json value = json_test_parse(guard_copy(rows[i].text), &json_traffic);

        test_case_is("row %zu: %.*s", i, STR_ARG(rows[i].text));
        CHECK_STR(json_string(test_arena(), value), rows[i].value);
        CHECK(json_string(test_arena(), value).data != NULL);
    }
    CHECK(json_string(test_arena(), json_test_parse(STR("1"), &json_strict)).data == NULL);
}

TEST(a_string_without_escapes_is_borrowed)
{
    struct str text = STR("\"borrowed\"");

    CHECK(json_string(test_arena(), json_test_parse(text, &json_strict)).data == text.data + 1);
}

TEST(a_string_that_does_not_fit_has_no_data)
{
    struct arena *arena = arena_new(NULL, 8);
    struct json value = json_test_parse(STR("\"a\\nlong string with an escape\""), &json_strict);

    CHECK(json_string(arena, value).data == NULL);
    arena_free(arena);
}

TEST(arrays_are_walked)
{
    struct json array = json_test_parse(STR("[1,[2,[3]],{\"a\":4},\"5\"]"), &json_strict);
    static const char *const expected[] = {"1", "[2,[3]]", "{\"a\":4}", "\"5\""};
    uint32_t count = 0;

    for (struct json at = json_first(array); json_exists(at); at = json_after(array, at), count++) {
        CHECK_STR(json_raw(at), str_from(expected[count]));
        CHECK_STR(json_raw(json_element(array, count)), str_from(expected[count]));
    }
    CHECK_EQ(count, 4);
    CHECK_EQ(json_count(array), 4);
    CHECK(!json_exists(json_element(array, 4)));
    CHECK(!json_exists(json_element(array, UINT32_MAX)));
    CHECK(!json_exists(json_element(json_test_parse(STR("[1,2]"), &json_strict), 2)));
    CHECK(!json_exists(json_first(json_test_parse(STR("[]"), &json_strict))));
    CHECK(!json_exists(json_first(json_test_parse(STR("1"), &json_strict))));
}

TEST(objects_are_walked_with_names)
{
    struct json object = json_test_parse(STR("{\"one\":[1],\"tw\\u006f\":{\"x\":{}},\"\":null}"), &json_strict);
    static const char *const names[] = {"one", "two", ""};
    static const char *const values[] = {"[1]", "{\"x\":{}}", "null"};
    uint32_t count = 0;

    for (struct json at = json_first(object); json_exists(at); at = json_after(object, at), count++) {
        CHECK_STR(json_string(test_arena(), json_name(at)), str_from(names[count]));
        CHECK_STR(json_raw(at), str_from(values[count]));
    }
    CHECK_EQ(count, 3);
    CHECK_EQ(json_count(object), 3);
    CHECK(!json_exists(json_first(json_test_parse(STR("{ }"), &json_strict))));
}

TEST(a_member_is_found_by_its_unescaped_name_and_the_last_wins)
{
    struct json object = json_test_parse(
        STR("{\"a\":1,\"b\":{\"c\":2},\"\\u0061\":3,\"\\ud83d\\ude00\":4,\"ab\":5,\"x\\ny\":6,\"a\":[7],\"\xff\":8}"),
        &json_traffic);

    CHECK_TEXT(json_raw(json_member(object, STR("a"))), "[7]");
    CHECK_TEXT(json_raw(json_member(object, STR("\xf0\x9f\x98\x80"))), "4");
    CHECK_TEXT(json_raw(json_member(object, STR("x\ny"))), "6");
    CHECK_TEXT(json_raw(json_member(object, STR("\xef\xbf\xbd"))), "8");
    CHECK_TEXT(json_raw(json_member(json_member(object, STR("b")), STR("c"))), "2");
    CHECK(!json_exists(json_member(object, STR("c"))));
    CHECK(!json_exists(json_member(object, STR(""))));
    CHECK(!json_exists(json_member(object, STR("x\n"))));
    CHECK(!json_exists(json_member(object, STR("x\nyz"))));
    CHECK(!json_exists(json_member(json_test_parse(STR("[\"a\"]"), &json_strict), STR("a"))));
    CHECK_TEXT(json_raw(json_member(json_test_parse(STR("{\"a\":1,\"\\u0061\":3}"), &json_strict), STR("a"))), "3");
}

TEST(positions_count_from_one)
{
    static const struct {
        uint32_t at, line, column;
    } rows[] = {{0, 1, 1}, {2, 1, 3}, {3, 2, 1}, {4, 3, 1}, {5, 3, 2}, {7, 3, 4}, {100, 3, 4}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint32_t line, column;

        json_position(guard_copy(STR("ab\n\ncde")), rows[i].at, &line, &column);
        test_case_is("offset %u", rows[i].at);
        CHECK_EQ(line, rows[i].line);
        CHECK_EQ(column, rows[i].column);
    }
    uint32_t line, column;

    json_position(STR_EMPTY, 0, &line, &column);
    CHECK_EQ(line, 1);
    CHECK_EQ(column, 1);
}
