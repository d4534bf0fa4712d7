/* test_yaml.c: YAML gives the tree that JSON gives, with places; anchors, merge keys and their bounds; faults.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/document_internal.h"
#include "unit/config/config_test.h"

static struct node *node_of(struct str text, struct report *report)
{
    return yaml_parse(test_arena(), config_test_source("a.yaml", guard_copy(text)), report);
}

static struct str json_of(struct str text)
{
    struct report *report = config_test_report();
    struct node *root = node_of(text, report);

    return root ? node_to_json(root, test_arena()) : config_test_text(report);
}

TEST(values_are_those_of_the_same_json)
{
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"a: 1\nb: [x, 'y', \"z\\n\"]\n", "{\"a\":1,\"b\":[\"x\",\"y\",\"z\\n\"]}"},
        {"- ~\n- null\n-\n- Null\n- 'null'\n", "[null,null,null,null,\"null\"]"},
        {"[true, True, TRUE, false, yes, on, n]", "[true,true,true,false,\"yes\",\"on\",\"n\"]"},
        {"[0, -7, +8, 0x1F90, 0o17, 017, 0b101, 1_000]", "[0,-7,8,8080,15,15,5,1000]"},
        {"[08, 1.50, .5, -.5, 1., 1e3, 007.5, +1.5, 1.e2]", "[8,1.5,0.5,-0.5,1,1000,7.5,1.5,100]"},
        {"[.inf, .nan, 1.2.3, 12a, ---, 3s, 0x, '8080']",
         "[\".inf\",\".nan\",\"1.2.3\",\"12a\",\"---\",\"3s\",\"0x\",\"8080\"]"},
        {"[!!str 12, !!int \"12\", !!bool 'true', !own x]", "[\"12\",12,true,\"x\"]"},
        {"a: |\n  one\n  two\nb: >-\n  three\n  four\n", "{\"a\":\"one\\ntwo\\n\",\"b\":\"three four\"}"},
        {"404: {message: x}\ntrue: y\n", "{\"404\":{\"message\":\"x\"},\"true\":\"y\"}"},
        {"{\"version\": 3, \"endpoints\": []}", "{\"version\":3,\"endpoints\":[]}"},
        {"# only\nversion: 3 # a comment\n...\n", "{\"version\":3}"},
        {"\xef\xbb\xbf"
         "a: 1\n",
         "{\"a\":1}"},
        {"base: &b {x: 1, y: [2]}\nmore: *b\n", "{\"base\":{\"x\":1,\"y\":[2]},\"more\":{\"x\":1,\"y\":[2]}}"},
        {"a: &a {x: 1, y: 2}\nb:\n  y: 3\n  <<: *a\n  z: 4\n",
         "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"y\":3,\"z\":4,\"x\":1}}"},
        {"a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n",
         "{\"a\":{\"x\":1},\"b\":{\"x\":2,\"y\":2},\"c\":{\"x\":1,\"y\":2}}"},
        {"a: {'<<': 1}\n", "{\"a\":{\"\\u003c\\u003c\":1}}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str got = json_of(str_from(cases[i].yaml));

        test_case_is("%s", cases[i].yaml);
        CHECK_CSTR(arena_format(test_arena(), "%.*s", STR_ARG(got)).data, cases[i].json);
    }
}

TEST(places_count_bytes)
{
    struct node *root =
        node_of(STR("name: \"\xc3\xa9\xe2\x82\xac\" # \xc3\xa9\nport: 80\nlist:\n  - a\n"), config_test_report());
    struct node *name = root->children, *port = name->next, *list = port->next;

    CHECK_EQ(name->name_place.at, 0);
    CHECK_EQ(name->name_place.len, 4);
    CHECK_EQ(name->place.at, 6);
    CHECK_EQ(name->place.len, 7);
    CHECK_EQ(port->place.at, 25);
    CHECK_EQ(port->place.len, 2);
    CHECK_EQ(list->children->place.at, 38);
}

TEST(duplicate_keys_warn_and_the_last_counts)
{
    struct report *report = config_test_report();

    CHECK_TEXT(node_to_json(node_of(STR("a: 1\na: 2\n"), report), test_arena()), "{\"a\":2}");
    CHECK_TEXT(config_test_heading(report),
               "warning: the key \"a\" is given twice [HF0004] | dropped: the one in line 2, column 1 counts");
}

TEST(faults_have_their_place)
{
    static const struct {
        const char *yaml, *place, *part;
    } cases[] = {
        {"", "a.yaml:1:1:", "the document is empty"},
        {"a: b: c\n", "a.yaml:1:5:", "mapping values are not allowed"},
        {"a:\n\t- b\n", "a.yaml:2:1:", "cannot start any token"},
        {"a: [1, 2\nb: 3\n", "a.yaml:2:2:", "did not find expected ',' or ']'"},
        {"a: *none\n", "a.yaml:1:4:", "an anchor that is not there yet"},
        {"a: &a [*a]\n", "a.yaml:1:8:", "an anchor that is not there yet"},
        {"? [x]\n: y\n", "a.yaml:1:3:", "a key must be a plain text"},
        {"a: {<<: 3}\n", "a.yaml:1:9:", "only objects can be merged"},
        {"a: {<<: [3]}\n", "a.yaml:1:10:", "only objects can be merged"},
        {"a: \"x\xff\"\n", "a.yaml:1:6:", "UTF-8"},
        {"a: \"\\q\"\n", "a.yaml:1:", "unknown escape"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct report *report = config_test_report();
        struct str text;

        CHECK(node_of(str_from(cases[i].yaml), report) == NULL);
        text = config_test_text(report);
        CHECK_EQ(report->errors, 1);
        CHECK(str_starts(text, str_from(cases[i].place)));
        CHECK(str_find(text, str_from(cases[i].part)) < text.len);
    }
}

TEST(a_second_document_is_told)
{
    struct report *report = config_test_report();

    CHECK_TEXT(node_to_json(node_of(STR("a: 1\n---\nb: 2\n"), report), test_arena()), "{\"a\":1}");
    CHECK_TEXT(config_test_heading(report), "warning: only the first document of a file counts [HF0003]");
}

/* Nine lines that stand for ten to the ninth nodes; and more depth than anybody writes. */
TEST(aliases_and_depth_are_bounded)
{
    struct str bomb = STR("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"), deep = STR_EMPTY;
    struct report *report = config_test_report(), *deeper = config_test_report();
    char brackets[600];

    for (int i = 1; i < 9; i++)
        bomb = arena_format(test_arena(), "%.*sa%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n",
                            STR_ARG(bomb), i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    CHECK(node_of(bomb, report) == NULL);
    CHECK(str_find(config_test_text(report), STR("too large with all its aliases")) < config_test_text(report).len);
    memset(brackets, '[', sizeof brackets);
    deep = str_of(brackets, sizeof brackets);
    CHECK(node_of(deep, deeper) == NULL);
    CHECK_EQ(deeper->errors, 1);
}

/* Every text that begins the same: each is read or refused, and nothing is read past its end. */
TEST(any_cut_is_read_or_refused)
{
    struct str whole = STR("a: &x {b: [1, 'two', \"th\\u0072ee\"], <<: {c: ~}}\nd: *x\ne: |\n  text\n---\nf: 1\n");

    for (size_t len = 0; len <= whole.len; len++) {
        struct report *report = config_test_report();

        CHECK((node_of(str_first(whole, len), report) != NULL) == (report->errors == 0));
    }
}
