/* memory.h: how much of the memory that this process may use is in use, by whomever it shares it with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_MEMORY_H
#define HOLDFAST_OS_MEMORY_H

#include "base/str.h"

/* What is used of the limit that is nearest, in thousandths: those of our control group and the groups above it, and
 * the machine's own memory. File pages that could be dropped at once count as free. 0 when nothing can be read. */
unsigned memory_used_permille(void);

#endif
