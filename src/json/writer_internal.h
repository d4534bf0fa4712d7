/* writer_internal.h: the growing piece of memory behind json_writer, for write.c and write_text.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_WRITER_INTERNAL_H
#define HOLDFAST_JSON_WRITER_INTERNAL_H

#include "json/write.h"

enum {
    WRITER_SLACK = 32
}; /* free bytes that writer_reserve leaves beyond what was asked for: short copies overshoot */

/* No more output. Returns false. */
static inline bool writer_fail(struct json_writer *writer)
{
    writer->failed = true;
    writer->room = writer->len; /* so that every further write meets writer_grow, which refuses */
    return false;
}

/* The slow half of writer_reserve. */
bool writer_grow(struct json_writer *writer, size_t size);

/* Is there room for `size` bytes behind the first `len`, and the slack? */
static inline bool writer_has_room(const struct json_writer *writer, size_t len, size_t size)
{
    return LIKELY(writer->room - len >= size + WRITER_SLACK);
}

/* Room for `size` more bytes and the slack. False: failed. */
static inline bool writer_reserve(struct json_writer *writer, size_t size)
{
    return writer_has_room(writer, writer->len, size) || writer_grow(writer, size);
}

static inline void writer_char(struct json_writer *writer, char c)
{
    if (writer_reserve(writer, 1))
        writer->data[writer->len++] = c;
}

/* Copies `len` bytes to where room for them and the slack is. Short pieces, which is most, move as one block, or two.
 */
static inline void writer_move(char *to, const char *data, size_t len, size_t readable)
{
    if (len <= WRITER_SLACK && readable >= WRITER_SLACK)
        memcpy(to, data, WRITER_SLACK);
    else if (len <= (size_t)2 * WRITER_SLACK && readable >= (size_t)2 * WRITER_SLACK)
        memcpy(to, data, (size_t)2 * WRITER_SLACK);
    else
        memcpy(to, data, len);
}

/* Appends `len` bytes; `readable` of them and behind them may be read. */
static inline void writer_copy(struct json_writer *writer, const char *data, size_t len, size_t readable)
{
    if (!writer_reserve(writer, len))
        return;
    writer_move(writer->data + writer->len, data, len, readable);
    writer->len += len;
}

/* A string whose content is JSON (escapes in it), quoted and escaped anew as Go does. */
void writer_content(struct json_writer *writer, struct str content);

#endif
