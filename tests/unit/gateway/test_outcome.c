/* test_outcome.c: answers and errors put together, static data, and values that go through a sequence. Each table names
 * the section of the KrakenD reference that it comes from. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/outcome.h"
#include "gateway/sequence.h"
#include "gateway_test.h"

static struct data parse(const char *text)
{
    struct json_doc *doc = arena_make(test_arena(), struct json_doc);
    struct json_error err;

    CHECK(json_parse(test_arena(), str_from(text), &(struct json_options){0}, doc, &err));
    return data_of(json_root(doc));
}

static struct str written(const struct data *data)
{
    struct json_writer out = {.arena = test_arena()};

    data_write(&out, data);
    return json_written(&out);
}

/* Answers as JSON, an incomplete one behind a '?', an error as "!text". */
static struct outcome play(const char *const *parts)
{
    struct outcome outcome = {0};

    for (; *parts; parts++) {
        struct error error;

        if (**parts == '!') {
            error_set(&error, FAULT_UPSTREAM, ERROR_BAD_BODY, "%s", *parts + 1);
            outcome_add_error(test_arena(), &outcome, &error, str_from(*parts + 1));
        } else {
            bool complete = **parts != '?';

            CHECK(outcome_merge(test_arena(), &outcome,
                                &(struct decoded){.data = parse(*parts + (complete ? 0 : 1)), .complete = complete}));
        }
    }
    return outcome;
}

/* 4.8: arrival order, collisions, completeness. */
TEST(outcome_merges_in_order_of_arrival)
{
    static const struct {
        const char *parts[5], *expected;
        bool complete;
        const char *errors;
    } rows[] = {
        {{"{\"b\":1.0,\"a\":2}"}, "{\"a\":2,\"b\":1.0}", true, NULL},
        {{"{\"a\":1}", "{\"b\":2}"}, "{\"a\":1,\"b\":2}", true, NULL},
        {{"{\"a\":1}", "{\"a\":2}"}, "{\"a\":2}", true, NULL},
        {{"{\"a\":2}", "{\"a\":1}"}, "{\"a\":1}", true, NULL},
        {{"{\"a\":{\"x\":1}}", "{\"a\":{\"y\":2}}"}, "{\"a\":{\"y\":2}}", true, NULL},
        {{"{\"a\":1}", "{\"b\":2}", "{\"a\":3,\"c\":4}"}, "{\"a\":3,\"b\":2,\"c\":4}", true, NULL},
        {{"{\"a\":1}", "?{\"b\":2}"}, "{\"a\":1,\"b\":2}", false, NULL},
        {{"?{\"a\":1}", "{\"b\":2}"}, "{\"a\":1,\"b\":2}", false, NULL},
        {{"{\"a\":1}", "null"}, "{\"a\":1}", false, NULL},
        {{"null", "{\"a\":1}"}, "{\"a\":1}", false, NULL},
        {{"null", "null"}, "{}", false, NULL},
        {{"null"}, "null", true, NULL},
        {{"{\"a\":1}", "{}"}, "{\"a\":1}", true, NULL},
        {{"{\"a\":1}", "!no"}, "{\"a\":1}", false, "no"},
        {{"!no", "{\"a\":1}"}, "{\"a\":1}", false, "no"},
        {{"!one", "!two", "{\"a\":1}", "{\"b\":1}"}, "{\"a\":1,\"b\":1}", false, "one\ntwo"},
        {{"!one", "!two"}, NULL, false, "one\ntwo"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct outcome outcome = play(rows[i].parts);

        test_case_is("%u", (unsigned)i);
        CHECK_EQ(outcome.answered, rows[i].expected != NULL);
        if (rows[i].expected)
            CHECK_STR(written(&outcome.answer.data), str_from(rows[i].expected));
        CHECK_EQ(outcome.answered && outcome.answer.complete, rows[i].complete);
        CHECK_STR(outcome.text, str_from(rows[i].errors));
        CHECK_EQ(outcome.error.fault == FAULT_NONE, rows[i].errors == NULL);
        if (rows[i].errors)
            CHECK_CSTR(outcome.error.text, rows[i].errors);
    }
}

/* 4.8: parts without a common key come to the same in whatever order they arrive. */
TEST(outcome_does_not_depend_on_the_order_of_parts_that_do_not_collide)
{
    static const char *const parts[] = {"{\"b\":{\"x\":[1,2]},\"a\":1}", "{\"c\":null}", "{}",
                                        "?{\"z\":\"t\",\"d\":1.50}"};
    struct str expected = STR_EMPTY;
    unsigned orders = 0;

    for (unsigned code = 0; code < 256; code++) {
        const char *order[5] = {parts[code & 3], parts[code >> 2 & 3], parts[code >> 4 & 3], parts[code >> 6], NULL};
        struct outcome outcome;

        if ((1u << (code & 3) | 1u << (code >> 2 & 3) | 1u << (code >> 4 & 3) | 1u << (code >> 6)) != 15)
            continue;
        outcome = play(order);
        if (orders++ == 0)
            expected = written(&outcome.answer.data);
        test_case_is("%s %s %s %s", order[0], order[1], order[2], order[3]);
        CHECK_STR(written(&outcome.answer.data), expected);
        CHECK(outcome.answered && !outcome.answer.complete);
    }
    CHECK_EQ(orders, 24);
    CHECK_TEXT(expected, "{\"a\":1,\"b\":{\"x\":[1,2]},\"c\":null,\"d\":1.50,\"z\":\"t\"}");
}

/* A part is looked into after it was merged: it must stay as it was. */
TEST(outcome_leaves_the_parts_alone)
{
    struct decoded first = {.data = parse("{\"a\":1}"), .complete = true};
    struct decoded second = {.data = parse("{\"b\":2}"), .complete = true};
    struct outcome outcome = {0};

    CHECK(data_open(test_arena(), &first.data));
    CHECK(data_open(test_arena(), &second.data));
    CHECK(outcome_merge(test_arena(), &outcome, &first));
    CHECK(outcome_merge(test_arena(), &outcome, &second));
    CHECK_TEXT(written(&outcome.answer.data), "{\"a\":1,\"b\":2}");
    CHECK_TEXT(written(&first.data), "{\"a\":1}");
    CHECK_TEXT(written(&second.data), "{\"b\":2}");
}

TEST(static_data_goes_over_what_a_flatmap_has_emptied)
{
    static const char *const parts[] = {"{\"a\":1}", "{\"b\":2}", NULL};
    struct endpoint *endpoint = gateway_endpoint(gateway_service_of(
        "{\"endpoint\": \"/a\", \"backend\": [{}, {}], \"extra_config\": {\"proxy\": {\"flatmap_filter\": [{\"type\": "
        "\"del\", \"args\": [\"*\"]}], \"static\": {\"strategy\": \"always\", \"data\": {\"s\": 2}}}}}"));
    struct outcome outcome = play(parts);

    CHECK(flatmap_apply(test_arena(), &endpoint->options->proxy.flatmap, &outcome.answer.data));
    CHECK_TEXT(written(&outcome.answer.data), "null");
    CHECK(outcome_apply_static(test_arena(), endpoint, &outcome));
    CHECK_TEXT(written(&outcome.answer.data), "{\"s\":2}");
}

/* 4.11 */
TEST(static_data_goes_over_what_its_strategy_names)
{
    static const struct {
        const char *strategy;
        const char *over_complete, *over_incomplete, *over_partial, *over_error; /* NULL: nothing is made */
    } rows[] = {
        {"always", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}"},
        {"success", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}", "{\"a\":0}", NULL},
        {"errored", "{\"a\":0}", "{\"a\":0}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}"},
        {"complete", "{\"a\":1,\"s\":2}", "{\"a\":0}", "{\"a\":0}", NULL},
        {"incomplete", "{\"a\":0}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}"},
        {"of its own", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}", "{\"a\":1,\"s\":2}"},
    };
    static const char *const parts[][3] = {{"{\"a\":0}"}, {"?{\"a\":0}"}, {"{\"a\":0}", "!no"}, {"!no"}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str endpoint = arena_format(test_arena(),
                                           "{\"endpoint\": \"/a\", \"backend\": [{}], \"extra_config\": {\"proxy\": "
                                           "{\"static\": {\"strategy\": \"%s\", \"data\": {\"a\": 1, \"s\": 2}}}}}",
                                           rows[i].strategy);
        struct endpoint *compiled = gateway_endpoint(gateway_service_of(endpoint.data));
        const char *const expected[] = {rows[i].over_complete, rows[i].over_incomplete, rows[i].over_partial,
                                        rows[i].over_error};

        for (size_t j = 0; j < COUNT_OF(parts); j++) {
            struct outcome outcome = play(parts[j]);

            test_case_is("%s over %u", rows[i].strategy, (unsigned)j);
            CHECK(outcome_apply_static(test_arena(), compiled, &outcome));
            CHECK_EQ(outcome.answered, expected[j] != NULL);
            if (expected[j])
                CHECK_STR(written(&outcome.answer.data), str_from(expected[j]));
            CHECK_EQ(outcome.answered && outcome.answer.complete, j == 0);
        }
        gateway_forget();
    }
}

/* 4.8: {respN_...} and sequential_propagated_params. */
TEST(sequence_names_are_read)
{
    static const struct {
        const char *name;
        bool ok;
        unsigned backend;
        const char *path;
    } rows[] = {
        {"resp0_a", true, 0, "a"}, {"Resp12_a.b-c", true, 12, "a.b-c"}, {"resp1", true, 1, ""},
        {"resp1_", true, 1, ""},   {"resp0_a/b", true, 0, "a"},         {"resp", false, 0, ""},
        {"resp_a", false, 0, ""},  {"rest0_a", false, 0, ""},           {"resp0a", true, 0, "a"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str path;
        uint32_t backend;

        test_case_is("%s", rows[i].name);
        CHECK_EQ(sequence_name(str_from(rows[i].name), &backend, &path), rows[i].ok);
        if (!rows[i].ok)
            continue;
        CHECK_EQ(backend, rows[i].backend);
        CHECK_STR(path, str_from(rows[i].path));
    }
}

TEST(sequence_values_are_text_as_go_prints_them)
{
    static const struct {
        const char *value, *text;
    } rows[] = {
        {"\"a b\"", "a b"},
        {"1.50", "1.50"},
        {"12345678901234567890", "12345678901234567890"},
        {"true", "true"},
        {"null", "<nil>"},
        {"[]", ""},
        {"[1,\"b\",null]", "1,b,<nil>"},
        {"[[1,2],{\"b\":1,\"a\":[]}]", "[1 2],map[a:[] b:1]"},
        {"{\"b\":{\"c\":1},\"a\":\"x\"}", "map[a:x b:map[c:1]]"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        CHECK_STR(sequence_text(test_arena(), parse(rows[i].value)), str_from(rows[i].text));
}

/* 4.12: shadows are no part of what answers. */
TEST(shadows_are_apart)
{
    struct endpoint *endpoint = gateway_endpoint(gateway_service_of(
        "{\"endpoint\": \"/a\", \"timeout\": \"2s\", \"concurrent_calls\": 3, \"backend\": [{\"url_pattern\": \"/1\", "
        "\"extra_config\": {\"proxy\": {\"shadow\": true, \"shadow_timeout\": \"5s\"}}}, {\"url_pattern\": \"/2\"}, "
        "{\"url_pattern\": \"/3\", \"extra_config\": {\"proxy\": {\"shadow\": true}}}]}"));

    CHECK_EQ(endpoint->backend_count, 1);
    CHECK_EQ(endpoint->tries, 3);
    CHECK_TEXT(endpoint->backends[0].options->url_pattern, "/2");
    CHECK(endpoint->shadow != NULL);
    CHECK_EQ(endpoint->shadow->backend_count, 2);
    CHECK_TEXT(endpoint->shadow->backends[0].options->url_pattern, "/1");
    CHECK_INT(endpoint->shadow->timeout_ns, SECONDS(5));
    gateway_forget();
}

static struct endpoint *endpoint_with_static(void)
{
    return gateway_endpoint(gateway_service_of(
        "{\"endpoint\": \"/a\", \"backend\": [{}, {}], \"extra_config\": {\"proxy\": {\"static\": {\"strategy\": "
        "\"always\", \"data\": {\"s\": 2}}}}}"));
}

/* As for a single backend; what others have answered goes out with it all the same. */
TEST(static_data_makes_no_answer_of_a_lack_of_memory)
{
    static const struct {
        const char *name;
        enum error_code codes[2];
        bool part, applied;
    } rows[] = {
        {"memory alone", {ERROR_OUT_OF_MEMORY}, false, false},
        {"memory first", {ERROR_OUT_OF_MEMORY, ERROR_NO_ANSWER}, false, false},
        {"memory last", {ERROR_NO_ANSWER, ERROR_OUT_OF_MEMORY}, false, false},
        {"the hosts", {ERROR_NO_ANSWER, ERROR_RESET}, false, true},
        {"memory beside an answer", {ERROR_OUT_OF_MEMORY}, true, true},
    };
    struct endpoint *endpoint = endpoint_with_static();

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct decoded part = {.data = parse("{\"a\":1}"), .complete = true};
        struct outcome outcome = {0};

        test_case_is("%s", rows[i].name);
        for (size_t j = 0; j < COUNT_OF(rows[i].codes) && rows[i].codes[j] != ERROR_NONE; j++) {
            struct error error;

            error_set(&error, FAULT_UPSTREAM, rows[i].codes[j], "no");
            outcome_add_error(test_arena(), &outcome, &error, STR("no"));
        }
        if (rows[i].part)
            CHECK(outcome_merge(test_arena(), &outcome, &part));
        CHECK(outcome_apply_static(test_arena(), endpoint, &outcome));
        CHECK_EQ(outcome.answered, rows[i].applied);
    }
}
