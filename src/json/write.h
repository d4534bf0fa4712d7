/* write.h: JSON text out, as Go's encoder writes a decoded value: keys sorted by bytes, the last of equal keys,
 * compact, numbers digit for digit, < > & and U+2028/9 escaped, bad UTF-8 as U+FFFD (spec of KrakenD's rendering).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_WRITE_H
#define HOLDFAST_JSON_WRITE_H

#include "base/chain.h"

#include "json/json.h"

/* Where output goes: a growing piece of memory in an arena. Zero it, set arena, write, read out.data/out.len. Once
 * `failed` is set (no room) further writes do nothing, so that one check at the end is enough. */
struct json_writer {
    struct arena *arena;
    char *data;
    size_t len, room;
    bool failed;
    struct json_shapes *shapes; /* borrowed; NULL: each object is sorted for itself */
};

/* How objects were sorted, for those that have the same names in the same order: records of one kind stand beside each
 * other, and come again. Of one thread. NULL: no memory. */
struct json_shapes *json_shapes_new(void);
void json_shapes_free(struct json_shapes *shapes);

/* The whole value (a missing one as null). A subtree that is canonical already is copied as it stands. Scratch memory
 * for objects that must be sorted comes from the writer's arena. */
void json_write(struct json_writer *writer, struct json value);

/* By hand, piece by piece; commas and colons are the caller's. */
void json_write_raw(struct json_writer *writer, struct str text); /* as it is */
void json_write_string(struct json_writer *writer,
                       struct str value); /* quoted and escaped as Go does; bad UTF-8: \ufffd */
/* A member's name with its colon, behind a comma where it is not the first. */
void json_write_name(struct json_writer *writer, struct str name, bool first);
void json_write_char(struct json_writer *writer, char c); /* a bracket or a comma, as it is */
void json_write_u64(struct json_writer *writer, uint64_t number);
void json_write_double(struct json_writer *writer,
                       double number); /* shortest form; exponent outside 1e-6 .. 1e21; NaN: null */
void json_write_decimal(struct json_writer *writer, double number); /* shortest form, never an exponent */

struct str json_written(const struct json_writer *writer); /* data NULL when failed */

#endif
