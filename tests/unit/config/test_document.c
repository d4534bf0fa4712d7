/* test_document.c: texts to trees and back, duplicates, faults with their place, files, the environment's overrides.
 * SPDX-License-Identifier: Apache-2.0 */
#include "unit/config/config_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TEST(nodes_keep_type_text_and_place)
{
    struct node *root =
        config_test_node(guard_copy(STR("{ \"a\\u0062\": \"x\\ny\", \"n\": 1.50, \"t\": true, \"l\": [null, {}] }")));
    struct node *text = root->children, *number = text->next, *yes = number->next, *list = yes->next;

    CHECK_EQ(root->type, JSON_OBJECT);
    CHECK_EQ(root->count, 4);
    CHECK(root->name_place.source == NULL);
    CHECK_TEXT(text->name, "ab");
    CHECK_TEXT(text->text, "x\ny");
    CHECK_EQ(text->place.at, 13);
    CHECK_EQ(text->place.len, 6);
    CHECK_EQ(text->name_place.at, 2);
    CHECK_EQ(text->name_place.len, 9);
    CHECK_TEXT(number->text, "1.50");
    CHECK_EQ(yes->type, JSON_TRUE);
    CHECK_EQ(list->count, 2);
    CHECK_EQ(list->children->type, JSON_NULL);
    CHECK(list->children->name_place.source == NULL);
    CHECK_EQ(list->children->next->type, JSON_OBJECT);
    CHECK(list->children->next->next == NULL && list->next == NULL);
    CHECK_CSTR(root->place.source->name, "test.json");
}

TEST(members_are_found_exactly_or_without_case)
{
    struct node *root = config_test_node(STR("{\"Port\":1,\"port\":2,\"HOST\":3,\"Host\":4}"));

    CHECK_TEXT(node_member(root, STR("port"))->text, "2");
    CHECK_TEXT(node_member(root, STR("Port"))->text, "1");
    CHECK_TEXT(node_member(root, STR("PORT"))->text, "1");
    CHECK_TEXT(node_member(root, STR("host"))->text, "3");
    CHECK_TEXT(node_member(root, STR("Host"))->text, "4");
    CHECK(node_member(root, STR("por")) == NULL);
    CHECK(node_member(root->children, STR("x")) == NULL);
    CHECK(node_member(NULL, STR("x")) == NULL);
}

static struct str report_of(struct str text)
{
    struct report *report = config_test_report();

    document_parse(test_arena(), config_test_source("a.json", text), report);
    return config_test_text(report);
}

TEST(a_syntax_error_has_its_place)
{
    struct report *report = config_test_report();

    CHECK(document_parse(test_arena(), config_test_source("a.json", STR("[1,\n 2,\n]")), report) == NULL);
    CHECK_EQ(report->errors, 1);
    CHECK_TEXT(config_test_text(report), "a.json:3:1: error: a ',' stands before the closing bracket [HF0003]\n"
                                         "     3 | ]\n"
                                         "       | ^\n");
    /* Cut short: behind the last thing that is there. */
    CHECK_TEXT(report_of(STR("{\n  \"a\": [1\n\n\n")),
               "a.json:2:10: error: the text ends too early: expected ',' or ']' after an element [HF0003]\n"
               "     2 |   \"a\": [1\n"
               "       |          ^\n");
    CHECK_TEXT(report_of(STR("")), "a.json:1:1: error: the text ends too early: expected a value [HF0003]\n");
    CHECK_TEXT(report_of(STR("{} x")), "a.json:1:4: error: nothing may follow the document [HF0003]\n"
                                       "     1 | {} x\n"
                                       "       |    ^\n");
    /* Configuration is strict about UTF-8. */
    CHECK_TEXT(report_of(STR("\"a\xff\"")), "a.json:1:3: error: a string is not valid UTF-8 [HF0003]\n"
                                            "     1 | \"a\xef\xbf\xbd\"\n"
                                            "       |   ^\n");
}

TEST(of_duplicate_keys_the_last_counts_and_the_others_are_told)
{
    struct report *report = config_test_report();
    struct node *root = document_parse(
        test_arena(),
        config_test_source("a.json", STR("{\"a\":1,\"b\":{\"c\":1,\"\\u0063\":2},\n\"a\":3,\"d\":4,\"a\":5}")), report);

    CHECK_TEXT(node_to_json(root, test_arena()), "{\"b\":{\"c\":2},\"d\":4,\"a\":5}");
    CHECK_EQ(root->count, 3);
    CHECK_EQ(report->warnings, 3);
    CHECK_EQ(report->errors, 0);
    CHECK_TEXT(config_test_text(report), "a.json:1:2: warning: the key \"a\" is given twice [HF0004]\n"
                                         "     1 | {\"a\":1,\"b\":{\"c\":1,\"\\u0063\":2},\n"
                                         "       |  ^~~ dropped: the one in line 2, column 13 counts\n"
                                         "a.json:1:13: warning: the key \"c\" is given twice [HF0004]\n"
                                         "     1 | {\"a\":1,\"b\":{\"c\":1,\"\\u0063\":2},\n"
                                         "       |             ^~~ dropped: the one in line 1, column 19 counts\n"
                                         "a.json:2:1: warning: the key \"a\" is given twice [HF0004]\n"
                                         "     2 | \"a\":3,\"d\":4,\"a\":5}\n"
                                         "       | ^~~ dropped: the one in line 2, column 13 counts\n");
}

TEST(many_members_with_many_duplicates_are_no_trouble)
{
    enum { MEMBERS = 20000 };
    char *text = arena_alloc(test_arena(), MEMBERS * 16 + 2, 1);
    struct report *report = config_test_report();
    size_t len = 0;

    CHECK(text != NULL);
    for (int i = 0; i < MEMBERS; i++)
        len += (size_t)snprintf(text + len, 16, ",\"k%d\":%d", i % (MEMBERS / 2), i);
    text[0] = '{';
    text[len++] = '}';
    struct node *root = document_parse(test_arena(), config_test_source("a.json", str_of(text, len)), report);

    CHECK(root != NULL);
    CHECK_EQ(root->count, MEMBERS / 2);
    CHECK_EQ(report->warnings, MEMBERS / 2);
    CHECK_TEXT(node_member(root, STR("k7"))->text, "10007");
}

TEST(trees_are_written_as_krakend_writes_configuration)
{
    static const struct {
        const char *text, *written;
    } rows[] = {
        {"{ \"b\" : [ 1 , true, null ], \"a\":{} }", "{\"b\":[1,true,null],\"a\":{}}"},
        {"[1.0, 1e3, 100000000000000000000000, 0.0000001, 1.5]", "[1,1000,1e+23,1e-7,1.5]"},
        {"\"<\\u00e9&\\/>\"", "\"\\u003c\xc3\xa9\\u0026/\\u003e\""},
        {"[]", "[]"},
        {"\"\"", "\"\""},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        test_case_is("%s", rows[i].text);
        CHECK_STR(node_to_json(config_test_node(str_from(rows[i].text)), test_arena()), str_from(rows[i].written));
    }
}

/* A file in the temporary folder; removed by the caller. */
static void write_file(char *path, const char *text)
{
    int fd = mkstemps(path, 5);

    CHECK(fd != -1);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

TEST(a_file_is_loaded_and_its_name_is_in_the_places)
{
    char path[] = "/tmp/holdfast-test-XXXXXX.json";
    struct report *report = config_test_report();

    write_file(path, "{\"port\": 8080}\n");
    struct node *root = document_load(test_arena(), path, report);

    unlink(path);
    CHECK(root != NULL);
    CHECK_CSTR(root->place.source->name, path);
    CHECK_TEXT(node_member(root, STR("port"))->text, "8080");
    CHECK(report->first == NULL);
}

TEST(a_file_that_cannot_be_read_is_a_problem)
{
    struct report *report = config_test_report();

    CHECK(document_load(test_arena(), "/nonexistent/gateway.json", report) == NULL);
    CHECK_EQ(report->errors, 1);
    CHECK_EQ(report->first->code, PROBLEM_FILE_UNREADABLE);
    CHECK_TEXT(config_test_text(report),
               "/nonexistent/gateway.json:1:1: error: cannot be read: no such file or directory [HF0001]\n");
}

TEST(toml_comes_later)
{
    struct report *report = config_test_report();

    CHECK(document_load(test_arena(), "gateway.toml", report) == NULL);
    CHECK_EQ(report->first->code, PROBLEM_FORMAT_UNSUPPORTED);
    CHECK_EQ(report->errors, 1);
}

TEST(variables_are_grafted_over_the_root)
{
    static const struct {
        const char *text, *variable, *value, *result;
    } rows[] = {
        {"{}", "KRAKEND_PORT", "9", "{\"port\":\"9\"}"},
        {"{\"port\":1}", "KRAKEND_PORT", "9", "{\"port\":\"9\"}"},
        {"{\"Port\":1}", "KRAKEND_PORT", "9", "{\"Port\":1,\"port\":\"9\"}"},
        {"{\"port\":1}", "KRAKEND_PORT", "", "{\"port\":\"\"}"},
        {"{}", "KRAKEND_Max_IDLE", "x", "{\"max_idle\":\"x\"}"},
        {"{}", "KRAKEND_tls.disabled", "true", "{\"tls\":{\"disabled\":\"true\"}}"},
        {"{\"tls\":{\"a\":1}}", "KRAKEND_TLS.B", "2", "{\"tls\":{\"a\":1,\"b\":\"2\"}}"},
        {"{\"tls\":{\"a\":1}}", "KRAKEND_TLS.A.B", "2", "{\"tls\":{\"a\":{\"b\":\"2\"}}}"},
        {"{\"tls\":[1,2]}", "KRAKEND_TLS.A", "2", "{\"tls\":{\"a\":\"2\"}}"},
        {"{\"tls\":{\"a\":1}}", "KRAKEND_TLS", "x", "{\"tls\":\"x\"}"},
        /* Not ours. */
        {"{}", "PORT", "9", "{}"},
        {"{}", "krakend_port", "9", "{}"},
        {"{}", "KRAKENDPORT", "9", "{}"},
        {"{}", "KRAKEND_", "9", "{}"},
        {"{}", "KRAKEND_.a", "9", "{}"},
        {"{}", "KRAKEND_a.", "9", "{}"},
        {"{}", "KRAKEND_a..b", "9", "{}"},
        {"[1]", "KRAKEND_PORT", "9", "[1]"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct node *root = config_test_node(str_from(rows[i].text));
        struct report *report = config_test_report();

        test_case_is("%s over %s", rows[i].variable, rows[i].text);
        document_override(test_arena(), root, str_from(rows[i].variable), str_from(rows[i].value), report);
        CHECK_STR(node_to_json(root, test_arena()), str_from(rows[i].result));
        uint32_t members = 0;

        for (const struct node *at = root->children; at; at = at->next)
            members++;
        CHECK_EQ(root->count, members);
        for (const struct node *at = root->children; at; at = at->next)
            CHECK_EQ(at->count > 0, at->children != NULL);
        CHECK(report->first == NULL);
    }
}

TEST(a_variable_is_its_own_source)
{
    struct node *root = config_test_node(STR("{\"port\":1}"));
    struct report *report = config_test_report();

    document_override(test_arena(), root, STR("KRAKEND_PORT"), STR("tcp://10.0.0.1:80"), report);
    report_add(report, SEVERITY_ERROR, 108, node_member(root, STR("port"))->place, NULL, "wrong");
    CHECK_TEXT(config_test_text(report), "KRAKEND_PORT:1:1: error: wrong [HF0108]\n"
                                         "     1 | tcp://10.0.0.1:80\n"
                                         "       | ^~~~~~~~~~~~~~~~~\n");
}

static void load_and_override(void *arg)
{
    struct arena *arena = arena_new(NULL, 1 << 20);
    struct report report;
    const struct source source = {"a.json", *(const struct str *)arg};

    if (!arena)
        return;
    report_init(&report, arena);
    struct node *root = document_parse(arena, &source, &report);

    if (root)
        document_override(arena, root, STR("KRAKEND_A.B"), STR("1"), &report);
    CHECK((root != NULL) == (report.errors == 0) || root);
    arena_free(arena);
}

TEST(documents_bear_every_failing_allocation)
{
    enum { BYTES = 12000 };
    char *text = arena_alloc(test_arena(), BYTES + 64, 1);
    struct str document = {text, 0};

    CHECK(text != NULL);
    text[document.len++] = '{';
    for (int i = 0; document.len < BYTES; i++)
        document.len += (size_t)snprintf(text + document.len, 64, "%s\"k%d\":[\"\\n%d\"]", i ? "," : "", i % 300, i);
    text[document.len++] = '}';
    test_every_allocation_fails(load_and_override, &document);
}

/* No arena is too small to fail cleanly in. */
TEST(documents_bear_every_cap_of_memory)
{
    struct str text = STR("{\"a\":[\"\\n\",{\"b\":1}],\"a\":{\"c\":[1,2,3]}}");
    unsigned succeeded = 0;

    for (size_t cap = 300; cap < 6000; cap += 8) {
        struct arena *arena = arena_new(NULL, cap);
        struct report report;
        const struct source source = {"a.json", text};

        report_init(&report, arena);
        if (document_parse(arena, &source, &report))
            succeeded++;
        else
            CHECK_EQ(report.errors, 1);
        arena_free(arena);
    }
    CHECK(succeeded > 0);
}
