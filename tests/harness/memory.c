/* memory.c: the failing allocator. The linker sends calls of malloc and its kin here (--wrap in meson.build); those
 * that shared libraries make among themselves are not seen. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);

static _Atomic uint64_t allocations; /* since test_fail_allocation */
static _Atomic uint64_t failing;     /* the number of the one that fails */
static _Thread_local unsigned pauses;

void memory_pause(void)
{
    pauses++;
}

void memory_resume(void)
{
    pauses--;
}

void test_fail_allocation(uint64_t n)
{
    atomic_store(&allocations, 0);
    atomic_store(&failing, n);
}

uint64_t test_allocations(void)
{
    return atomic_load(&allocations);
}

static bool may_allocate(void)
{
    if (pauses > 0 || atomic_fetch_add(&allocations, 1) + 1 != atomic_load(&failing))
        return true;
    errno = ENOMEM;
    return false;
}

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return may_allocate() ? __real_realloc(old, size) : NULL;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    return may_allocate() ? __real_aligned_alloc(align, size) : NULL;
}

int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    return may_allocate() ? __real_posix_memalign(out, align, size) : ENOMEM;
}

void test_every_allocation_fails(void (*scenario)(void *arg), void *arg)
{
    uint64_t count;

    test_way_is("no allocation fails");
    test_fail_allocation(0);
    scenario(arg);
    count = test_allocations();
    if (count == 0)
        test_fail(__FILE__, __LINE__, "the scenario allocates nothing, so that nothing is tested");
    for (uint64_t i = 1; i <= count; i++) {
        test_way_is("allocation %" PRIu64 " of %" PRIu64 " fails", i, count);
        test_fail_allocation(i);
        scenario(arg);
    }
    test_fail_allocation(0);
    test_way_is("%s", "");
}
