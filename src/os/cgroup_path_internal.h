/* cgroup_path_internal.h: where the files of our control groups are, of both versions (cgroups(7)).
 *
 * In a container the path in /proc may be that of the host while the mount shows our own group as its root; walking up
 * from the path finds both. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_CGROUP_PATH_INTERNAL_H
#define HOLDFAST_OS_CGROUP_PATH_INTERNAL_H

#include "base/str.h"

enum { CGROUP_PATH_BYTES = 1024 };

/* A line of /proc/self/cgroup, "hierarchy:controllers:path"; that of version 2 is "0::path". */
struct cgroup_line {
    struct str controllers; /* separated by commas; empty: version 2 */
    struct str group;       /* its path below the root of its hierarchy */
};

/* Takes the next line that can be read from the front of `text`, which it points into; false: there is none. */
bool cgroup_next_line(struct str *text, struct cgroup_line *line);
bool cgroup_line_names(const struct cgroup_line *line, struct str controller);

/* The folders of a group and of all above it. Zeroed but for `root` and `group`. */
struct cgroup_walk {
    const char *root; /* of the hierarchy, as it is mounted; borrowed */
    struct str group; /* the next one; borrowed */
    bool over;
    char folder[CGROUP_PATH_BYTES];
};

/* From the group up to the root, one folder with each call; false: that was all. Too long ones are left out. */
bool cgroup_next_folder(struct cgroup_walk *walk);

#endif
