/* order_internal.h: the members of an object in the order of their names. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_ORDER_INTERNAL_H
#define HOLDFAST_JSON_ORDER_INTERNAL_H

#include "json/json_internal.h"

struct order_member {
    uint64_t prefix; /* the first eight bytes of the name's value, so that most comparisons are one of numbers */
    uint32_t name;   /* tape index */
};

/* Lists the members of the object at tape index `object` in file order. False: they are sorted and unique already. */
bool order_list(const struct json_doc *doc, uint32_t object, struct order_member *members);

/* Sorts them by name, of equal names keeps the last, returns how many are left. `room`: as many again, for the merges.
 */
uint32_t order_sort(const struct json_doc *doc, struct order_member *members, struct order_member *room,
                    uint32_t count);

#endif
