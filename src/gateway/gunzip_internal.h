/* gunzip_internal.h: what both ways to unpack share: zlib in an arena, and Go's words for its errors.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GUNZIP_INTERNAL_H
#define HOLDFAST_GATEWAY_GUNZIP_INTERNAL_H

#include "base/arena.h"
#include "base/error.h"

#include <zlib.h>

/* Ready for the first member; some 40 KiB of the arena by and by. False: out_of_memory. inflateEnd need not follow, as
 * all of it goes with the arena. */
bool gunzip_begin(z_stream *zlib, struct arena *arena, struct error *err) MUST_USE;

/* Ready for the next member. */
bool gunzip_next(z_stream *zlib, struct error *err) MUST_USE;

/* What inflate said. False: *err tells what is wrong with the bytes (bad_body), or that there is no memory. */
bool gunzip_judge(const z_stream *zlib, int result, struct error *err) MUST_USE;

/* The packed bytes are over inside a member. Always false. */
bool gunzip_cut(struct error *err);

#endif
