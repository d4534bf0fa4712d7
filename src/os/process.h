/* process.h: limits and facts of this process. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_PROCESS_H
#define HOLDFAST_OS_PROCESS_H

#include "base/error.h"
#include "base/str.h"

/* Raises the soft limit of descriptors to the hard one; returns the limit in force, 0 when it cannot be read. */
uint64_t process_raise_file_limit(void);

/* Descriptors that are open now, and the limit on them; 0 when it cannot be told. The first looks at each of them. */
uint64_t process_open_files(void);
uint64_t process_file_limit(void);
uint64_t process_file_limit_hard(void); /* what the limit could be raised to; 0 when it cannot be told */

/* How many local ports the system gives to connections (ip_local_port_range); 0 when it cannot be told. */
uint64_t process_port_count(void);

/* Connections of this machine, or network namespace, in TIME_WAIT; 0 when it cannot be told. */
uint64_t process_time_waits(void);

/* Resident memory in bytes; 0 when it cannot be read. */
uint64_t process_resident_bytes(void);

/* Gives freed memory that the allocator keeps back to the system. Other threads' allocations wait meanwhile, some
 * milliseconds for a hundred megabytes. */
void process_trim_memory(void);

#endif
