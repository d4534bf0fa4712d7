/* shape.h: what is kept of one backend's answer, and where: KrakenD's target, allow, deny, mapping and group
 * (spec 4.4), compiled from a configuration and applied to Data. Instead of allow, deny and mapping there may be a
 * flatmap (flatmap.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SHAPE_H
#define HOLDFAST_GATEWAY_SHAPE_H

#include "gateway/data.h"
#include "gateway/flatmap.h"

/* Dotted paths as a tree of names. */
struct shape_rule {
    struct shape_rule *next;     /* of the same parent */
    struct shape_rule *children; /* NULL: the path ends here */
    struct str name;
};

struct shape_rename {
    struct str from, to;
};

struct shape {
    struct str target;               /* dotted; empty: all of it */
    struct shape_rule *allow, *deny; /* NULL: none; allow wins */
    struct shape_rename *renames;
    size_t rename_count;
    struct str group; /* empty: none */
    struct flatmap flatmap;
};

/* Adds a dotted path to the tree. Of "a" and "a.b" in an allow list the later wins; in a deny list "a" does. False: no
 * room. */
bool shape_allow(struct arena *arena, struct shape *shape, struct str path) MUST_USE;
bool shape_deny(struct arena *arena, struct shape *shape, struct str path) MUST_USE;

/* Shapes a decoded answer's Data (an object or null) in KrakenD's order. False: no room. */
bool shape_apply(struct arena *arena, const struct shape *shape, struct data *data) MUST_USE;

#endif
