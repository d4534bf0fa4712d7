/* gunzip_stream.h: a gzip body unpacked while it comes, as Go's transport does for answers that it asked to be packed.
 *
 * Memory is bounded: zlib's window of 32 KiB and state, in the arena, and what one call is allowed to make; a bomb
 * unpacks no faster than somebody takes the bytes away. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GUNZIP_STREAM_H
#define HOLDFAST_GATEWAY_GUNZIP_STREAM_H

#include "base/chain.h"
#include "base/error.h"
#include "base/io.h"

struct gunzip_stream;

/* Lives in the arena and holds nothing else. NULL: *err says out_of_memory. */
struct gunzip_stream *gunzip_stream_new(struct arena *arena, struct error *err);

/* Unpacks from the front of `from`, all members one behind the other, up to size_max bytes (more than 0) to the end of
 * `into`, in buffers of `blocks`. `ended`: nothing comes behind what is in `from`. IO_OK: at least one byte was made;
 * IO_WAIT: more of the packed bytes are needed; IO_END: complete, as an empty body is; IO_FAIL: bad_body, fault
 * UPSTREAM, with the text that Go gives ("gzip: invalid header", also for bytes behind the last member; "flate: corrupt
 * input"; "gzip: invalid checksum"; "unexpected EOF"), or out_of_memory. What was made before the fault stays in
 * `into`. */
enum io gunzip_stream_move(struct gunzip_stream *gunzip, struct chain *from, bool ended, struct chain *into,
                           struct block_pool *blocks, size_t size_max, struct error *err);

#endif
