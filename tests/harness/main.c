/* main.c: runs the tests of a binary through cmocka; TAP on stdout.
 *
 *   test_base [--list] [--filter TEXT] [--seed N]
 *
 * --filter takes the tests whose name or file holds TEXT. SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs three of the above. */
#include "base/asan.h"
#include "base/assert.h"
#include "base/text.h"
#include "harness/harness.h"

#include <cmocka.h>

struct options {
    struct str filter; /* empty: all */
    uint64_t seed;
    bool lists;
};

/* cmocka turns these into failed tests, which hides where it happened. We put back what was there: the sanitizer's
 * report with its stack, or a core dump. */
static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
static struct sigaction crash_actions[COUNT_OF(crash_signals)];
static uint64_t run_seed;

#if ASAN_IS_ON
/* An allocation of an absurd size is refused, as without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_stack_use_after_return=1:strict_string_checks=1";
}
#endif

static void print_to_stderr(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static void print_place_of_crash(void)
{
    test_print_place(print_to_stderr);
}

/* Says with a crash which test it was, also when the sanitizer ends the process. */
static void announce_crashes(void)
{
    assert_set_hook(print_place_of_crash);
#if ASAN_IS_ON
    __sanitizer_set_death_callback(print_place_of_crash);
#endif
}

static int begin(void **state)
{
    test_begin(*state, run_seed);
    return 0;
}

static void run(void **state)
{
    const struct test_case *test = *state;

    for (size_t i = 0; i < COUNT_OF(crash_signals); i++)
        sigaction(crash_signals[i], &crash_actions[i], NULL);
    announce_crashes();
    test->run();
}

static int end(void **state)
{
    (void)state;
    test_end();
    return 0;
}

static bool is_chosen(const struct options *options, const struct test_case *test)
{
    return options->filter.len == 0 || strstr(test->name, options->filter.data) ||
           strstr(test->file, options->filter.data);
}

static size_t choose(const struct options *options, struct CMUnitTest *chosen)
{
    size_t count = 0;

    for (struct test_case *test = test_first(); test; test = test->next) {
        if (!is_chosen(options, test))
            continue;
        if (chosen)
            chosen[count] = (struct CMUnitTest){test->name, run, begin, end, test};
        count++;
    }
    return count;
}

static void list(const struct options *options)
{
    for (const struct test_case *test = test_first(); test; test = test->next)
        if (is_chosen(options, test))
            printf("%s: %s\n", test->file, test->name);
}

static int run_chosen(const struct options *options)
{
    size_t count = choose(options, NULL);
    struct CMUnitTest *chosen = calloc(count + 1, sizeof *chosen);
    int failed;

    if (!chosen)
        return 1;
    choose(options, chosen);
    for (size_t i = 0; i < COUNT_OF(crash_signals); i++)
        sigaction(crash_signals[i], NULL, &crash_actions[i]);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    failed = _cmocka_run_group_tests("unit", chosen, count, NULL, NULL);
    free(chosen);
    return failed == 0 ? 0 : 1;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        struct str word = str_from(argv[i]), value = str_from(i + 1 < argc ? argv[i + 1] : NULL);

        if (str_eq(word, STR("--list"))) {
            options->lists = true;
            continue;
        }
        if (str_eq(word, STR("--filter")))
            options->filter = value;
        else if (!str_eq(word, STR("--seed")) || !text_to_u64(value, &options->seed))
            return false;
        if (++i == argc)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1};

    if (!parse_options(argc, argv, &options)) {
        fprintf(stderr, "usage: %s [--list] [--filter TEXT] [--seed N]\n", argv[0]);
        return 2;
    }
    run_seed = options.seed;
    if (options.lists) {
        list(&options);
        return 0;
    }
    if (choose(&options, NULL) == 0) {
        printf("1..0 # SKIP no test has this name\n");
        return 0;
    }
    return run_chosen(&options);
}
