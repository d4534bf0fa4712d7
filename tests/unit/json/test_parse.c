/* test_parse.c: what is JSON and what is not, in the manner of the JSONTestSuite; caps; cuts. Each text stands against
 * a guard page. SPDX-License-Identifier: Apache-2.0 */
#include "unit/json/json_test.h"

/* What the strict (configuration) and the repairing (traffic) reading say. */
enum verdict { TAKEN, REFUSED, REPAIRED /* refused when strict */, CUT_OFF /* refused when nothing may follow */ };

struct text_case {
    enum verdict verdict;
    struct str text;
};

#define CASE(verdict_, text_)                                                                                          \
    {                                                                                                                  \
        verdict_, STR_INIT(text_)                                                                                      \
    }

static const struct text_case cases[] = {
    /* structure */
    CASE(TAKEN, "[]"),
    CASE(TAKEN, "{}"),
    CASE(TAKEN, " [ ] "),
    CASE(TAKEN, "\t{\r\n}\n"),
    CASE(TAKEN, "[[]]"),
    CASE(TAKEN, "[[],{}]"),
    CASE(TAKEN, "[null,true,false,0,\"\"]"),
    CASE(TAKEN, "{\"a\":{\"b\":[1,2,{\"c\":null}]}}"),
    CASE(TAKEN, "{\"\":0}"),
    CASE(TAKEN, "{\"a\":1,\"a\":2}"),
    CASE(TAKEN, "{\"a\" : 1 , \"b\"\n:\t2}"),
    CASE(TAKEN, "null"),
    CASE(TAKEN, "true"),
    CASE(TAKEN, "false"),
    CASE(TAKEN, "\"a\""),
    CASE(TAKEN, "1"),
    CASE(TAKEN, "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
    CASE(REFUSED, ""),
    CASE(REFUSED, " "),
    CASE(REFUSED, "\n\n"),
    CASE(REFUSED, "["),
    CASE(REFUSED, "{"),
    CASE(REFUSED, "]"),
    CASE(REFUSED, "}"),
    CASE(REFUSED, "[}"),
    CASE(REFUSED, "{]"),
    CASE(REFUSED, "[1}"),
    CASE(REFUSED, "{\"a\":1]"),
    CASE(REFUSED, "[,]"),
    CASE(REFUSED, "[1,]"),
    CASE(REFUSED, "[,1]"),
    CASE(REFUSED, "[1,,2]"),
    CASE(REFUSED, "[1 2]"),
    CASE(REFUSED, "[\"a\" \"b\"]"),
    CASE(REFUSED, "[1:2]"),
    CASE(REFUSED, "{,}"),
    CASE(REFUSED, "{\"a\":1,}"),
    CASE(REFUSED, "{\"a\":1,,\"b\":2}"),
    CASE(REFUSED, "{\"a\"}"),
    CASE(REFUSED, "{\"a\":}"),
    CASE(REFUSED, "{\"a\",1}"),
    CASE(REFUSED, "{\"a\"::1}"),
    CASE(REFUSED, "{\"a\" 1}"),
    CASE(REFUSED, "{a:1}"),
    CASE(REFUSED, "{'a':1}"),
    CASE(REFUSED, "{1:1}"),
    CASE(REFUSED, "{null:1}"),
    CASE(REFUSED, "{[]:1}"),
    CASE(REFUSED, "{\"a\":1 \"b\":2}"),
    CASE(REFUSED, "{\"a\":[}"),
    CASE(REFUSED, "[1"),
    CASE(REFUSED, "[1,"),
    CASE(REFUSED, "{\"a\""),
    CASE(REFUSED, "{\"a\":"),
    CASE(REFUSED, "{\"a\":1"),
    CASE(REFUSED, "{\"a\":1,"),
    CASE(REFUSED, "// comment\n[]"),
    CASE(REFUSED, "/* comment */[]"),
    CASE(REFUSED, "[1 /* comment */]"),
    CASE(REFUSED, "\xef\xbb\xbf[]"),
    CASE(REFUSED, "\f[]"),
    CASE(REFUSED, "[\v1]"),
    CASE(REFUSED, "[\xc2\xa0]"),
    CASE(REFUSED, "\0"),
    CASE(REFUSED, "[\0]"),
    CASE(REFUSED, "[1\0]"),
    CASE(REFUSED, "\xff"),
    CASE(REFUSED, "\\u005b]"),
    CASE(CUT_OFF, "[]]"),
    CASE(CUT_OFF, "[][]"),
    CASE(CUT_OFF, "{}{}"),
    CASE(CUT_OFF, "{}\0"),
    CASE(CUT_OFF, "{}x"),
    CASE(CUT_OFF, "1 2"),
    CASE(CUT_OFF, "[] // comment"),
    CASE(CUT_OFF, "\"a\"b"),
    CASE(CUT_OFF, "nullx"),
    CASE(CUT_OFF, "truefalse"),
    CASE(CUT_OFF, "1a"),
    /* literals */
    CASE(REFUSED, "t"),
    CASE(REFUSED, "tru"),
    CASE(REFUSED, "trux"),
    CASE(REFUSED, "True"),
    CASE(REFUSED, "TRUE"),
    CASE(REFUSED, "fals"),
    CASE(REFUSED, "[fals]"),
    CASE(REFUSED, "nul"),
    CASE(REFUSED, "nil"),
    CASE(REFUSED, "NaN"),
    CASE(REFUSED, "[nan]"),
    CASE(REFUSED, "Infinity"),
    CASE(REFUSED, "undefined"),
    CASE(REFUSED, "[truenull]"),
    /* numbers */
    CASE(TAKEN, "0"),
    CASE(TAKEN, "-0"),
    CASE(TAKEN, "-0.0"),
    CASE(TAKEN, "0.5"),
    CASE(TAKEN, "10"),
    CASE(TAKEN, "1.5e3"),
    CASE(TAKEN, "1E5"),
    CASE(TAKEN, "1e+5"),
    CASE(TAKEN, "1e-5"),
    CASE(TAKEN, "0e0"),
    CASE(TAKEN, "0E+00"),
    CASE(TAKEN, "1e9999"),
    CASE(TAKEN, "123456789012345678901234567890"),
    CASE(TAKEN, "[-1,-2.25,3e0]"),
    CASE(REFUSED, "-"),
    CASE(REFUSED, "[-]"),
    CASE(REFUSED, "--1"),
    CASE(REFUSED, "-a"),
    CASE(REFUSED, "+1"),
    CASE(REFUSED, ".5"),
    CASE(REFUSED, "-.5"),
    CASE(REFUSED, "1."),
    CASE(REFUSED, "1.e1"),
    CASE(REFUSED, "[1.]"),
    CASE(REFUSED, "1e"),
    CASE(REFUSED, "1e+"),
    CASE(REFUSED, "1e-"),
    CASE(REFUSED, "[1ea]"),
    CASE(REFUSED, "[01]"),
    CASE(REFUSED, "[-01]"),
    CASE(REFUSED, "[0x1]"),
    CASE(REFUSED, "[1_000]"),
    CASE(REFUSED, "[1,000.0.0]"),
    CASE(REFUSED, "[\xef\xbc\x91]"),
    CASE(REFUSED, "-Infinity"),
    CASE(CUT_OFF, "01"),
    CASE(CUT_OFF, "0x1"),
    CASE(CUT_OFF, "1.5.5"),
    CASE(CUT_OFF, "1-2"),
    /* strings */
    CASE(TAKEN, "\"\""),
    CASE(TAKEN, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    CASE(TAKEN, "\"\\u0000\""),
    CASE(TAKEN, "\"\\u00e9\\u00E9\""),
    CASE(TAKEN, "\"\\ud83d\\ude00\""),
    CASE(TAKEN, "\"\\uD83D\\uDE00\""),
    CASE(TAKEN, "\"\\uffff\\ufffe\\ufdd0\""),
    CASE(TAKEN, "\"\x7f\""),
    CASE(TAKEN, "\"\xc3\xa9\""),
    CASE(TAKEN, "\"\xe2\x82\xac\""),
    CASE(TAKEN, "\"\xe2\x80\xa8\xe2\x80\xa9\""),
    CASE(TAKEN, "\"\xf0\x9f\x98\x80\""),
    CASE(TAKEN, "\"\xef\xbf\xbf\""),
    CASE(TAKEN, "\"\xf4\x8f\xbf\xbf\""),
    CASE(TAKEN, "\"\xed\x9f\xbf\xee\x80\x80\""),
    CASE(TAKEN, "\"a string of more than sixteen bytes, and more than thirty-two\""),
    CASE(TAKEN, "\"fifteen bytes..\""),
    CASE(TAKEN, "\"sixteen bytes...\""),
    CASE(TAKEN, "\"\xef\xbb\xbf\""),
    CASE(REFUSED, "\""),
    CASE(REFUSED, "\"a"),
    CASE(REFUSED, "\"a string that goes on for more than a block without an end"),
    CASE(REFUSED, "'a'"),
    CASE(REFUSED, "\"\n\""),
    CASE(REFUSED, "\"\t\""),
    CASE(REFUSED, "\"\0\""),
    CASE(REFUSED, "\"\x1f\""),
    CASE(REFUSED, "\"\\"),
    CASE(REFUSED, "\"\\\""),
    CASE(REFUSED, "\"\\a\""),
    CASE(REFUSED, "\"\\'\""),
    CASE(REFUSED, "\"\\x41\""),
    CASE(REFUSED, "\"\\0\""),
    CASE(REFUSED, "\"\\\n\""),
    CASE(REFUSED, "\"\\U0041\""),
    CASE(REFUSED, "\"\\u\""),
    CASE(REFUSED, "\"\\u004\""),
    CASE(REFUSED, "\"\\u004g\""),
    CASE(REFUSED, "\"\\u 041\""),
    CASE(REFUSED, "\"\\u+041\""),
    CASE(REFUSED, "\"\\ud83d\\u\""),
    CASE(REFUSED, "\"\\ud83d\\ude0\""),
    CASE(REFUSED, "\"\\ud83d\\x\""),
    CASE(REFUSED, "\"\\ud83d"),
    CASE(REPAIRED, "\"\\ud83d\""),
    CASE(REPAIRED, "\"\\ud83d \""),
    CASE(REPAIRED, "\"\\ude00\""),
    CASE(REPAIRED, "\"\\ude00\\ud83d\""),
    CASE(REPAIRED, "\"\\ud83d\\ud83d\\ude00\""),
    CASE(REPAIRED, "\"\\ud83d\\u0041\""),
    CASE(REPAIRED, "\"\\ud83d\\ue000\""),
    CASE(REPAIRED, "\"\\ud83d\\udbff\""),
    CASE(REPAIRED, "\"\\ud83d\\n\""),
    CASE(REPAIRED, "\"\x80\""),
    CASE(REPAIRED, "\"\xff\""),
    CASE(REPAIRED, "\"\xc3\""),
    CASE(REPAIRED, "\"\xc3(\""),
    CASE(REPAIRED, "\"\xc0\xaf\""),
    CASE(REPAIRED, "\"\xc1\xbf\""),
    CASE(REPAIRED, "\"\xe0\x80\xaf\""),
    CASE(REPAIRED, "\"\xe0\x9f\xbf\""),
    CASE(REPAIRED, "\"\xe2\x82\""),
    CASE(REPAIRED, "\"\xe2\x28\xa1\""),
    CASE(REPAIRED, "\"\xed\xa0\x80\""),
    CASE(REPAIRED, "\"\xed\xbf\xbf\""),
    CASE(REPAIRED, "\"\xf0\x8f\xbf\xbf\""),
    CASE(REPAIRED, "\"\xf0\x9f\x98\""),
    CASE(REPAIRED, "\"\xf4\x90\x80\x80\""),
    CASE(REPAIRED, "\"\xf5\x80\x80\x80\""),
    CASE(REPAIRED, "\"\xf8\x88\x80\x80\x80\""),
    CASE(REPAIRED, "{\"\xff\":1}"),
    CASE(REPAIRED, "[\"fifteen bytes..\xe2\x82\", 1]"),
};

static bool parses(struct str text, const struct json_options *options)
{
    struct json_doc doc;
    struct json_error err = {0};
    bool parsed = json_parse(test_arena(), guard_copy(text), options, &doc, &err);

    CHECK_EQ(err.text[0] != '\0', !parsed);
    CHECK_EQ(err.go[0] != '\0', !parsed);
    CHECK(err.at <= text.len);
    return parsed;
}

TEST(texts_are_taken_and_refused_by_the_grammar)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct text_case *c = &cases[i];

        test_case_is("row %zu: %.*s", i, STR_ARG(c->text));
        CHECK_EQ(parses(c->text, &json_strict), c->verdict == TAKEN);
        CHECK_EQ(parses(c->text, &json_traffic), c->verdict != REFUSED);
    }
}

/* The same text at each place of a 16-byte block: the block loops and their scalar ends must agree. */
TEST(texts_are_read_the_same_at_every_distance_from_the_end)
{
    static const char blanks[] = "                                        ";

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t pad = 1; pad <= 33; pad++) {
            char text[256];
            size_t len = 0;

            /* Behind the value: nothing may follow a bare one in these rows but blanks. */
            if (cases[i].text.len + pad > sizeof(text) || cases[i].verdict == CUT_OFF)
                continue;
            memcpy(text, cases[i].text.data, cases[i].text.len);
            len = cases[i].text.len;
            memcpy(text + len, blanks, pad);
            test_case_is("row %zu with %zu blanks", i, pad);
            struct json_doc doc;
            struct json_error err;
            struct arena *arena = arena_new(NULL, 1 << 20);

            CHECK_EQ(json_parse(arena, str_of(text, len + pad), &json_strict, &doc, &err), cases[i].verdict == TAKEN);
            arena_free(arena);
        }
    }
}

TEST(every_cut_of_a_document_ends_too_early)
{
    const struct str whole =
        STR(" {\"name\":\"caf\\u00e9 \\ud83d\\ude00 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\", \"list\" "
            ": [1.5e+10, -0.25,true ,false,null,{} , [ ]],\"long\":\"more than one block of sixteen\"}");
    struct json_doc doc;
    struct json_error err;

    CHECK(parses(whole, &json_strict));
    for (size_t len = 0; len < whole.len; len++) {
        const struct json_options *both[] = {&json_strict, &json_traffic};

        for (size_t i = 0; i < COUNT_OF(both); i++) {
            struct str cut = guard_copy(str_first(whole, len));
            /* Inside a character the strict reading may stop at its first byte. */
            bool inside = len > 0 && (unsigned char)whole.data[len - 1] >= 0x80 &&
                          (unsigned char)whole.data[len] >= 0x80 && ((unsigned char)whole.data[len] & 0xc0) == 0x80;

            test_case_is("cut at %zu, %s", len, i ? "traffic" : "strict");
            CHECK(!json_parse(test_arena(), cut, both[i], &doc, &err));
            if (inside && i == 0)
                continue;
            CHECK_EQ(err.at, len);
            CHECK_CSTR(err.go, len <= 1 ? "EOF" : "unexpected EOF");
        }
    }
}

TEST(trailing_bytes_are_left_and_counted)
{
    static const struct {
        const char *text;
        size_t consumed;
    } rows[] = {
        {"{}", 2},    {"{} ", 2},        {" {\"a\":1}\n", 8}, {"[1]garbage", 3},
        {"12 13", 2}, {"\"a\"\"b\"", 3}, {"nullnull", 4},     {"01", 1},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].text);
        CHECK_EQ(json_test_parse(str_from(rows[i].text), &json_traffic).doc->consumed, rows[i].consumed);
    }
    CHECK_EQ(json_test_parse(STR(" [1] \n "), &json_strict).doc->consumed, 4);
}

/* `depth` opening brackets of alternating kinds and what closes them. */
static struct str nest(uint32_t depth)
{
    char *text = arena_zero(test_arena(), (size_t)depth * 8 + 1);
    size_t len = 0;

    CHECK(text != NULL);
    for (uint32_t i = 0; i < depth; i++) {
        const char *open = i + 1 == depth ? "[" : i % 2 ? "{\"a\":" : "[";

        memcpy(text + len, open, strlen(open));
        len += strlen(open);
    }
    for (uint32_t i = depth; i-- > 0;)
        text[len++] = i + 1 == depth || i % 2 == 0 ? ']' : '}';
    return str_of(text, len);
}

TEST(depth_is_capped)
{
    struct json_options options = {.depth_max = 3};
    struct json_doc doc;
    struct json_error err;

    CHECK(parses(nest(3), &options));
    CHECK(!json_parse(test_arena(), nest(4), &options, &doc, &err));
    CHECK_EQ(err.at, 7);
    CHECK_CSTR(err.text, "nested deeper than 3 levels");
    CHECK_CSTR(err.go, "invalid character '[' exceeded max depth");
    CHECK(parses(nest(512), &json_strict));
    CHECK(!parses(nest(513), &json_strict));
    /* Siblings do not add up. */
    CHECK(parses(STR("[[[]],[[]],[[]]]"), &options));
}

TEST(a_million_levels_need_no_stack)
{
    struct json_options options = {.depth_max = 1000000};
    struct str text = nest(1000000);
    struct json_doc doc;
    struct json_error err;
    struct json_writer writer = {.arena = test_arena()};

    CHECK(json_parse(test_arena(), text, &options, &doc, &err));
    CHECK_EQ(doc.length, 1000000 + 499999);
    json_write(&writer, json_root(&doc));
    CHECK_STR(json_written(&writer), text);
}

TEST(size_is_capped)
{
    struct json_options options = {.size_max = 10};
    struct json_doc doc;
    struct json_error err;

    CHECK(parses(STR("[1,2,3,45]"), &options));
    CHECK(!json_parse(test_arena(), STR("[1,2,3,456]"), &options, &doc, &err));
    CHECK_EQ(err.at, 10);
    CHECK_CSTR(err.text, "longer than 10 bytes");
}

TEST(the_tape_says_where_everything_is)
{
    struct json root = json_test_parse(STR(" {\"a\": [10, \"x\"],\"b\":{}}"), &json_strict);
    static const struct {
        uint32_t at, len, next, count;
        enum json_type type;
        bool name;
    } rows[] = {
        {1, 23, 7, 2, JSON_OBJECT, false}, {2, 3, 2, 0, JSON_STRING, true},   {7, 9, 5, 2, JSON_ARRAY, false},
        {8, 2, 4, 0, JSON_NUMBER, false},  {12, 3, 5, 0, JSON_STRING, false}, {17, 3, 6, 0, JSON_STRING, true},
        {21, 2, 7, 0, JSON_OBJECT, false},
    };

    CHECK_EQ(root.doc->length, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct json_entry *entry = &root.doc->tape[i];

        test_case_is("entry %zu", i);
        CHECK_EQ(entry->at, rows[i].at);
        CHECK_EQ(entry->len, rows[i].len);
        CHECK_EQ(entry->next, rows[i].next);
        CHECK_EQ(entry->count, rows[i].count);
        CHECK_EQ(entry->type, rows[i].type);
        CHECK_EQ(entry->name, rows[i].name);
    }
}

/* Half as many entries as bytes: the first guess is too small several times over. */
TEST(a_tape_grows_with_dense_text)
{
    enum { NUMBERS = 100000 };
    char *text = arena_alloc(test_arena(), NUMBERS * 2 + 1, 1);
    struct json_doc doc;
    struct json_error err;

    CHECK(text != NULL);
    text[0] = '[';
    for (size_t i = 0; i < NUMBERS; i++) {
        text[1 + 2 * i] = (char)('0' + i % 10);
        text[2 + 2 * i] = ',';
    }
    text[NUMBERS * 2] = ']';
    CHECK(json_parse(test_arena(), str_of(text, NUMBERS * 2 + 1), &json_strict, &doc, &err));
    CHECK_EQ(doc.length, NUMBERS + 1);
    CHECK_EQ(json_count(json_root(&doc)), NUMBERS);
    CHECK_TEXT(json_number(json_element(json_root(&doc), 54321)), "1");
}

TEST(no_room_is_an_error_and_not_a_crash)
{
    struct arena *arena = arena_new(NULL, 600);
    struct json_doc doc;
    struct json_error err;

    CHECK(!json_parse(arena, STR("[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"),
                      &json_strict, &doc, &err));
    CHECK_CSTR(err.text, "out of memory");
    CHECK(err.no_memory);
    arena_free(arena);
}
