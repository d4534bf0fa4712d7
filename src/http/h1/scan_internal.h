/* scan_internal.h: what the scanners share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_SCAN_INTERNAL_H
#define HOLDFAST_HTTP_H1_SCAN_INTERNAL_H

#include "http/h1/scan.h"

/* One byte of the search for the end of a head. */
enum h1_found h1_step(uint8_t c, enum h1_tail *tail);

/* NULL when the processor or the build has it not. */
const struct h1_scanner *h1_scanner_sse42(void);
const struct h1_scanner *h1_scanner_avx2(void);

#endif
