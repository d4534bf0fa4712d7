/* dump.h: `check -d`: what a configuration means, for people. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_DUMP_H
#define HOLDFAST_CLI_DUMP_H

#include "gateway/generation.h"

/* Prints to standard error. Level 1: names, addresses, endpoints and their backends; 2: also defaults, what passes to
 * backends, shapes, contents of components; 3: also clocks and limits of both sides. */
void dump_generation(const struct generation *generation, struct arena *arena, int64_t level, const char *indent);

#endif
