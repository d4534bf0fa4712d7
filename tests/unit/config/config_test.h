/* config_test.h: what the tests of config/ share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_CONFIG_TEST_H
#define HOLDFAST_TESTS_CONFIG_TEST_H

#include "config/document.h"
#include "config/problems.h"
#include "harness/test.h"

/* A report in the test's arena. */
static inline struct report *config_test_report(void)
{
    struct report *report = arena_make(test_arena(), struct report);

    CHECK(report != NULL);
    report_init(report, test_arena());
    return report;
}

static inline const struct source *config_test_source(const char *name, struct str text)
{
    struct source *source = arena_make(test_arena(), struct source);

    CHECK(source != NULL);
    *source = (struct source){name, text};
    return source;
}

/* The tree of a text that parses without a problem. */
static inline struct node *config_test_node(struct str text)
{
    struct report *report = config_test_report();
    struct node *root = document_parse(test_arena(), config_test_source("test.json", text), report);

    CHECK(root != NULL);
    CHECK(report->first == NULL);
    return root;
}

/* The whole report without colours. */
static inline struct str config_test_text(const struct report *report)
{
    return report_text(report, test_arena(), false);
}

/* The first problem's heading, without place: "error: text [HFnnnn] | hint", or "". */
static inline struct str config_test_heading(const struct report *report)
{
    static const char *const names[] = {"note", "warning", "error"};
    const struct problem *problem = report->first;

    if (!problem)
        return STR("");
    return arena_format(test_arena(), "%s: %s [HF%04u]%s%s", names[problem->severity], problem->text, problem->code,
                        problem->hint ? " | " : "", problem->hint ? problem->hint : "");
}

#endif
