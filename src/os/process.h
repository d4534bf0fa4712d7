/* process.h: limits and facts of this process. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_PROCESS_H
#define HOLDFAST_OS_PROCESS_H

#include "base/error.h"
#include "base/str.h"

/* Raises the soft limit of descriptors to the hard one; returns the limit in force, 0 when it cannot be read. */
uint64_t process_raise_file_limit(void);

/* Resident memory in bytes; 0 when it cannot be read. */
uint64_t process_resident_bytes(void);

/* Gives freed memory that the allocator keeps back to the system. Other threads' allocations wait meanwhile, some
 * milliseconds for a hundred megabytes. */
void process_trim_memory(void);

int process_id(void);

#endif
