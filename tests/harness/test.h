/* test.h: a thin coat over cmocka: tests that register themselves, checks that show both sides, guard pages, and inputs
 * cut everywhere.
 *
 *   TEST(retry_stops_when_the_budget_is_empty) { ... CHECK_EQ(stats.attempts, 2); }
 *
 * One binary for each folder of src/; main() is in harness/main.c: --list, --filter TEXT, --seed N. Output is TAP.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_HARNESS_TEST_H
#define HOLDFAST_TESTS_HARNESS_TEST_H

#include "base/arena.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"

#include <sys/uio.h>

struct test_case {
    const char *file, *name;
    void (*run)(void);
    struct test_case *next;
};
void test_register(struct test_case *test);

#define TEST(name_)                                                                                                    \
    static void test_##name_(void);                                                                                    \
    __attribute__((constructor)) static void register_##name_(void)                                                    \
    {                                                                                                                  \
        static struct test_case test = {__FILE__, #name_, test_##name_, NULL};                                         \
        test_register(&test);                                                                                          \
    }                                                                                                                  \
    static void test_##name_(void)

/* Says which row of a table of cases is running; printed with a failure. */
void test_case_is(const char *format, ...) PRINTF_LIKE(1, 2);

void check_true(bool value, const char *text, const char *file, int line);
void check_u64(uint64_t a, uint64_t b, const char *text, const char *file, int line);
void check_i64(int64_t a, int64_t b, const char *text, const char *file, int line);
void check_str(struct str a, struct str b, const char *text, const char *file, int line);
NORETURN void test_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);

#define CHECK(condition)       check_true((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQ(a, b)         check_u64((uint64_t)(a), (uint64_t)(b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_INT(a, b)        check_i64((int64_t)(a), (int64_t)(b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_STR(a, b)        check_str((a), (b), #a " == " #b, __FILE__, __LINE__) /* both struct str */
#define CHECK_TEXT(a, literal) check_str((a), STR(literal), #a, __FILE__, __LINE__)
#define CHECK_CSTR(a, b)       check_str(str_from(a), str_from(b), #a, __FILE__, __LINE__)

/* A fresh arena of 64 MiB that is freed after the test. */
struct arena *test_arena(void);

/* Seeded by --seed (printed when a test fails); the same for each test of a run. */
struct rng *test_rng(void);

/* A copy of `bytes` that ends exactly at a page that faults when touched. Freed after the test. */
struct str guard_copy(struct str bytes);

/* The bytes as a part of what is written, which the kernel's interface declares as if it were read into. */
static inline struct iovec test_part(struct str bytes)
{
    union {
        const char *in;
        void *out;
    } base = {.in = bytes.data};

    return (struct iovec){base.out, bytes.len};
}

/* Feeds `input` to feed(arg, piece): whole, byte by byte, then `rounds` times cut at random; start(arg) before each way
 * and end(arg) after it. Every piece is a guard copy. `feed` returns false to stop that way early. */
struct feeding {
    void (*start)(void *arg);
    bool (*feed)(void *arg, struct str piece);
    void (*end)(void *arg);
    void *arg;
    unsigned rounds;
};
void test_feed(const struct feeding *feeding, struct str input);

/* Runs body(arg) in a process of its own, its stderr thrown away; true when that ended in abort(), as by ASSERT. */
bool test_aborts(void (*body)(void *arg), void *arg);

/* The failing allocator: makes the n-th allocation from now on (malloc and friends, slab and arena pages included)
 * fail; 0: none. Linked by the harness through --wrap=malloc, calloc, realloc, aligned_alloc, posix_memalign. */
void test_fail_allocation(uint64_t n);
uint64_t test_allocations(void); /* made since test_fail_allocation was last called */

/* Runs `scenario` once to count its allocations, then once for each with that one failing; the scenario must bear it.
 */
void test_every_allocation_fails(void (*scenario)(void *arg), void *arg);

#endif
