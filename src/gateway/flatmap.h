/* flatmap.h: KrakenD's flatmap_filter on Data: move, append and del along dotted paths, where a star stands for any
 * child and a number for an element of an array (spec 4.10). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FLATMAP_H
#define HOLDFAST_GATEWAY_FLATMAP_H

#include "gateway/data.h"

enum { FLATMAP_PARTS_MAX = 64 }; /* of a path, so that what is moved down cannot be nested without end */

enum flatmap_kind { FLATMAP_MOVE, FLATMAP_APPEND, FLATMAP_DEL };

struct flatmap_path {
    struct str *parts;
    size_t count; /* at least one */
};

struct flatmap_op {
    enum flatmap_kind kind;
    struct flatmap_path *args; /* two for move and append, any number for del */
    size_t arg_count;
};

struct flatmap {
    struct flatmap_op *ops;
    size_t count;
    bool collection; /* what the answer has under that name is a list, even when it is null */
};

/* Cuts a dotted path. False: no room. */
bool flatmap_path(struct arena *arena, struct str text, struct flatmap_path *path) MUST_USE;

/* Runs the operations in order over an object (anything else stays as it is). What loses its last child becomes null,
 * the whole included. False: no room. */
bool flatmap_apply(struct arena *arena, const struct flatmap *flatmap, struct data *data) MUST_USE;

#endif
