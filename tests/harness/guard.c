/* guard.c: memory that ends where a page begins that nobody may touch. A parser that looks one byte too far faults at
 * once, in every kind of build. SPDX-License-Identifier: Apache-2.0 */
#include "base/asan.h"
#include "harness/harness.h"

#include <sys/mman.h>
#include <unistd.h>

enum { WIPED = 0xdb }; /* what a reader of wiped bytes sees when no sanitizer stops it */

/* Stands at the front of its own mapping. */
struct guard {
    struct guard *prev, *next;
    size_t mapped;     /* bytes, with the page that faults */
    char *front, *end; /* the room for placed bytes */
    size_t placed;
};

static struct guard *first_guard;

struct guard *guard_new(size_t bytes_max)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), usable = (sizeof(struct guard) + bytes_max + page - 1) / page * page;
    char *map = mmap(NULL, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct guard *guard;

    if (map == MAP_FAILED || mprotect(map + usable, page, PROT_NONE) == -1)
        test_fail(__FILE__, __LINE__, "no memory for a guard page");
    guard = (struct guard *)(void *)map;
    *guard =
        (struct guard){.next = first_guard, .mapped = usable + page, .front = map + sizeof *guard, .end = map + usable};
    if (first_guard)
        first_guard->prev = guard;
    first_guard = guard;
    asan_poison(guard->front, (size_t)(guard->end - guard->front));
    return guard;
}

void guard_free(struct guard *guard)
{
    if (guard->prev)
        guard->prev->next = guard->next;
    else
        first_guard = guard->next;
    if (guard->next)
        guard->next->prev = guard->prev;
    asan_unpoison(guard->front, (size_t)(guard->end - guard->front));
    munmap(guard, guard->mapped);
}

struct str guard_place(struct guard *guard, struct str bytes)
{
    char *copy = guard->end - bytes.len;

    guard_wipe(guard);
    asan_unpoison(copy, bytes.len);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    guard->placed = bytes.len;
    return str_of(copy, bytes.len);
}

void guard_wipe(struct guard *guard)
{
    memset(guard->end - guard->placed, WIPED, guard->placed);
    asan_poison(guard->end - guard->placed, guard->placed);
    guard->placed = 0;
}

void guard_free_all(void)
{
    while (first_guard)
        guard_free(first_guard);
}

struct str guard_copy(struct str bytes)
{
    return guard_place(guard_new(bytes.len), bytes);
}
