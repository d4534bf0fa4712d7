/* test.c: the list of tests, what a test is given, and the checks. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the four above. */
#include "harness/harness.h"

#include <cmocka.h>

enum { TEXT_BYTES = 256, SHOWN_BYTES_MAX = 400, ARENA_BYTES = 64 << 20 };

static struct {
    struct test_case *first, *last;
    const struct test_case *running;
    char case_text[TEXT_BYTES], way[TEXT_BYTES];
    uint64_t seed;
    struct rng rng;
    struct arena **arenas;
    size_t arena_count, arena_slots;
} tests;

void test_register(struct test_case *test)
{
    if (tests.last)
        tests.last->next = test;
    else
        tests.first = test;
    tests.last = test;
}

struct test_case *test_first(void)
{
    return tests.first;
}

void test_begin(const struct test_case *test, uint64_t seed)
{
    tests.running = test;
    tests.seed = seed;
    tests.case_text[0] = tests.way[0] = '\0';
    rng_init(&tests.rng, seed);
    test_fail_allocation(0);
}

void test_end(void)
{
    test_fail_allocation(0);
    while (tests.arena_count > 0)
        arena_free(tests.arenas[--tests.arena_count]);
    free(tests.arenas);
    tests.arenas = NULL;
    tests.arena_slots = 0;
    guard_free_all();
    tests.running = NULL;
}

struct arena *test_arena(void)
{
    struct arena *arena;

    memory_pause();
    arena = arena_new(NULL, ARENA_BYTES);
    if (tests.arena_count == tests.arena_slots) {
        tests.arena_slots = tests.arena_slots * 2 + 8;
        tests.arenas = realloc(tests.arenas, tests.arena_slots * sizeof(struct arena *));
    }
    memory_resume();
    if (!arena || !tests.arenas)
        test_fail(__FILE__, __LINE__, "no memory for an arena");
    return tests.arenas[tests.arena_count++] = arena;
}

struct rng *test_rng(void)
{
    return &tests.rng;
}

void test_case_is(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(tests.case_text, sizeof tests.case_text, format, args);
    va_end(args);
}

void test_way_is(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(tests.way, sizeof tests.way, format, args);
    va_end(args);
}

void test_print_place(void (*print)(const char *line))
{
    char line[3 * TEXT_BYTES];

    if (!tests.running)
        return;
    snprintf(line, sizeof line, "in %s%s%s%s%s, --seed %" PRIu64, tests.running->name,
             tests.case_text[0] ? ", case " : "", tests.case_text, tests.way[0] ? ", " : "", tests.way, tests.seed);
    print(line);
}

/* A line of comment in TAP. */
static void print_comment(const char *line)
{
    print_message("# %s\n", line);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char text[4096];
    va_list args;

    test_fail_allocation(0);
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_message("# %s:%d: %s\n", file, line, text);
    test_print_place(print_comment);
    _fail(file, line); /* Jumps back to the runner. */
    abort();
}

void check_true(bool value, const char *text, const char *file, int line)
{
    if (!value)
        test_fail(file, line, "%s is false", text);
}

void check_u64(uint64_t a, uint64_t b, const char *text, const char *file, int line)
{
    if (a != b)
        test_fail(file, line, "%s: left is %" PRIu64 " (0x%" PRIx64 "), right %" PRIu64 " (0x%" PRIx64 ")", text, a, a,
                  b, b);
}

void check_i64(int64_t a, int64_t b, const char *text, const char *file, int line)
{
    if (a != b)
        test_fail(file, line, "%s: left is %" PRId64 ", right %" PRId64, text, a, b);
}

/* Quoted, with what is not printable as escapes, and only so much of it from `from` on that a line stays readable. */
static void quote(struct str s, size_t from, char out[SHOWN_BYTES_MAX * 4 + 8])
{
    struct str shown = str_first(str_from_offset(s, from), SHOWN_BYTES_MAX);
    size_t len = 0;

    out[len++] = '"';
    for (size_t i = 0; i < shown.len; i++) {
        unsigned char c = (unsigned char)shown.data[i];

        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            out[len++] = (char)c;
        else
            len += (size_t)sprintf(out + len, "\\x%02x", c);
    }
    snprintf(out + len, 5, "%s", from + shown.len < s.len ? "\"..." : "\"");
}

void check_str(struct str a, struct str b, const char *text, const char *file, int line)
{
    char left[SHOWN_BYTES_MAX * 4 + 8], right[SHOWN_BYTES_MAX * 4 + 8];
    size_t same = 0, from;

    if (str_eq(a, b))
        return;
    while (same < a.len && same < b.len && a.data[same] == b.data[same])
        same++;
    from = same > SHOWN_BYTES_MAX / 2 ? same - SHOWN_BYTES_MAX / 4 : 0;
    quote(a, from, left);
    quote(b, from, right);
    test_fail(file, line, "%s: %zu and %zu bytes, differ at %zu; from %zu on left is %s, right %s", text, a.len, b.len,
              same, from, left, right);
}
