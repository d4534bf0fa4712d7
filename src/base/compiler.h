/* compiler.h: what the language lacks, in one place. Not a dumping ground: only macros that every layer needs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_COMPILER_H
#define HOLDFAST_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE                         __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define NORETURN                         __attribute__((noreturn))
#define COLD                             __attribute__((cold)) /* keeps what leads here apart from the hot path */
#define ALWAYS_INLINE                    inline __attribute__((always_inline)) /* where it was measured to pay */
#define NOINLINE                         __attribute__((noinline))
#define LIKELY(x)                        __builtin_expect(!!(x), 1)
#define UNLIKELY(x)                      __builtin_expect(!!(x), 0)

/* The struct of `type` whose member `member` is at `pointer`. */
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Arithmetic on numbers from outside: false when the result does not fit, and *out is then unspecified. */
#define add_ok(out, a, b) (!__builtin_add_overflow((a), (b), (out)))
#define sub_ok(out, a, b) (!__builtin_sub_overflow((a), (b), (out)))
#define mul_ok(out, a, b) (!__builtin_mul_overflow((a), (b), (out)))

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline unsigned unsigned_max(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
