/* test_property.c: random documents and random damage. What is written parses again, means the same, is canonical, and
 * is written unchanged. SPDX-License-Identifier: Apache-2.0 */
#include "unit/json/json_test.h"

#include <stdio.h>

struct maker {
    char text[4096];
    size_t len;
};

static void put(struct maker *maker, const char *piece)
{
    size_t len = strlen(piece);

    if (maker->len + len > sizeof(maker->text))
        return;
    memcpy(maker->text + maker->len, piece, len);
    maker->len += len;
}

static const char *pick(const char *const *pieces, size_t count)
{
    return pieces[rng_below(test_rng(), count)];
}

static void put_blank(struct maker *maker)
{
    static const char *const blanks[] = {"", "", "", "", " ", "\n", "\t\r\n  ", "                    "};

    put(maker, pick(blanks, COUNT_OF(blanks)));
}

static void put_string(struct maker *maker)
{
    static const char *const pieces[] = {"a",
                                         "b",
                                         "key",
                                         "<",
                                         "&",
                                         ">",
                                         "\\n",
                                         "\\u000a",
                                         "\\/",
                                         "\\u0041",
                                         "\\u003c",
                                         "\\u003C",
                                         "\\u2028",
                                         "\xe2\x80\xa8",
                                         "\xc3\xa9",
                                         "\\u00e9",
                                         "\\ud83d\\ude00",
                                         "\xf0\x9f\x98\x80",
                                         "\\ud83d",
                                         "\xff",
                                         "\xe2\x82",
                                         "\\\"",
                                         "\\\\",
                                         "a longer piece of plain text"};

    put(maker, "\"");
    for (uint64_t i = rng_below(test_rng(), 4); i > 0; i--)
        put(maker, pick(pieces, COUNT_OF(pieces)));
    put(maker, "\"");
}

static void put_value(struct maker *maker, unsigned depth)
{
    static const char *const scalars[] = {"null", "true", "false", "0", "-0", "1.0", "1e5", "12345678901234567890123",
                                          "[]",   "{}"};
    uint64_t kind = rng_below(test_rng(), depth < 5 ? 4 : 2);
    uint64_t count = rng_below(test_rng(), 6);

    if (kind == 0 || maker->len > sizeof(maker->text) / 2) {
        put(maker, pick(scalars, COUNT_OF(scalars)));
        return;
    }
    if (kind == 1) {
        put_string(maker);
        return;
    }
    put(maker, kind == 2 ? "[" : "{");
    for (uint64_t i = 0; i < count; i++) {
        put(maker, i ? "," : "");
        put_blank(maker);
        if (kind == 3) {
            put_string(maker);
            put_blank(maker);
            put(maker, ":");
            put_blank(maker);
        }
        put_value(maker, depth + 1);
        put_blank(maker);
    }
    put(maker, kind == 2 ? "]" : "}");
}

/* Do two values mean the same to Go? `a` may have doubles and any order. */
static void check_same(struct json a, struct json b)
{
    CHECK_EQ(json_type(a), json_type(b));
    if (json_type(a) == JSON_STRING)
        CHECK_STR(json_string(test_arena(), a), json_string(test_arena(), b));
    else if (json_type(a) == JSON_NUMBER)
        CHECK_STR(json_number(a), json_number(b));
    if (json_type(a) == JSON_ARRAY) {
        CHECK_EQ(json_count(a), json_count(b));
        for (uint32_t i = 0; i < json_count(a); i++)
            check_same(json_element(a, i), json_element(b, i));
    } else if (json_type(a) == JSON_OBJECT) {
        for (struct json at = json_first(b); json_exists(at); at = json_after(b, at))
            check_same(json_member(a, json_string(test_arena(), json_name(at))), at);
        for (struct json at = json_first(a); json_exists(at); at = json_after(a, at))
            CHECK(json_exists(json_member(b, json_string(test_arena(), json_name(at)))));
    }
}

static void check_document(struct str text)
{
    struct json value = json_test_parse(text, &json_traffic);
    struct str written = json_test_write(value);
    struct json again = json_test_parse(written, &json_strict);

    check_same(value, again);
    CHECK(again.doc->tape[0].canonical);
    CHECK_EQ(again.doc->consumed, written.len);
    CHECK_STR(json_test_write(again), written);
    for (uint32_t i = 0; i < value.doc->length; i++) {
        struct json part = {value.doc, i};

        if (value.doc->tape[i].canonical)
            CHECK_STR(json_test_write(part), json_raw(part));
    }
}

TEST(random_documents_survive_writing_and_reading)
{
    for (int i = 0; i < 400; i++) {
        struct maker maker = {.len = 0};

        put_value(&maker, 0);
        test_case_is("document %d: %.*s", i, (int)size_min(maker.len, 200), maker.text);
        check_document(guard_copy(str_of(maker.text, maker.len)));
    }
}

TEST(damaged_documents_are_refused_or_mean_something)
{
    static const char bytes[] = "{}[],:\"\\/0-.eE tfn\n\x80\xff\xe2";
    unsigned refused = 0, taken = 0;

    for (int i = 0; i < 1500; i++) {
        struct maker maker = {.len = 0};
        struct json_doc doc;
        struct json_error err;

        put_value(&maker, 1);
        for (uint64_t j = rng_below(test_rng(), 3); j < 3; j++)
            maker.text[rng_below(test_rng(), maker.len)] = bytes[rng_below(test_rng(), sizeof(bytes) - 1)];
        struct str text = guard_copy(str_of(maker.text, maker.len));

        test_case_is("document %d: %.*s", i, (int)size_min(maker.len, 200), maker.text);
        if (!json_parse(test_arena(), text, &json_traffic, &doc, &err)) {
            CHECK(err.at <= text.len);
            CHECK(err.go[0] && err.text[0]);
            refused++;
            continue;
        }
        check_document(text);
        taken++;
    }
    CHECK(refused > 100 && taken > 100);
}

enum { RECORD_NAMES = 30, RECORD_MEMBERS_MAX = 28 };

/* Names of which many share their first eight bytes, or have none; some are the same to who decodes them. */
static void put_record(struct maker *maker, const uint8_t *names, size_t count)
{
    static const char *const few[] = {"",          "a",         "\\u0061",  "ab",       "b",    "created_",
                                      "created_a", "created_b", "creat\\n", "\xc3\xa9", "\xff", "<"};
    char piece[48];

    put(maker, "{");
    for (size_t i = 0; i < count; i++) {
        const char *comma = i > 0 ? "," : "", *blank = rng_below(test_rng(), 20) == 0 ? " " : "";
        unsigned value = (unsigned)rng_below(test_rng(), 1000);

        if (names[i] < COUNT_OF(few))
            snprintf(piece, sizeof(piece), "%s\"%s\":%s%u", comma, few[names[i]], blank, value);
        else
            snprintf(piece, sizeof(piece), "%s\"n%u\":%s{\"y\":%u,\"x\":1}", comma, names[i], blank, value);
        put(maker, piece);
    }
    put(maker, "}");
}

/* `count` of the first `kinds` names, none twice. */
static void deal_names(uint8_t *names, size_t count, size_t kinds)
{
    uint8_t deck[RECORD_NAMES];

    for (size_t i = 0; i < kinds; i++)
        deck[i] = (uint8_t)i;
    for (size_t i = 0; i < count; i++) {
        size_t at = rng_below(test_rng(), kinds - i);

        names[i] = deck[at];
        deck[at] = deck[kinds - i - 1];
    }
}

/* The same names as before, or with two that have changed places, or with one that is new, or there twice. */
static void vary_names(uint8_t *names, size_t count)
{
    size_t a = rng_below(test_rng(), count), b = rng_below(test_rng(), count);
    uint8_t name = names[a];

    switch (rng_below(test_rng(), 6)) {
    case 0:
        names[a] = names[b];
        names[b] = name;
        return;
    case 1:
        names[a] = (uint8_t)rng_below(test_rng(), RECORD_NAMES);
        return;
    case 2:
        names[a] = names[b];
        return;
    default:
        return;
    }
}

/* What the writer remembers of a record's order must not show in the next one, nor in the next document. */
TEST(records_of_a_list_are_written_as_each_of_them_alone)
{
    struct json_shapes *shapes = json_shapes_new();

    CHECK(shapes != NULL);
    for (int i = 0; i < 300; i++) {
        size_t count = 1 + rng_below(test_rng(), RECORD_MEMBERS_MAX), alone_len = 1;
        struct json_writer together = {.arena = test_arena(), .shapes = shapes};
        struct json_writer whole = together;
        struct maker list = {.len = 0};
        char alone[2 * sizeof(list.text)] = "[";
        uint8_t names[RECORD_MEMBERS_MAX];

        if (i % 2)
            count = 2 + count % 4;
        deal_names(names, count, i % 2 ? RECORD_NAMES / 3 : RECORD_NAMES);
        put(&list, "[");
        json_write_raw(&together, STR("["));
        for (int records = 0; records < 6 && list.len < sizeof(list.text) / 2; records++) {
            struct maker one = {.text = ""};

            put_record(&one, names, count - (rng_below(test_rng(), 8) == 0));
            struct json record = json_test_parse(guard_copy(str_of(one.text, one.len)), &json_traffic);
            struct str written = json_test_write(record);

            json_write_raw(&together, records ? STR(",") : STR_EMPTY);
            json_write(&together, record);

            alone_len += (size_t)snprintf(alone + alone_len, sizeof(alone) - alone_len, "%s%.*s", records ? "," : "",
                                          STR_ARG(written));
            put(&list, records ? "," : "");
            put(&list, one.text);
            vary_names(names, count);
        }
        put(&list, "]");
        json_write_raw(&together, STR("]"));
        alone_len += (size_t)snprintf(alone + alone_len, sizeof(alone) - alone_len, "]");
        test_case_is("list %d: %.*s", i, (int)size_min(list.len, 200), list.text);
        CHECK_STR(json_written(&together), str_of(alone, alone_len));
        json_write(&whole, json_test_parse(guard_copy(str_of(list.text, list.len)), &json_traffic));
        CHECK_STR(json_written(&whole), str_of(alone, alone_len));
    }
    json_shapes_free(shapes);
}

static void parse_and_write(void *arg)
{
    const struct str *text = arg;
    struct arena *arena = arena_new(NULL, 1 << 20);
    struct json_writer writer = {.arena = arena};
    struct json_doc doc;
    struct json_error err = {.at = UINT32_MAX};

    if (arena && json_parse(arena, *text, &json_traffic, &doc, &err)) {
        json_write(&writer, json_root(&doc));
        CHECK(writer.failed == (json_written(&writer).data == NULL));
    } else if (arena) {
        CHECK(err.at <= text->len);
    }
    arena_free(arena);
}

TEST(parsing_and_writing_bear_every_failing_allocation)
{
    char text[30002];
    struct str document = {text, sizeof(text)};

    memset(text, ',', sizeof(text));
    for (size_t i = 1; i < sizeof(text); i += 2)
        text[i] = '0';
    text[0] = '[';
    text[sizeof(text) - 2] = ' ';
    text[sizeof(text) - 3] = '0';
    text[sizeof(text) - 1] = ']';
    test_every_allocation_fails(parse_and_write, &document);
}
