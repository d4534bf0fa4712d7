/* schema_internal.h: what schema.c (structs) and schema_value.c (fields) share. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_SCHEMA_INTERNAL_H
#define HOLDFAST_CONFIG_SCHEMA_INTERNAL_H

#include "config/problems.h"
#include "config/schema.h"

/* Where a value is, as a chain on the stack: only a problem turns it into text. */
struct path {
    const struct path *parent; /* NULL: the root, whose name is given by the caller */
    const char *name;          /* NULL: element number `index` of the parent */
    size_t index;
};

struct binder {
    struct arena *arena;
    struct report *report;
};

/* "endpoints[2].timeout: " in the arena, or "" for a nameless root. */
const char *path_prefix(const struct binder *binder, const struct path *path);

/* Fills the struct from an object; `into` holds its defaults. */
void schema_bind_struct(struct binder *binder, const struct schema *schema, const struct node *object,
                        const struct path *path, void *into);

/* Zeroes the struct and sets its defaults. */
void schema_set_defaults(const struct schema *schema, void *into);

/* Fills the option's field, which holds its default, from a value that is not null. */
void schema_bind_value(struct binder *binder, const struct option *option, const struct node *value,
                       const struct path *path, void *field);

void schema_no_memory(struct binder *binder, struct place place);

#endif
