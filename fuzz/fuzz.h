/* fuzz.h: the entry that every target has. libFuzzer calls it in the fuzz build, replay.c in all others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_FUZZ_FUZZ_H
#define HOLDFAST_FUZZ_FUZZ_H

#include "base/compiler.h"

/* One input; the bytes are borrowed. Returns 0. A finding is a failed ASSERT or a sanitizer's report. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
