/* json_test.h: what the tests of json/ share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_JSON_TEST_H
#define HOLDFAST_TESTS_JSON_TEST_H

#include "harness/test.h"

#include "json/write.h"

static const struct json_options json_strict = {.trailing_ignored = false};
static const struct json_options json_traffic = {.trailing_ignored = true, .utf8_repaired = true};

/* Parses in the test's arena; the test fails when the text does. */
static inline struct json json_test_parse(struct str text, const struct json_options *options)
{
    struct json_doc *doc = arena_make(test_arena(), struct json_doc);
    struct json_error err;

    CHECK(doc != NULL);
    if (!json_parse(test_arena(), text, options, doc, &err))
        test_fail(__FILE__, __LINE__, "%.*s: at %u: %s", STR_ARG(text), err.at, err.text);
    return json_root(doc);
}

static inline struct str json_test_write(struct json value)
{
    struct json_writer writer = {.arena = test_arena()};

    json_write(&writer, value);
    return json_written(&writer);
}

#endif
