/* order_internal.h: the members of an object in the order of their names. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_ORDER_INTERNAL_H
#define HOLDFAST_JSON_ORDER_INTERNAL_H

#include "json/json_internal.h"

struct order_member {
    uint64_t prefix; /* the first eight bytes of the name's value, so that most comparisons are one of numbers */
    uint32_t name;   /* tape index */
    uint32_t place;  /* in the order of the text */
};

enum { ORDER_SHAPE_MAX = 24 };

/* How the members of an object were sorted, for the next one that has the same names in the same order: lists hold
 * records of one kind. */
struct order_shape {
    uint32_t count;           /* 0: nothing is known */
    struct order_start {      /* of each, in the order of the text */
        uint64_t bytes, mask; /* how it begins, behind its quote: with eight bytes, or all and the other quote */
        uint64_t rank;        /* where it stands by name */
    } starts[ORDER_SHAPE_MAX];
};

/* Lists the members of the object at tape index `object`, which has `count`, by name, of equal names the last. Returns
 * how many these are. `room`: as many again, for the work. *shape (or NULL): as it was left by an object before, or its
 * count 0. */
uint32_t order_members(const struct json_doc *doc, uint32_t object, uint32_t count, struct order_member *members,
                       struct order_member *room, struct order_shape *shape);

#endif
