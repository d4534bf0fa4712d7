/* gunzip.h: a gzip body unpacked, in bounds. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GUNZIP_H
#define HOLDFAST_GATEWAY_GUNZIP_H

#include "base/arena.h"
#include "base/error.h"

/* All members of `packed`, one behind the other; bytes behind the last that are no gzip are passed over. Everything
 * lives in the arena. False: bad_body with the text that Go gives, body_too_large past bytes_max, out_of_memory. */
bool gunzip(struct arena *arena, struct str packed, size_t bytes_max, struct str *out, struct error *err) MUST_USE;

#endif
