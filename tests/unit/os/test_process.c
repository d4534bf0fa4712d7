/* test_process.c: limits and facts of this process. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/process.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

TEST(the_limit_of_descriptors_is_raised_to_the_hard_one)
{
    struct rlimit before, lowered, after;

    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    lowered = (struct rlimit){.rlim_cur = 128, .rlim_max = before.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    CHECK_EQ(process_raise_file_limit(), before.rlim_max);
    CHECK(getrlimit(RLIMIT_NOFILE, &after) == 0);
    CHECK_EQ(after.rlim_cur, before.rlim_max);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

TEST(resident_memory_grows_with_what_is_touched)
{
    enum { SIZE = 64 << 20 };
    uint64_t before = process_resident_bytes();
    volatile char *memory = malloc(SIZE);

    CHECK(before > 100000);
    CHECK(memory != NULL);
    for (size_t i = 0; i < SIZE; i += 1024)
        memory[i] = 1;
    CHECK(process_resident_bytes() > before + SIZE / 2);
    free((void *)(uintptr_t)memory);
}
