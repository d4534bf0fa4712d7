/* text.h: numbers, durations, sizes and escapes as text. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_TEXT_H
#define HOLDFAST_BASE_TEXT_H

#include "base/arena.h"
#include "base/str.h"

enum { NUMBER_TEXT_BYTES = 24, DURATION_TEXT_BYTES = 40 };

/* Digits only, all of s, at most 2^64-1. False otherwise (also for empty, signs, spaces). */
bool text_to_u64(struct str s, uint64_t *out) MUST_USE;
bool text_leading_u64(struct str s, uint64_t *out) MUST_USE; /* the digits at its front; false: there is none */
bool text_hex_to_u64(struct str s, uint64_t *out) MUST_USE;  /* hex digits only, 1 to 16 of them */
bool text_to_i64(struct str s, int64_t *out) MUST_USE;       /* optional sign, decimal */
bool text_to_double(struct str s, double *out) MUST_USE;     /* JSON's grammar; the nearest, not infinite */

/* Writes the decimal digits to out (no NUL) and returns how many. */
size_t text_from_u64(uint64_t number, char out[NUMBER_TEXT_BYTES]);
size_t text_hex_from_u64(uint64_t number, char out[NUMBER_TEXT_BYTES]); /* lower case, no leading zeros */

/* Go's time.ParseDuration: optional sign, then "0" or one or more of number and unit (ns us µs μs ms s m h), decimals
 * allowed: "1h30m", "-1.5s", "300ms". False: not a duration, or past +-2^63 ns. */
bool text_to_duration(struct str s, int64_t *out_ns) MUST_USE;

/* As Go prints it: "1h30m0s", "1.5s", "300ms", "0s". The result stands somewhere in `out`, without a NUL. */
struct str text_from_duration(int64_t duration_ns, char out[DURATION_TEXT_BYTES]);

/* Percent-decodes in the arena, with a NUL behind (`plus_is_space`: form rules). False: a bad escape (RFC 3986 2.1) or
 * no room; *bad, when not NULL, then holds the bad escape as it stands in s (as Go's EscapeError shows it: at most
 * three bytes). */
bool text_percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *out,
                         struct str *bad) MUST_USE;

/* Edit distance between a and b up to `limit` (more is reported as limit + 1); for "did you mean". Texts of more than
 * 128 bytes are not looked at: limit + 1 unless equal. */
unsigned text_distance(struct str a, struct str b, unsigned limit);

bool text_is_utf8(struct str s); /* well formed, no surrogates, at most U+10FFFF */

#endif
