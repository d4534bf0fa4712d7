/* test_write.c: text out as Go's encoder writes a decoded value. SPDX-License-Identifier: Apache-2.0 */
#include "unit/json/json_test.h"

#include <stdio.h>

struct write_case {
    struct str text, written;
};

#define ROW(text_, written_)                                                                                           \
    {                                                                                                                  \
        STR_INIT(text_), STR_INIT(written_)                                                                            \
    }
#define SAME(text_) ROW(text_, text_)

/* What is written unchanged must be canonical, what is changed must not: the table tests the flag in both directions.
 */
static const struct write_case cases[] = {
    SAME("null"),
    SAME("1.50E+07"),
    SAME("[]"),
    SAME("{}"),
    SAME("[1,[2,{}],\"x\"]"),
    SAME("{\"a\":1,\"b\":[true,false,null]}"),
    SAME("{\"\":0,\"A\":1,\"B\":2,\"_\":3,\"a\":4,\"aa\":5,\"ab\":6,\"b\":7}"),
    /* white space */
    ROW(" [ ] ", "[]"),
    ROW("{ }", "{}"),
    ROW("[1, 2]", "[1,2]"),
    ROW("[ 1]", "[1]"),
    ROW("[1 ]", "[1]"),
    ROW("[1,[2, 3],4]", "[1,[2,3],4]"),
    ROW("{\"a\" :1}", "{\"a\":1}"),
    ROW("{\"a\": 1}", "{\"a\":1}"),
    ROW("{\"a\":1 }", "{\"a\":1}"),
    ROW("{\n\t\"b\": [1,\r\n2],\n\t\"a\": {}\n}", "{\"a\":{},\"b\":[1,2]}"),
    /* order and doubles */
    ROW("{\"b\":1,\"a\":2}", "{\"a\":2,\"b\":1}"),
    ROW("{\"a\":1,\"a\":2}", "{\"a\":2}"),
    ROW("{\"a\":1,\"b\":2,\"a\":3,\"b\":4,\"a\":5}", "{\"a\":5,\"b\":4}"),
    ROW("{\"ab\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"ab\":1}"),
    ROW("{\"a\":1,\"B\":2}", "{\"B\":2,\"a\":1}"),
    ROW("{\"eight_by\":1,\"eight_bytes\":2,\"eight_b\":3}", "{\"eight_b\":3,\"eight_by\":1,\"eight_bytes\":2}"),
    ROW("{\"prefix__b\":1,\"prefix__a\":2}", "{\"prefix__a\":2,\"prefix__b\":1}"),
    ROW("{\"prefix__a\":1,\"prefix__a\":2}", "{\"prefix__a\":2}"),
    ROW("{\"\xc3\xa9\":1,\"z\":2,\"\xf0\x9f\x98\x80\":3,\"\xef\xbf\xbf\":4}",
        "{\"z\":2,\"\xc3\xa9\":1,\"\xef\xbf\xbf\":4,\"\xf0\x9f\x98\x80\":3}"),
    ROW("[{\"b\":{\"d\":1,\"c\":2},\"a\":[{\"f\":1,\"e\":2}]}]",
        "[{\"a\":[{\"e\":2,\"f\":1}],\"b\":{\"c\":2,\"d\":1}}]"),
    ROW("{\"b\":{\"x\":1},\"a\":{\"y\":1},\"b\":{\"z\":1}}", "{\"a\":{\"y\":1},\"b\":{\"z\":1}}"),
    /* names are ordered and compared by what they mean */
    ROW("{\"\\u0062\":1,\"a\":2}", "{\"a\":2,\"b\":1}"),
    ROW("{\"a\":1,\"\\u0061\":2}", "{\"a\":2}"),
    ROW("{\"\\u0061\":1,\"a\":2}", "{\"a\":2}"),
    SAME("{\"\\n\":1,\" \":2}"),
    SAME("{\"a\\u0000\":1,\"a\\u0000b\":2}"),
    ROW("{\"a\\u0000\":1,\"a\":2}", "{\"a\":2,\"a\\u0000\":1}"),
    ROW("{\"a\\u0000b\":1,\"a\":2,\"a\\u0000\":3}", "{\"a\":2,\"a\\u0000\":3,\"a\\u0000b\":1}"),
    SAME("{\"a\\u0026b\":1,\"ab\":2}"),
    ROW("{\"a&b\":1,\"a\\u0026b\":2}", "{\"a\\u0026b\":2}"),
    ROW("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "{\"\xf0\x9f\x98\x80\":2}"),
    ROW("{\"1234567\\u00e9\":1,\"1234567\":2}", "{\"1234567\":2,\"1234567\xc3\xa9\":1}"),
    /* strings */
    SAME("\"plain, and with more than sixteen bytes\""),
    SAME("\"\\\"\\\\\\b\\f\\n\\r\\t\""),
    SAME("\"\\u0000\\u0001\\u000b\\u001f\""),
    SAME("\"\\u003c\\u003e\\u0026\\u2028\\u2029\""),
    SAME("\"\x7f\xc3\xa9\xe2\x82\xac\xe2\x80\xa7\xe2\x80\xaa\xef\xbf\xbd\xf0\x9f\x98\x80\""),
    ROW("\"\\/\"", "\"/\""),
    ROW("\"http:\\/\\/example.com\\/a\\/b\"", "\"http://example.com/a/b\""),
    ROW("\"\\u0041\\u00e9\\u007f\"", "\"A\xc3\xa9\x7f\""),
    ROW("\"\\u003C\"", "\"\\u003c\""),
    ROW("\"\\u000A\"", "\"\\n\""),
    ROW("\"\\u000a\\u0008\\u000c\\u000d\\u0009\"", "\"\\n\\b\\f\\r\\t\""),
    ROW("\"\\u0022\\u005c\"", "\"\\\"\\\\\""),
    ROW("\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""),
    ROW("\"<a href='x?y=1&z=2'>\"", "\"\\u003ca href='x?y=1\\u0026z=2'\\u003e\""),
    ROW("\"a text of more than sixteen bytes with an & in it\"",
        "\"a text of more than sixteen bytes with an \\u0026 in it\""),
    ROW("\"\xe2\x80\xa8|\xe2\x80\xa9\"", "\"\\u2028|\\u2029\""),
    ROW("[\"<\"]", "[\"\\u003c\"]"),
    ROW("{\"a\":[{\"b\":\">\"}]}", "{\"a\":[{\"b\":\"\\u003e\"}]}"),
    ROW("\"\xff\"", "\"\xef\xbf\xbd\""),
    ROW("\"a\xe2\x82z\"", "\"a\xef\xbf\xbd\xef\xbf\xbdz\""),
    ROW("\"\\ud83d\"", "\"\xef\xbf\xbd\""),
    ROW("\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
                              "A\""),
    ROW("{\"\xff\":1,\"\xfe\":2}", "{\"\xef\xbf\xbd\":2}"),
};

TEST(values_are_written_as_go_writes_them)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json value = json_test_parse(guard_copy(cases[i].text), &json_traffic);

        test_case_is("row %zu: %.*s", i, STR_ARG(cases[i].text));
        CHECK_STR(json_test_write(value), cases[i].written);
    }
}

TEST(a_value_is_canonical_exactly_when_writing_would_not_change_it)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json value = json_test_parse(cases[i].text, &json_traffic);
        struct json again = json_test_parse(cases[i].written, &json_traffic);

        test_case_is("row %zu: %.*s", i, STR_ARG(cases[i].text));
        CHECK_EQ(value.doc->tape[0].canonical, str_eq(json_raw(value), cases[i].written));
        CHECK(again.doc->tape[0].canonical);
    }
}

TEST(part_of_a_document_is_written)
{
    struct json root = json_test_parse(STR("{\"b\":[ 1,{\"y\":2,\"x\":3}],\"a\":\"<\"}"), &json_strict);

    CHECK_TEXT(json_test_write(json_member(root, STR("b"))), "[1,{\"x\":3,\"y\":2}]");
    CHECK_TEXT(json_test_write(json_element(json_member(root, STR("b")), 1)), "{\"x\":3,\"y\":2}");
    CHECK_TEXT(json_test_write(json_member(root, STR("a"))), "\"\\u003c\"");
}

TEST(a_canonical_subtree_is_spliced_into_a_changed_whole)
{
    struct json root = json_test_parse(STR("{\"z\":{\"a\":[1,2,{\"b\":\"\\u003c\"}]},\"a\": 0}"), &json_strict);

    CHECK(!root.doc->tape[0].canonical);
    CHECK(root.doc->tape[json_member(root, STR("z")).index].canonical);
    CHECK_TEXT(json_test_write(root), "{\"a\":0,\"z\":{\"a\":[1,2,{\"b\":\"\\u003c\"}]}}");
}

enum { MEMBER_BYTES = 24 };

/* A member whose name spells its number, so that the bytes give the order. */
static size_t append_member(char *text, uint32_t number, const char *value)
{
    return (size_t)snprintf(text, MEMBER_BYTES, ",\"key-%06u\":%s", number, value);
}

/* Objects of every size around the insertion limit, and of many members: shuffled, with each third name twice. */
TEST(many_members_come_out_sorted_with_the_last_of_equals)
{
    static const uint32_t sizes[] = {1, 2, 11, 12, 13, 23, 24, 25, 47, 48, 49, 64, 65, 100, 1000, 20000};

    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        uint32_t count = sizes[s], *numbers = arena_zero(test_arena(), count * sizeof(*numbers));
        char *text = arena_alloc(test_arena(), (size_t)count * 2 * MEMBER_BYTES, 1),
             *wanted = arena_alloc(test_arena(), (size_t)count * MEMBER_BYTES + MEMBER_BYTES, 1);
        size_t len = 0, wanted_len = 0;

        test_case_is("%u members", count);
        CHECK(numbers && text && wanted);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t j = (uint32_t)rng_below(test_rng(), i + 1);

            numbers[i] = numbers[j];
            numbers[j] = i;
            wanted_len += append_member(wanted + wanted_len, i, "2");
        }
        for (uint32_t i = 0; i < count; i++) {
            if (numbers[i] % 3 == 0)
                len += append_member(text + len, numbers[i], "1");
        }
        for (uint32_t i = 0; i < count; i++)
            len += append_member(text + len, numbers[i], "2");
        text[0] = wanted[0] = '{';
        text[len++] = wanted[wanted_len++] = '}';
        CHECK_STR(json_test_write(json_test_parse(str_of(text, len), &json_strict)), str_of(wanted, wanted_len));
    }
}

/* Names that only their ninth byte on tells apart must not cost the square of their number. */
TEST(a_hundred_thousand_members_in_reverse_order_are_written)
{
    enum { MEMBERS = 100000 };
    char *text = arena_alloc(test_arena(), MEMBERS * MEMBER_BYTES + MEMBER_BYTES, 1);
    size_t len = 0;

    CHECK(text != NULL);
    for (uint32_t i = MEMBERS; i-- > 0;)
        len += append_member(text + len, i, "[]");
    text[0] = '{';
    text[len++] = '}';
    struct str written = json_test_write(json_test_parse(str_of(text, len), &json_strict));

    CHECK_EQ(written.len, len);
    CHECK_STR(str_first(written, 35), STR("{\"key-000000\":[],\"key-000001\":[],\"k"));
    CHECK(json_test_parse(written, &json_strict).doc->tape[0].canonical);
}

/* What one object needs for sorting is there again for the next. */
TEST(scratch_memory_does_not_add_up_over_objects)
{
    enum { OBJECTS = 10000 };
    char *text = arena_alloc(test_arena(), OBJECTS * 30, 1);
    size_t len = 0;

    CHECK(text != NULL);
    for (int i = 0; i < OBJECTS; i++)
        len += (size_t)snprintf(text + len, 30, "%c{\"c\":1,\"b\":2,\"a\":3}", i ? ',' : '[');
    text[len++] = ']';
    struct arena *arena = arena_new(NULL, len + 1024);
    struct json_writer writer = {.arena = arena};

    json_write(&writer, json_test_parse(str_of(text, len), &json_strict));
    CHECK_EQ(json_written(&writer).len, len);
    arena_free(arena);
}

/* Counts stop at 2^24 - 1. A text that large would take minutes, so the tape says so of a small object. */
TEST(an_object_whose_count_is_saturated_is_written_whole)
{
    struct json value = json_test_parse(STR("{\"c\":1,\"b\":2,\"a\":3}"), &json_strict);
    struct json_entry tape[7];
    struct json_doc doc = *value.doc;

    CHECK_EQ(doc.length, COUNT_OF(tape));
    memcpy(tape, doc.tape, sizeof(tape));
    tape[0].count = (1 << 24) - 1;
    doc.tape = tape;
    CHECK_TEXT(json_test_write(json_root(&doc)), "{\"a\":3,\"b\":2,\"c\":1}");
}

TEST(strings_by_hand_are_escaped_as_go_does)
{
    static const struct write_case rows[] = {
        ROW("", "\"\""),
        ROW("plain", "\"plain\""),
        ROW("\"\\/", "\"\\\"\\\\/\""),
        ROW("\b\f\n\r\t\v\0\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u000b\\u0000\\u001f\x7f\""),
        ROW("<&>", "\"\\u003c\\u0026\\u003e\""),
        ROW("\\u0041", "\"\\\\u0041\""),
        ROW("\xe2\x80\xa8\xe2\x80\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\\u2028\\u2029\xe2\x82\xac\xf0\x9f\x98\x80\""),
        /* A Go string with bad bytes: here the encoder writes the escape, not the character. */
        ROW("a\xff", "\"a\\ufffd\""),
        ROW("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""),
        ROW("\xef\xbf\xbd", "\"\xef\xbf\xbd\""),
        ROW("a text of more than one block of sixteen bytes, twice",
            "\"a text of more than one block of sixteen bytes, twice\""),
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_writer writer = {.arena = test_arena()};

        test_case_is("row %zu", i);
        json_write_string(&writer, guard_copy(rows[i].text));
        CHECK_STR(json_written(&writer), rows[i].written);
    }
}

TEST(doubles_are_written_in_the_shortest_form_as_go_lays_it_out)
{
    static const struct {
        double number;
        const char *json, *decimal;
    } rows[] = {
        {0, "0", "0"},
        {-0.0, "-0", "-0"},
        {1, "1", "1"},
        {-1.5, "-1.5", "-1.5"},
        {0.1, "0.1", "0.1"},
        {100, "100", "100"},
        {8080, "8080", "8080"},
        {0.30000000000000004, "0.30000000000000004", "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
        {123456789.125, "123456789.125", "123456789.125"},
        {9007199254740993.0, "9007199254740992", "9007199254740992"},
        {0.000001, "0.000001", "0.000001"},
        {0.0000015, "0.0000015", "0.0000015"},
        {0.00000099, "9.9e-7", "0.00000099"},
        {1e-7, "1e-7", "0.0000001"},
        {-1.25e-10, "-1.25e-10", "-0.000000000125"},
        {1e20, "100000000000000000000", "100000000000000000000"},
        {1e21, "1e+21", "1000000000000000000000"},
        {1.5e300, "1.5e+300", NULL},
        {1.7976931348623157e308, "1.7976931348623157e+308", NULL},
        {2.2250738585072014e-308, "2.2250738585072014e-308", NULL},
        {5e-324, "5e-324", NULL},
        /* Powers of two: the nearest 16 digits do not read back, the next above do. */
        {0x1p-489, "6.256509672447191e-148", NULL},
        {0x1p896, "5.282945311356653e+269", NULL},
        {1.0 / 0.0, "null", "null"},
        {0.0 / 0.0, "null", "null"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct json_writer json = {.arena = test_arena()}, decimal = {.arena = test_arena()};

        test_case_is("%s", rows[i].json);
        json_write_double(&json, rows[i].number);
        CHECK_STR(json_written(&json), str_from(rows[i].json));
        if (!rows[i].decimal)
            continue;
        json_write_decimal(&decimal, rows[i].number);
        CHECK_STR(json_written(&decimal), str_from(rows[i].decimal));
    }
}

TEST(pieces_by_hand_add_up)
{
    struct json_writer writer = {.arena = test_arena()};

    CHECK_TEXT(json_written(&writer), "");
    json_write_raw(&writer, STR("{"));
    json_write_string(&writer, STR("n"));
    json_write_raw(&writer, STR(":"));
    json_write_u64(&writer, UINT64_MAX);
    json_write_raw(&writer, STR_EMPTY);
    json_write_raw(&writer, STR("}"));
    CHECK_TEXT(json_written(&writer), "{\"n\":18446744073709551615}");
}

TEST(the_writer_grows_across_many_pieces)
{
    struct json_writer writer = {.arena = test_arena()};

    for (uint64_t i = 0; i < 10000; i++)
        json_write_raw(&writer, STR("0123456789"));
    CHECK_EQ(json_written(&writer).len, 100000);
    for (size_t i = 0; i < 100000; i += 999)
        CHECK_EQ(json_written(&writer).data[i], '0' + i % 10);
}

TEST(a_writer_without_room_fails_once_and_for_all)
{
    struct arena *arena = arena_new(NULL, 1024);
    struct json_writer writer = {.arena = arena};

    for (int i = 0; i < 100; i++)
        json_write_string(&writer, STR("0123456789<&>"));
    CHECK(writer.failed);
    size_t len = writer.len;

    json_write_raw(&writer, STR("x"));
    json_write_u64(&writer, 1);
    json_write_double(&writer, 1.5);
    json_write(&writer, json_test_parse(STR("[1, 2]"), &json_strict));
    CHECK_EQ(writer.len, len);
    CHECK(json_written(&writer).data == NULL);
    arena_free(arena);
}

/* Every cap from nothing to plenty: deep, with many members, with strings to change. */
TEST(writing_bears_every_cap_of_memory)
{
    char text[4000];
    size_t len = 0;

    for (int i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "{\"b\":\"<%d\",\"a\": ", i);
    text[len++] = '{';
    for (int i = 150; i-- > 0;)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\"m%03d\":%d%s", i, i, i ? "," : "}");
    for (int i = 0; i < 40; i++)
        text[len++] = '}';
    struct json root = json_test_parse(str_of(text, len), &json_strict);
    struct str whole = json_test_write(root);
    struct json_shapes *shapes = json_shapes_new();
    size_t succeeded = 0;

    CHECK(whole.data != NULL);
    CHECK(shapes != NULL);
    for (size_t cap = 256; cap < 40000; cap += 64) {
        struct arena *arena = arena_new(NULL, cap);
        struct json_writer writer = {.arena = arena, .shapes = shapes};

        json_write(&writer, root);
        if (json_written(&writer).data) {
            CHECK_STR(json_written(&writer), whole);
            succeeded++;
        } else {
            CHECK_EQ(succeeded, 0);
        }
        arena_free(arena);
    }
    CHECK(succeeded > 0);
    json_shapes_free(shapes);
}
