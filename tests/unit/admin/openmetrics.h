/* openmetrics.h: a strict reader of OpenMetrics 1.0 text for tests: every rule that a scraper may count on is checked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_ADMIN_OPENMETRICS_H
#define HOLDFAST_TESTS_UNIT_ADMIN_OPENMETRICS_H

#include "harness/test.h"

/* Checks the whole text; a broken rule fails the test. */
void openmetrics_check(struct str text);

/* The value of the sample that begins with `series`, as "name{a=\"b\"}"; fails the test when it is not there once. */
uint64_t openmetrics_value(struct str text, const char *series);

/* The sum of all samples of that name. */
uint64_t openmetrics_sum(struct str text, const char *name);

#endif
