/* test_lint.c: documents against schemas of somebody's own: each keyword, references, what is told, traps.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/lint.h"
#include "unit/config/config_test.h"

/* What is told, a line for each problem without its place; "" for a document that is allowed. */
static const char *lint(const char *schema, const char *document)
{
    struct report *report = config_test_report();
    struct node *rules = config_test_node(guard_copy(str_from(schema)));
    struct node *tree = config_test_node(guard_copy(str_from(document)));
    bool ok = lint_document(rules, tree, report);
    struct str told = STR_EMPTY;

    CHECK(ok == (report->errors == 0));
    for (const struct problem *problem = report->first; problem; problem = problem->next)
        told = arena_format(test_arena(), "%.*s%s%s", STR_ARG(told), told.len ? "; " : "", problem->text);
    return told.len ? told.data : "";
}

TEST(keywords_about_one_value)
{
    static const struct {
        const char *schema, *document, *told;
    } cases[] = {
        {"true", "1", ""},
        {"false", "1", "is not allowed here"},
        {"{}", "[1]", ""},
        {"{\"type\":\"string\"}", "\"a\"", ""},
        {"{\"type\":\"string\"}", "1", "is not of type string"},
        {"{\"type\":\"integer\"}", "1.0", ""},
        {"{\"type\":\"integer\"}", "1.5", "is not of type integer"},
        {"{\"type\":[\"null\",\"boolean\"]}", "false", ""},
        {"{\"type\":[\"null\",\"boolean\"]}", "{}", "is not of type null or boolean"},
        {"{\"enum\":[1,\"a\",{\"b\":[2]}]}", "{\"b\":[2.0]}", ""},
        {"{\"enum\":[1,\"a\"]}", "\"b\"", "is none of [1,\"a\"]"},
        {"{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2,\"a\":1}", ""},
        {"{\"const\":[1,2]}", "[2,1]", "is not [1,2]"},
        {"{\"minimum\":3}", "3", ""},
        {"{\"minimum\":3}", "2.9", "is less than 3"},
        {"{\"maximum\":3}", "4", "is more than 3"},
        {"{\"exclusiveMinimum\":3}", "3", "is not more than 3"},
        {"{\"exclusiveMaximum\":3}", "3", "is not less than 3"},
        {"{\"exclusiveMaximum\":3}", "2", ""},
        {"{\"multipleOf\":0.1}", "0.3", ""},
        {"{\"multipleOf\":2}", "3", "is not a multiple of 2"},
        {"{\"minLength\":2}", "\"\xc3\xa9\"", "has 1 characters, fewer than 2"},
        {"{\"maxLength\":1}", "\"\xc3\xa9\"", ""},
        {"{\"pattern\":\"^[a-z]+$\"}", "\"ab\"", ""},
        {"{\"pattern\":\"^(?!x)\"}", "\"xy\"", "does not match the pattern ^(?!x)"},
        {"{\"pattern\":\"\"}", "\"\"", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s of %s", cases[i].schema, cases[i].document);
        CHECK_CSTR(lint(cases[i].schema, cases[i].document), cases[i].told);
    }
}

TEST(keywords_about_what_it_holds)
{
    static const struct {
        const char *schema, *document, *told;
    } cases[] = {
        {"{\"minItems\":1}", "[]", "has 0 elements, fewer than 1"},
        {"{\"maxItems\":1}", "[1,2]", "has 2 elements, more than 1"},
        {"{\"maxItems\":1}", "{\"a\":1,\"b\":2}", ""},
        {"{\"minProperties\":1}", "{}", "has 0 members, fewer than 1"},
        {"{\"maxProperties\":0}", "{\"a\":1}", "has 1 members, more than 0"},
        {"{\"uniqueItems\":true}", "[1,\"1\",[1]]", ""},
        {"{\"uniqueItems\":true}", "[{\"a\":1},2,{\"a\":1.0}]", "has the same element twice"},
        {"{\"required\":[\"a\",\"b\"]}", "{\"c\":1}", "\"a\" is missing; \"b\" is missing"},
        {"{\"required\":[\"a\"]}", "[]", ""},
        {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", "\"b\" is missing"},
        {"{\"dependentSchemas\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":1}", "\"b\" is missing"},
        {"{\"dependencies\":{\"a\":[\"b\"]}}", "{\"a\":1}", "\"b\" is missing"},
        {"{\"dependencies\":{\"a\":{\"minProperties\":2}}}", "{\"a\":1}", "has 1 members, fewer than 2"},
        {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1,\"b\":2}", "a: is not of type string"},
        {"{\"patternProperties\":{\"^x\":{\"type\":\"string\"}}}", "{\"xa\":1}", "xa: is not of type string"},
        {"{\"properties\":{\"port\":true},\"patternProperties\":{\"^[$@_#]\":true},\"additionalProperties\":false}",
         "{\"prot\":1,\"$x\":1,\"port\":2}", "\"prot\" is not a member that the schema allows here"},
        {"{\"additionalProperties\":{\"type\":\"null\"}}", "{\"a\":null,\"b\":1}", "b: is not of type null"},
        {"{\"propertyNames\":{\"maxLength\":1}}", "{\"a\":1,\"bc\":1}", "bc: has 2 characters, more than 1"},
        {"{\"items\":{\"type\":\"null\"}}", "[null,1]", "[1]: is not of type null"},
        {"{\"items\":[true,{\"type\":\"null\"}],\"additionalItems\":false}", "[1,null,2]", "[2]: is not allowed here"},
        {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"null\"}}", "[\"a\",null,1]",
         "[2]: is not of type null"},
        {"{\"contains\":{\"const\":1}}", "[2,1]", ""},
        {"{\"contains\":{\"const\":1}}", "[2]", "has 0 elements of a form that the schema wants a different number of"},
        {"{\"contains\":{\"const\":1},\"minContains\":0}", "[2]", ""},
        {"{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,1]",
         "has 2 elements of a form that the schema wants a different number of"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s of %s", cases[i].schema, cases[i].document);
        CHECK_CSTR(lint(cases[i].schema, cases[i].document), cases[i].told);
    }
}

TEST(keywords_about_forms)
{
    static const struct {
        const char *schema, *document, *told;
    } cases[] = {
        {"{\"allOf\":[{\"minimum\":2},{\"maximum\":3}]}", "4", "is more than 3"},
        {"{\"anyOf\":[{\"type\":\"null\"},{\"minimum\":2}]}", "1", "is less than 2"},
        {"{\"anyOf\":[{\"maximum\":0},{\"minimum\":2}]}", "1", "has none of the 2 forms that the schema allows here"},
        {"{\"oneOf\":[{\"minimum\":0},{\"minimum\":2}]}", "1", ""},
        {"{\"oneOf\":[{\"minimum\":0},{\"minimum\":2}]}", "3", "has 2 forms of which the schema allows one only"},
        {"{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"a\"]}]}", "{}", "\"a\" is missing"},
        {"{\"not\":{\"type\":\"null\"}}", "null", "has a form that is forbidden here"},
        {"{\"if\":{\"minimum\":5},\"then\":{\"maximum\":6},\"else\":{\"maximum\":2}}", "7", "is more than 6"},
        {"{\"if\":{\"minimum\":5},\"then\":{\"maximum\":6},\"else\":{\"maximum\":2}}", "3", "is more than 2"},
        {"{\"if\":{\"minimum\":5}}", "3", ""},
        {"{\"format\":\"ipv4\",\"title\":\"t\",\"default\":1,\"examples\":[1],\"$comment\":\"c\"}", "\"x\"", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s of %s", cases[i].schema, cases[i].document);
        CHECK_CSTR(lint(cases[i].schema, cases[i].document), cases[i].told);
    }
}

TEST(references_lead_to_places_in_the_file)
{
    static const struct {
        const char *schema, *told;
    } cases[] = {
        {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"null\"}}}", "is not of type null"},
        {"{\"$ref\":\"#/$defs/a~1b%20c~0\",\"$defs\":{\"a/b c~\":{\"type\":\"null\"}}}", "is not of type null"},
        {"{\"$ref\":\"#here\",\"$defs\":{\"a\":{\"$anchor\":\"here\",\"type\":\"null\"}}}", "is not of type null"},
        {"{\"$id\":\"https://x/v1/root.json\",\"$ref\":\"other.json#/b/0\","
         "\"$defs\":{\"x\":{\"$id\":\"https://x/v1/other.json\",\"b\":[{\"type\":\"null\"}]}}}",
         "is not of type null"},
        {"{\"$id\":\"https://x/v1/root.json\",\"$ref\":\"/v2/a.json\","
         "\"$defs\":{\"x\":{\"$id\":\"https://x/v2/a.json\",\"$ref\":\"b.json\"},"
         "\"y\":{\"$id\":\"https://x/v2/b.json\",\"type\":\"null\"}}}",
         "is not of type null"},
        {"{\"$id\":\"https://x/a.json\",\"$ref\":\"https://x/a.json#/$defs/n\",\"$defs\":{\"n\":{\"type\":\"null\"}}}",
         "is not of type null"},
        {"{\"anyOf\":[{\"$ref\":\"#/$defs/n\"},{\"$ref\":\"#/$defs/o\"}],"
         "\"$defs\":{\"n\":{\"type\":\"null\"},\"o\":{\"type\":\"number\",\"minimum\":9}}}",
         "is less than 9"},
        {"{\"$ref\":\"#/$defs/none\"}", "the reference \"#/$defs/none\" leads to nothing in this file"},
        {"{\"$ref\":\"http://elsewhere/x.json\"}",
         "the reference \"http://elsewhere/x.json\" leads to nothing in this file"},
        {"{\"$ref\":\"#\"}", "the schema goes in circles, or has too many forms to try"},
        {"{\"$ref\":\"#%zz\"}", "the reference \"#%zz\" leads to nothing in this file"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].schema);
        CHECK_CSTR(lint(cases[i].schema, "1"), cases[i].told);
    }
}

TEST(a_schema_that_cannot_be_used)
{
    static const struct {
        const char *schema, *document, *told;
    } cases[] = {
        {"3", "1", "a schema is an object, true or false"},
        {"{\"items\":3}", "[1]", "a schema is an object, true or false"},
        {"{\"type\":3}", "1", "\"type\" is neither a name nor a list of names"},
        {"{\"minimum\":\"1\"}", "1", "\"minimum\" is not a number"},
        {"{\"minLength\":-1}", "\"a\"", "\"minLength\" is not a whole number"},
        {"{\"multipleOf\":0}", "1", "\"multipleOf\" is not a number above 0"},
        {"{\"pattern\":\"(a\"}", "\"a\"", "the pattern \"(a\" is wrong at character 3"},
        {"{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
         "the pattern \"^(a+)+$\" takes too long"},
        {"{\"unevaluatedProperties\":false}", "{}", "\"unevaluatedProperties\" is not understood here"},
        {"{\"$recursiveRef\":\"#\"}", "{}", "\"$recursiveRef\" is not understood here"},
        {"{\"$defs\":{\"a\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/a\"}]}},\"$ref\":\"#/$defs/a\"}",
         "{}", "the schema goes in circles, or has too many forms to try"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s of %s", cases[i].schema, cases[i].document);
        CHECK_CSTR(lint(cases[i].schema, cases[i].document), cases[i].told);
    }
}

TEST(each_problem_has_its_place_and_a_suggestion)
{
    struct report *report = config_test_report();
    struct node *schema = config_test_node(STR("{\"properties\":{\"endpoints\":{\"items\":{\"properties\":{\"timeout\":"
                                               "{\"type\":\"string\"}},\"additionalProperties\":false}}}}"));
    struct node *document =
        config_test_node(STR("{\"endpoints\": [\n  {\"timeout\": 3},\n  {\"timeuot\": \"3s\"}\n]}"));

    CHECK(!lint_document(schema, document, report));
    CHECK_STR(
        config_test_text(report),
        STR("test.json:2:15: error: endpoints[0].timeout: is not of type string [HF0113]\n"
            "     2 |   {\"timeout\": 3},\n"
            "       |               ^\n"
            "test.json:3:4: error: endpoints[1]: \"timeuot\" is not a member that the schema allows here [HF0113]\n"
            "     3 |   {\"timeuot\": \"3s\"}\n"
            "       |    ^~~~~~~~~ did you mean \"timeout\"?\n"));
}
