/* test_memory.c: memory in use as kernels and containers lay it out. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/memory.h"
#include "os/memory_internal.h"
#include "temporary.h"

struct file {
    const char *name, *text;
};

/* With these files: "self" stands for /proc/self/cgroup, "fs" for /sys/fs/cgroup, "machine" for /proc/meminfo. */
static struct memory_use use_with(const struct file *files, size_t count)
{
    struct temporary temporary;
    char self[TEMPORARY_PATH_BYTES], mount[TEMPORARY_PATH_BYTES], machine[TEMPORARY_PATH_BYTES];
    struct memory_use use;

    temporary_open(&temporary);
    for (size_t i = 0; i < count && files[i].name; i++)
        temporary_write(&temporary, files[i].name, files[i].text);
    use = memory_use_of(temporary_path(&temporary, "self", self), temporary_path(&temporary, "fs", mount),
                        temporary_path(&temporary, "machine", machine));
    temporary_close(&temporary);
    return use;
}

TEST(the_nearest_limit_counts)
{
    enum { FILES_MAX = 7 };
    static const struct {
        const char *what;
        struct file files[FILES_MAX];
        unsigned permille;
        uint64_t limit_bytes; /* 0: none is known */
    } cases[] = {
        // clang-format off
        {"no files", {{NULL, NULL}}, 0, 0},
        {"the machine alone", {{"machine", "MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:   250 kB\n"}}, 750, 1024000},
        {"an old kernel", {{"machine", "MemTotal:  1000 kB\nMemFree: 10 kB\n"}}, 0, 0},
        {"more available than there is", {{"machine", "MemTotal: 10 kB\nMemAvailable: 20 kB\n"}}, 0, 10240},
        {"v2 without a limit", {{"self", "0::/\n"}, {"fs/memory.max", "max\n"}, {"fs/memory.current", "5\n"}}, 0, 0},
        {"v2", {{"self", "0::/a\n"}, {"fs/a/memory.max", "2000\n"}, {"fs/a/memory.current", "500\n"}}, 250, 2000},
        {"v2, file pages are free", {{"self", "0::/a\n"}, {"fs/a/memory.max", "2000\n"}, {"fs/a/memory.current", "1500\n"},
            {"fs/a/memory.stat", "anon 400\ninactive_file 1100\nactive_file 7\n"}}, 200, 2000},
        {"v2, tighter above", {{"self", "0::/a/b\n"}, {"fs/a/b/memory.max", "2000\n"}, {"fs/a/b/memory.current", "500\n"},
            {"fs/a/memory.max", "4000\n"}, {"fs/a/memory.current", "3000\n"}}, 750, 2000},
        {"v2, the host's path in a container", {{"self", "0::/docker/0123\n"}, {"fs/memory.max", "100\n"},
            {"fs/memory.current", "90\n"}}, 900, 100},
        {"v2, over the limit", {{"self", "0::/\n"}, {"fs/memory.max", "100\n"}, {"fs/memory.current", "101\n"}}, 1000, 100},
        {"v1", {{"self", "4:cpu:/\n3:memory:/x\n"}, {"fs/memory/x/memory.limit_in_bytes", "1000\n"},
            {"fs/memory/x/memory.usage_in_bytes", "640\n"}, {"fs/memory/x/memory.stat", "total_inactive_file 40\n"}}, 600, 1000},
        {"the machine is shorter", {{"machine", "MemTotal: 1000 kB\nMemAvailable: 100 kB\n"}, {"self", "0::/\n"},
            {"fs/memory.max", "100\n"}, {"fs/memory.current", "50\n"}}, 900, 100},
        {"odd: no usage", {{"self", "0::/\n"}, {"fs/memory.max", "100\n"}}, 0, 0},
        {"odd: a limit of zero", {{"self", "0::/\n"}, {"fs/memory.max", "0\n"}, {"fs/memory.current", "5\n"}}, 0, 0},
        {"odd: words", {{"self", "0::/\n"}, {"fs/memory.max", "a lot\n"}, {"fs/memory.current", "5\n"}}, 0, 0},
        // clang-format on
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct memory_use use = use_with(cases[i].files, FILES_MAX);

        test_case_is("%s", cases[i].what);
        CHECK_INT(use.permille, cases[i].permille);
        CHECK_EQ(use.limit_bytes, cases[i].limit_bytes > 0 ? cases[i].limit_bytes : UINT64_MAX);
    }
}

TEST(this_machine_uses_some_of_its_memory)
{
    CHECK(memory_use().permille > 0);
    CHECK(memory_use().permille <= 1000);
    CHECK(memory_use().limit_bytes < UINT64_MAX);
}
