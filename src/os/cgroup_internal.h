/* cgroup_internal.h: the processors that the control group leaves us; for thread.c and its tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_CGROUP_INTERNAL_H
#define HOLDFAST_OS_CGROUP_INTERNAL_H

/* The smallest CPU quota of the group that `self` (/proc/self/cgroup) names and of those above it, under `mount`
 * (/sys/fs/cgroup), in processors rounded up. 0: no quota, or none that can be read. Knows version 2 (cpu.max), version
 * 1 (cpu.cfs_quota_us), and both side by side. */
unsigned cgroup_cpu_limit(const char *self, const char *mount);

#endif
