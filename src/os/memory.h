/* memory.h: how much of the memory that this process may use is in use, by whomever it shares it with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_MEMORY_H
#define HOLDFAST_OS_MEMORY_H

#include "base/str.h"

/* Limits are those of our control group and the groups above it, and the machine's own memory. */
struct memory_use {
    unsigned permille;    /* of the limit that is nearest. File pages that could be dropped at once count as free */
    uint64_t limit_bytes; /* the least of them; UINT64_MAX: nothing can be read */
};

struct memory_use memory_use(void);

#endif
