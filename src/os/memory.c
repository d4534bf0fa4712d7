/* memory.c: memory in use, of control groups (version 2: Documentation/admin-guide/cgroup-v2.rst, "memory.current";
 * version 1: cgroup-v1/memory.rst) and of the machine (proc(5), "meminfo").
 *
 * As in cgroup.c, what is missing or odd means "no limit". Start with memory_use_of.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/memory.h"

#include "base/text.h"
#include "os/cgroup_path_internal.h"
#include "os/file.h"
#include "os/memory_internal.h"

#include <stdio.h>

enum { FILE_MAX = 8192, FULL_PERMILLE = 1000, KIB = 1024 };

/* Names of a version's files. */
struct group_files {
    const char *limit, *used;
    struct str droppable; /* a line of memory.stat */
};

static const struct group_files version_2 = {"memory.max", "memory.current", STR_INIT("inactive_file ")};
static const struct group_files version_1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                             STR_INIT("total_inactive_file ")};

static struct str read_in(const char *folder, const char *name, char out[FILE_MAX])
{
    char path[CGROUP_PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
        return STR_EMPTY;
    return file_read_small(path, out, FILE_MAX);
}

/* The number behind `name` at the start of a line. */
static bool find_line(struct str text, struct str name, uint64_t *number)
{
    struct str line;

    while (str_split(&text, '\n', &line))
        if (str_starts(line, name))
            return text_leading_u64(str_trim(str_from_offset(line, name.len)), number);
    return false;
}

static void add(struct memory_use *use, uint64_t used, uint64_t max)
{
    unsigned permille = FULL_PERMILLE;

    if (max == 0)
        return;
    if (used < max)
        permille = (unsigned)((double)used / (double)max * (double)FULL_PERMILLE);
    use->permille = unsigned_max(use->permille, permille);
    use->limit_bytes = u64_min(use->limit_bytes, max);
}

static void add_group(struct memory_use *use, const char *folder, const struct group_files *files)
{
    char text[FILE_MAX];
    uint64_t max, used, droppable = 0;

    if (!text_leading_u64(read_in(folder, files->limit, text), &max)) /* among them "max" */
        return;
    if (!text_leading_u64(read_in(folder, files->used, text), &used))
        return;
    (void)find_line(read_in(folder, "memory.stat", text), files->droppable, &droppable); /* not told: none is */
    add(use, used > droppable ? used - droppable : 0, max);
}

static void walk_up(struct memory_use *use, const char *root, struct str group, const struct group_files *files)
{
    struct cgroup_walk walk = {.root = root, .group = group};

    while (cgroup_next_folder(&walk))
        add_group(use, walk.folder, files);
}

static void add_line(struct memory_use *use, const struct cgroup_line *line, const char *mount)
{
    char root[CGROUP_PATH_BYTES];

    if (line->controllers.len == 0)
        walk_up(use, mount, line->group, &version_2);
    else if (cgroup_line_names(line, STR("memory")) &&
             snprintf(root, sizeof(root), "%s/memory", mount) < (int)sizeof(root))
        walk_up(use, root, line->group, &version_1);
}

static void add_machine(struct memory_use *use, const char *machine)
{
    char text[FILE_MAX];
    struct str all = file_read_small(machine, text, FILE_MAX);
    uint64_t total, available;

    if (find_line(all, STR("MemTotal:"), &total) && find_line(all, STR("MemAvailable:"), &available))
        add(use, (total > available ? total - available : 0) * KIB, total * KIB);
}

struct memory_use memory_use_of(const char *self, const char *mount, const char *machine)
{
    char text[FILE_MAX];
    struct str rest = file_read_small(self, text, FILE_MAX);
    struct memory_use use = {.limit_bytes = UINT64_MAX};
    struct cgroup_line line;

    add_machine(&use, machine);
    while (cgroup_next_line(&rest, &line))
        add_line(&use, &line, mount);
    return use;
}

struct memory_use memory_use(void)
{
    return memory_use_of("/proc/self/cgroup", "/sys/fs/cgroup", "/proc/meminfo");
}
