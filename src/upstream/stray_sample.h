/* stray_sample.h: the beginning of what a host has sent and nobody had asked for, for people who look for the reason.
 * It may be another client's answer, so that what could be secret is made unreadable: of an answer the status line and
 * the names of its fields stay; all other letters become 'x' and digits 9 (zeros stay, for the sake of last chunks).
 * Bytes that are no text become '.', but line ends (keepalive F-16). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_STRAY_SAMPLE_H
#define HOLDFAST_UPSTREAM_STRAY_SAMPLE_H

#include "base/str.h"

#include <stdint.h>

enum { STRAY_SAMPLE_BYTES = 64, STRAY_SAMPLE_TEXT = 2 * STRAY_SAMPLE_BYTES + 1 };

struct stray_sample { /* zeroed: nothing */
    uint8_t len;
    char bytes[STRAY_SAMPLE_BYTES];
};

void stray_sample_take(struct stray_sample *sample, struct str bytes); /* the first of them */

/* As one line with a NUL, STRAY_SAMPLE_TEXT bytes at most: \r, \n, \t, \" and \\. Returns text. */
const char *stray_sample_text(const struct stray_sample *sample, char *text);

#endif
