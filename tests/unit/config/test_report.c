/* test_report.c: problems as text with caret, as JSON, in order; the nearest name. SPDX-License-Identifier: Apache-2.0
 */
#include "unit/config/config_test.h"

#include "json/json.h"
#include <stdio.h>

/* The text of one problem at the `len` bytes from `at` on. */
static struct str text_of_one(struct str text, uint32_t at, uint32_t len, const char *hint)
{
    struct report *report = config_test_report();
    struct place place = {config_test_source("a.json", guard_copy(text)), at, len};

    report_add(report, SEVERITY_ERROR, 102, place, hint, "%s is wrong", "it");
    return config_test_text(report);
}

TEST(a_problem_is_a_line_the_source_and_a_mark_with_the_hint)
{
    CHECK_TEXT(text_of_one(STR("{\n  \"timeout\": \"3sec\",\n}\n"), 15, 6, "did you mean \"3s\"?"),
               "a.json:2:14: error: it is wrong [HF0102]\n"
               "     2 |   \"timeout\": \"3sec\",\n"
               "       |              ^~~~~~ did you mean \"3s\"?\n");
}

TEST(marks_stand_under_what_is_meant)
{
    static const struct {
        struct str text;
        uint32_t at, len;
        const char *shown;
    } rows[] = {
        {STR_INIT("abc"), 0, 0, "a.json:1:1: error: it is wrong [HF0102]\n     1 | abc\n       | ^\n"},
        {STR_INIT("abc"), 1, 1, "a.json:1:2: error: it is wrong [HF0102]\n     1 | abc\n       |  ^\n"},
        {STR_INIT("abc"), 3, 0, "a.json:1:4: error: it is wrong [HF0102]\n     1 | abc\n       |    ^\n"},
        {STR_INIT("abc"), 9, 9, "a.json:1:4: error: it is wrong [HF0102]\n     1 | abc\n       |    ^\n"},
        /* Past the line's end the mark stops. */
        {STR_INIT("a{\n}\n"), 1, 4, "a.json:1:2: error: it is wrong [HF0102]\n     1 | a{\n       |  ^\n"},
        {STR_INIT("a\r\nbc\r\n"), 3, 9, "a.json:2:1: error: it is wrong [HF0102]\n     2 | bc\n       | ^~\n"},
        {STR_INIT("a\n"), 2, 0, "a.json:2:1: error: it is wrong [HF0102]\n     2 | \n       | ^\n"},
        /* Tabs stay tabs, so that the terminal puts the mark where it puts the text. */
        {STR_INIT("\t\ta b"), 4, 1, "a.json:1:5: error: it is wrong [HF0102]\n     1 | \t\ta b\n       | \t\t  ^\n"},
        /* Columns, not bytes: accents, wide and combining characters. */
        {STR_INIT("\xc3\xa9\xc3\xa9 x"), 5, 1,
         "a.json:1:6: error: it is wrong [HF0102]\n     1 | \xc3\xa9\xc3\xa9 x\n       |    ^\n"},
        {STR_INIT("\xe6\x97\xa5 xy"), 4, 2,
         "a.json:1:5: error: it is wrong [HF0102]\n     1 | \xe6\x97\xa5 xy\n       |    ^~\n"},
        {STR_INIT("\xe6\x97\xa5\xe6\x9c\xac"), 0, 6,
         "a.json:1:1: error: it is wrong [HF0102]\n     1 | \xe6\x97\xa5\xe6\x9c\xac\n       | ^~~~\n"},
        {STR_INIT("e\xcc\x81 x"), 4, 1,
         "a.json:1:5: error: it is wrong [HF0102]\n     1 | e\xcc\x81 x\n       |   ^\n"},
        {STR_INIT("\xf0\x9f\x98\x80 x"), 5, 1,
         "a.json:1:6: error: it is wrong [HF0102]\n     1 | \xf0\x9f\x98\x80 x\n       |    ^\n"},
        /* Nothing in the source moves the cursor or turns text around. */
        {STR_INIT("\x1b[2Jx"), 4, 1, "a.json:1:5: error: it is wrong [HF0102]\n     1 | ?[2Jx\n       |     ^\n"},
        {STR_INIT("\xe2\x80\xaex"), 3, 1, "a.json:1:4: error: it is wrong [HF0102]\n     1 | ?x\n       |  ^\n"},
        {STR_INIT("\xff\xc3x"), 2, 1,
         "a.json:1:3: error: it is wrong [HF0102]\n     1 | \xef\xbf\xbd\xef\xbf\xbdx\n       |   ^\n"},
        {STR_INIT("x\xe2\x82"), 0, 1,
         "a.json:1:1: error: it is wrong [HF0102]\n     1 | x\xef\xbf\xbd\xef\xbf\xbd\n       | ^\n"},
        /* Without text there is no line to show. */
        {STR_INIT(""), 0, 0, "a.json:1:1: error: it is wrong [HF0102]\n"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("row %zu", i);
        CHECK_STR(text_of_one(rows[i].text, rows[i].at, rows[i].len, NULL), str_from(rows[i].shown));
    }
}

/* `len` letters, each telling its place. */
static struct str letters(size_t len)
{
    char *text = arena_alloc(test_arena(), len, 1);

    CHECK(text != NULL);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    return str_of(text, len);
}

TEST(a_long_line_is_cut_around_the_place)
{
    static const struct {
        size_t len;
        uint32_t at;
        size_t from, to; /* what is shown */
    } rows[] = {{100, 50, 0, 100},      {101, 0, 0, 100},      {101, 30, 0, 100},
                {101, 100, 1, 101},     {1000, 500, 460, 560}, {1000, 999, 900, 1000},
                {1000, 960, 900, 1000}, {1000, 41, 1, 101},    {100000, 50000, 49960, 50060}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str line = letters(rows[i].len), shown = str_of(line.data + rows[i].from, rows[i].to - rows[i].from);
        const char *before = rows[i].from > 0 ? "..." : "", *after = rows[i].to < rows[i].len ? "..." : "";
        int blanks = (int)(rows[i].at - rows[i].from) + (rows[i].from > 0 ? 3 : 0);

        test_case_is("%zu bytes at %u", rows[i].len, rows[i].at);
        CHECK_STR(text_of_one(line, rows[i].at, 1, "hint"),
                  arena_format(test_arena(),
                               "a.json:1:%u: error: it is wrong [HF0102]\n     1 | %s%.*s%s\n       | %*s^ hint\n",
                               rows[i].at + 1, before, STR_ARG(shown), after, blanks, ""));
    }
}

TEST(a_cut_never_falls_inside_a_character)
{
    char text[600];

    for (size_t i = 0; i + 2 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    for (uint32_t at = 0; at < sizeof(text); at += 3) {
        struct str shown = text_of_one(str_of(text, sizeof(text)), at, 3, NULL);

        test_case_is("place %u", at);
        CHECK_EQ(str_find(shown, STR("\xef\xbf\xbd")), shown.len);
    }
}

TEST(a_long_mark_stops_where_the_line_is_cut)
{
    struct str shown = text_of_one(letters(1000), 0, 1000, NULL);

    CHECK(str_ends(shown, STR("~~~\n")));
    CHECK_EQ(shown.len - str_find(shown, STR("^")), 101);
}

TEST(problems_without_a_place_have_no_source_line)
{
    struct report *report = config_test_report();

    report_add(report, SEVERITY_WARNING, 7, (struct place){0}, NULL, "plain");
    report_add(report, SEVERITY_NOTE, 8, (struct place){0}, "a hint", "hinted");
    CHECK_TEXT(config_test_text(report), "warning: plain [HF0007]\nnote: hinted [HF0008]\n       | a hint\n");
}

TEST(messages_cannot_disturb_the_terminal)
{
    struct report *report = config_test_report();
    const struct source *source = config_test_source("a\x1b.json", STR("x"));

    report_add(report, SEVERITY_ERROR, 1, (struct place){source, 0, 1}, "hint\r", "bad\n\x1b[31m text");
    CHECK_TEXT(config_test_text(report), "a?.json:1:1: error: bad??[31m text [HF0001]\n     1 | x\n       | ^ hint?\n");
}

TEST(problems_come_by_source_and_place)
{
    struct report *report = config_test_report();
    const struct source *file = config_test_source("a.json", STR("abc\ndef")),
                        *variable = config_test_source("V", STR("x"));
    static const char *const order[] = {"none", "first", "second", "third", "fourth", "variable"};

    report_add(report, SEVERITY_ERROR, 1, (struct place){file, 5, 1}, NULL, "fourth");
    report_add(report, SEVERITY_ERROR, 1, (struct place){variable, 0, 1}, NULL, "variable");
    report_add(report, SEVERITY_WARNING, 1, (struct place){file, 1, 1}, NULL, "second");
    report_add(report, SEVERITY_NOTE, 1, (struct place){file, 1, 1}, NULL, "third");
    report_add(report, SEVERITY_NOTE, 1, (struct place){file, 0, 1}, NULL, "first");
    report_add(report, SEVERITY_NOTE, 1, (struct place){0}, NULL, "none");
    struct str text = config_test_text(report);
    size_t last = 0;

    for (size_t i = 0; i < COUNT_OF(order); i++) {
        size_t at = str_find(text, arena_format(test_arena(), ": %s [HF0001]", order[i]));

        test_case_is("%s", order[i]);
        CHECK(at < text.len);
        CHECK(i == 0 || at > last);
        last = at;
    }
    CHECK_EQ(report->errors, 2);
    CHECK_EQ(report->warnings, 1);
    CHECK_EQ(report->notes, 3);
}

TEST(an_empty_report_is_empty)
{
    struct report *report = config_test_report();

    CHECK_TEXT(config_test_text(report), "");
    CHECK(config_test_text(report).data != NULL);
    CHECK_TEXT(report_json(report, test_arena()), "[]");
}

TEST(a_thousand_problems_are_kept_and_the_rest_counted)
{
    struct report *report = config_test_report();
    size_t kept = 0;

    for (int i = 0; i < 1007; i++)
        report_add(report, SEVERITY_ERROR, 1, (struct place){0}, NULL, "problem %d", i);
    for (const struct problem *at = report->first; at; at = at->next)
        kept++;
    CHECK_EQ(kept, 1000);
    CHECK_EQ(report->errors, 1007);
    CHECK(str_ends(config_test_text(report), STR("error: problem 999 [HF0001]\nand 7 more\n")));
}

TEST(a_report_without_room_still_counts)
{
    struct arena *arena = arena_new(NULL, 512);
    struct report report;

    report_init(&report, arena);
    for (int i = 0; i < 50; i++)
        report_add(&report, SEVERITY_ERROR, 1, (struct place){0}, "hint", "a problem with some text %d", i);
    CHECK_EQ(report.errors, 50);
    CHECK(report.first != NULL);
    CHECK(report_text(&report, arena, false).data == NULL);
    CHECK(report_json(&report, arena).data == NULL);
    arena_free(arena);
}

TEST(colours_are_ansi_and_change_nothing_else)
{
    struct report *report = config_test_report();
    struct place place = {config_test_source("a.json", STR("ab")), 1, 1};

    report_add(report, SEVERITY_ERROR, 1, place, "h", "e");
    report_add(report, SEVERITY_WARNING, 2, place, "h", "w");
    report_add(report, SEVERITY_NOTE, 3, place, "h", "n");
    struct str painted = report_text(report, test_arena(), true), plain = config_test_text(report);
    char stripped[1024];
    size_t len = 0;

    CHECK(str_find(painted, STR("\x1b[1;31merror: \x1b[0m")) < painted.len);
    CHECK(str_find(painted, STR("\x1b[1;35mwarning: \x1b[0m")) < painted.len);
    CHECK(str_find(painted, STR("\x1b[1;36mnote: \x1b[0m")) < painted.len);
    CHECK(painted.len < sizeof(stripped));
    for (size_t i = 0; i < painted.len; i++) {
        if (painted.data[i] == '\x1b')
            i += str_find_char(str_from_offset(painted, i), 'm');
        else
            stripped[len++] = painted.data[i];
    }
    CHECK_STR(str_of(stripped, len), plain);
}

TEST(a_report_is_a_json_array)
{
    struct report *report = config_test_report();
    struct place place = {config_test_source("a\"b.json", STR("x\nyz")), 3, 1};

    report_add(report, SEVERITY_WARNING, 101, place, "did you mean \"z\"?", "odd: <%s>", "y");
    report_add(report, SEVERITY_ERROR, 5, (struct place){0}, NULL, "none");
    CHECK_TEXT(
        report_json(report, test_arena()),
        "[{\"file\":null,\"line\":null,\"column\":null,\"severity\":\"error\",\"code\":\"HF0005\",\"text\":\"none\","
        "\"hint\":null},"
        "{\"file\":\"a\\\"b.json\",\"line\":2,\"column\":2,\"severity\":\"warning\",\"code\":\"HF0101\",\"text\":\"odd:"
        " "
        "\\u003cy\\u003e\",\"hint\":\"did you mean \\\"z\\\"?\"}]");
}

TEST(the_nearest_name_is_found)
{
    static const char *const names[] = {"port",  "host", "timeout", "endpoints", "max_idle_connections",
                                        "no-op", "TLS",  "x"};
    static const struct {
        const char *wrong, *nearest;
    } rows[] = {
        {"port", "port"},
        {"prot", "port"},
        {"Port", "port"},
        {"hots", "host"},
        {"tiemout", "timeout"},
        {"timeouts", "timeout"},
        {"TIMEOUT", "timeout"},
        {"endpoint", "endpoints"},
        {"maxIdleConnections", "max_idle_connections"},
        {"max-idle-connections", "max_idle_connections"},
        {"noop", "no-op"},
        {"tls", NULL}, /* three letters allow one slip; this would be three */
        {"TLs", "TLS"},
        {"completely_else", NULL},
        {"", NULL},
        {"y", NULL}, /* every single letter is one slip from any other */
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *nearest = report_nearest(str_from(rows[i].wrong), names, COUNT_OF(names));

        test_case_is("%s", rows[i].wrong);
        CHECK_CSTR(nearest ? nearest : "none", rows[i].nearest ? rows[i].nearest : "none");
    }
    CHECK(report_nearest(STR("port"), NULL, 0) == NULL);
}

TEST(numbers_of_problems_are_given_once)
{
    static const int numbers[] = {
#define PROBLEM(number, name, meaning) number,
#include "config/problems.def"
#undef PROBLEM
    };

    for (size_t i = 1; i < COUNT_OF(numbers); i++) {
        test_case_is("HF%04d", numbers[i]);
        CHECK(numbers[i] > numbers[i - 1]);
    }
}
