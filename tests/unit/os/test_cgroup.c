/* test_cgroup.c: CPU quotas as kernels and containers lay them out. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/cgroup_internal.h"
#include "temporary.h"

struct file {
    const char *name, *text;
};

/* The limit with these files: "self" stands for /proc/self/cgroup, "fs" for /sys/fs/cgroup. */
static unsigned limit_with(const struct file *files, size_t count)
{
    struct temporary temporary;
    char self[TEMPORARY_PATH_BYTES], mount[TEMPORARY_PATH_BYTES];
    unsigned limit;

    temporary_open(&temporary);
    for (size_t i = 0; i < count && files[i].name; i++)
        temporary_write(&temporary, files[i].name, files[i].text);
    limit = cgroup_cpu_limit(temporary_path(&temporary, "self", self), temporary_path(&temporary, "fs", mount));
    temporary_close(&temporary);
    return limit;
}

TEST(quotas_are_rounded_up_to_processors)
{
    enum { FILES_MAX = 5 };
    static const struct {
        const char *what;
        struct file files[FILES_MAX];
        unsigned limit;
    } cases[] = {
        // clang-format off
        {"no files", {{NULL, NULL}}, 0},
        {"v2 without a quota", {{"self", "0::/\n"}, {"fs/cpu.max", "max 100000\n"}}, 0},
        {"v2, one and a half", {{"self", "0::/\n"}, {"fs/cpu.max", "150000 100000\n"}}, 2},
        {"v2, exactly two", {{"self", "0::/\n"}, {"fs/cpu.max", "200000 100000\n"}}, 2},
        {"v2, a tenth", {{"self", "0::/\n"}, {"fs/cpu.max", "10000 100000"}}, 1},
        {"v2, in a group", {{"self", "0::/a/b\n"}, {"fs/a/b/cpu.max", "300000 100000\n"}}, 3},
        {"v2, tighter above", {{"self", "0::/a/b\n"}, {"fs/a/b/cpu.max", "300000 100000\n"},
            {"fs/a/cpu.max", "100000 100000\n"}}, 1},
        {"v2, looser above", {{"self", "0::/a/b\n"}, {"fs/a/b/cpu.max", "300000 100000\n"},
            {"fs/a/cpu.max", "800000 100000\n"}}, 3},
        {"v2, the host's path in a container", {{"self", "0::/docker/0123\n"},
            {"fs/cpu.max", "400000 100000\n"}}, 4},
        {"v1", {{"self", "4:memory:/\n3:cpu,cpuacct:/\n"}, {"fs/cpu/cpu.cfs_quota_us", "250000\n"},
            {"fs/cpu/cpu.cfs_period_us", "100000\n"}}, 3},
        {"v1 without a quota", {{"self", "3:cpu,cpuacct:/\n"}, {"fs/cpu/cpu.cfs_quota_us", "-1\n"},
            {"fs/cpu/cpu.cfs_period_us", "100000\n"}}, 0},
        {"v1 under its long name", {{"self", "3:cpu,cpuacct:/x\n"}, {"fs/cpu,cpuacct/x/cpu.cfs_quota_us", "50000\n"},
            {"fs/cpu,cpuacct/x/cpu.cfs_period_us", "50000\n"}}, 1},
        {"v1, cpuset is not cpu", {{"self", "3:cpuset:/\n"}, {"fs/cpu/cpu.cfs_quota_us", "50000\n"},
            {"fs/cpu/cpu.cfs_period_us", "50000\n"}}, 0},
        {"both versions", {{"self", "1:cpu:/\n0::/\n"}, {"fs/cpu/cpu.cfs_quota_us", "500000\n"},
            {"fs/cpu/cpu.cfs_period_us", "100000\n"}, {"fs/cpu.max", "700000 100000\n"}}, 5},
        {"odd: no period", {{"self", "0::/\n"}, {"fs/cpu.max", "150000\n"}}, 0},
        {"odd: period of zero", {{"self", "0::/\n"}, {"fs/cpu.max", "150000 0\n"}}, 0},
        {"odd: quota of zero", {{"self", "0::/\n"}, {"fs/cpu.max", "0 100000\n"}}, 0},
        {"odd: words", {{"self", "0::/\n"}, {"fs/cpu.max", "a lot\n"}}, 0},
        {"odd: more than there can be", {{"self", "0::/\n"}, {"fs/cpu.max", "18446744073709551615 1\n"}}, 0},
        {"odd: empty", {{"self", "0::/\n"}, {"fs/cpu.max", ""}}, 0},
        {"odd: a line without colons", {{"self", "nonsense\n0::/\n"}, {"fs/cpu.max", "100000 100000\n"}}, 1},
        // clang-format on
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("%s", cases[i].what);
        CHECK_EQ(limit_with(cases[i].files, FILES_MAX), cases[i].limit);
    }
}

TEST(a_path_that_is_too_long_is_no_quota)
{
    static char self[3000];
    struct file files[] = {{"self", self}, {"fs/cpu.max", "100000 100000\n"}};

    memset(self, 'x', sizeof(self) - 1);
    memcpy(self, "0::/", 4);
    CHECK_EQ(limit_with(files, COUNT_OF(files)), 1); /* its own group cannot be read, the root can */
}
