/* origin_stream.h: a stream that sends badly on purpose: only so many bytes, only so fast, with a reset at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_STREAM_H
#define HOLDFAST_CLI_ORIGIN_STREAM_H

#include "net/stream.h"

/* Takes `under`, also when it fails. NULL: no memory. The functions below are for what this one returned. */
struct stream *origin_stream_new(struct stream *under);

/* However it is closed, it is with RST. */
void origin_stream_reset_at_close(struct stream *stream);

/* From here on: `bytes` more bytes are sent, the rest is thrown away and `task` woken; UINT64_MAX and NULL: all are
 * sent. */
void origin_stream_cut_after(struct stream *stream, uint64_t bytes, struct task *task);
bool origin_stream_was_cut(const struct stream *stream);

void origin_stream_pace(struct stream *stream, uint64_t bytes_per_second); /* 0: as fast as it goes */

#endif
