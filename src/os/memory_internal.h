/* memory_internal.h: for memory.c and its tests. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_MEMORY_INTERNAL_H
#define HOLDFAST_OS_MEMORY_INTERNAL_H

/* memory_use with other files: `self` for /proc/self/cgroup, `mount` for /sys/fs/cgroup, `machine` for
 * /proc/meminfo. */
struct memory_use memory_use_of(const char *self, const char *mount, const char *machine);

#endif
