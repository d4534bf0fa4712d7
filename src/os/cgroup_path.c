/* cgroup_path.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "os/cgroup_path_internal.h"

#include <stdio.h>

bool cgroup_next_line(struct str *text, struct cgroup_line *line)
{
    struct str hierarchy;

    while (str_split(text, '\n', &line->group))
        if (str_split(&line->group, ':', &hierarchy) && str_split(&line->group, ':', &line->controllers) &&
            line->group.len > 0)
            return true;
    return false;
}

bool cgroup_line_names(const struct cgroup_line *line, struct str controller)
{
    struct str rest = line->controllers, name;

    while (str_split(&rest, ',', &name))
        if (str_eq(name, controller))
            return true;
    return false;
}

bool cgroup_next_folder(struct cgroup_walk *walk)
{
    while (!walk->over) {
        struct str group = walk->group;
        size_t slash = str_find_last_char(group, '/');

        walk->over = group.len == 0;
        walk->group = str_first(group, slash < group.len ? slash : 0);
        if (snprintf(walk->folder, sizeof(walk->folder), "%s%.*s", walk->root, STR_ARG(group)) <
            (int)sizeof(walk->folder))
            return true;
    }
    return false;
}
