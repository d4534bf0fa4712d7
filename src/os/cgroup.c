/* cgroup.c: CPU quotas of control groups, version 1 and 2 (kernel: Documentation/admin-guide/cgroup-v2.rst, "cpu.max";
 * scheduler/sched-bwc.rst).
 *
 * Files that are missing or odd mean "no quota": a wrong guess costs a few threads, not the start. Start with
 * cgroup_cpu_limit. SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "os/cgroup_internal.h"
#include "os/cgroup_path_internal.h"
#include "os/file.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { FILE_MAX = 4096 };

/* Processors for `quota` of each `period`, rounded up; 0 when that makes no sense. */
static unsigned processors_of(struct str quota, struct str period)
{
    uint64_t quota_us, period_us, count;

    if (!text_to_u64(quota, &quota_us) || !text_to_u64(period, &period_us) || quota_us == 0 || period_us == 0)
        return 0; /* among them "max" and "-1" */
    count = quota_us / period_us + (quota_us % period_us != 0);
    return count < UINT_MAX ? (unsigned)count : 0;
}

static unsigned read_quota_v2(const char *folder)
{
    char path[CGROUP_PATH_BYTES], text[FILE_MAX];
    struct str rest, quota, period;

    if (snprintf(path, sizeof(path), "%s/cpu.max", folder) >= (int)sizeof(path))
        return 0;
    rest = file_read_small(path, text, FILE_MAX);
    if (!str_split(&rest, ' ', &quota) || !str_split(&rest, ' ', &period))
        return 0;
    return processors_of(quota, period);
}

static unsigned read_quota_v1(const char *folder)
{
    char path[CGROUP_PATH_BYTES], quota[FILE_MAX], period[FILE_MAX];
    struct str quota_text;

    if (snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder) >= (int)sizeof(path))
        return 0;
    quota_text = file_read_small(path, quota, FILE_MAX);
    if (snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder) >= (int)sizeof(path))
        return 0;
    return processors_of(quota_text, file_read_small(path, period, FILE_MAX));
}

static unsigned smaller_limit(unsigned a, unsigned b) /* 0: none */
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* The smallest quota from `group` up to the root of the hierarchy at `root`. */
static unsigned walk_up(const char *root, struct str group, unsigned (*read_quota)(const char *folder))
{
    struct cgroup_walk walk = {.root = root, .group = group};
    unsigned limit = 0;

    while (cgroup_next_folder(&walk))
        limit = smaller_limit(limit, read_quota(walk.folder));
    return limit;
}

static unsigned limit_of_line(const struct cgroup_line *line, const char *mount)
{
    char root[CGROUP_PATH_BYTES];

    if (line->controllers.len == 0)
        return walk_up(mount, line->group, read_quota_v2);
    if (!cgroup_line_names(line, STR("cpu")))
        return 0;
    if (snprintf(root, sizeof(root), "%s/cpu", mount) >= (int)sizeof(root) || access(root, F_OK) == -1)
        if (snprintf(root, sizeof(root), "%s/%.*s", mount, STR_ARG(line->controllers)) >= (int)sizeof(root))
            return 0;
    return walk_up(root, line->group, read_quota_v1);
}

unsigned cgroup_cpu_limit(const char *self, const char *mount)
{
    char text[FILE_MAX];
    struct str rest = file_read_small(self, text, FILE_MAX);
    struct cgroup_line line;
    unsigned limit = 0;

    while (cgroup_next_line(&rest, &line))
        limit = smaller_limit(limit, limit_of_line(&line, mount));
    return limit;
}
