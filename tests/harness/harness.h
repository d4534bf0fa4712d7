/* harness.h: what the harness's own files tell each other. Tests include test.h only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_HARNESS_HARNESS_H
#define HOLDFAST_TESTS_HARNESS_HARNESS_H

#include "harness/test.h"

/* test.c */
struct test_case *test_first(void); /* in the order of the files in the binary, then of the lines */
void test_begin(const struct test_case *test, uint64_t seed);
void test_end(void); /* frees what the test was given */
/* Which way of doing the case is running ("byte by byte", "allocation 3 of 7 fails"); NULL: none. Printed with a
 * failure. */
void test_way_is(const char *format, ...) PRINTF_LIKE(1, 2);
void test_print_place(void (*print)(const char *line)); /* the running test, its case, way and seed */

/* guard.c: bytes that end at a page which faults when touched. */
struct guard;
struct guard *guard_new(size_t bytes_max); /* freed by guard_free or after the test */
void guard_free(struct guard *guard);
struct str guard_place(struct guard *guard, struct str bytes); /* until the next guard_place or guard_wipe */
void guard_wipe(struct guard *guard);                          /* what was placed may not be touched any more */
void guard_free_all(void);

/* memory.c: allocations between these two neither count nor fail; for the harness's own needs. */
void memory_pause(void);
void memory_resume(void);

#endif
