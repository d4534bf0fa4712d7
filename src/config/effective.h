/* effective.h: what a configuration comes to: every setting with its value and where that comes from, for people to
 * read. Secrets are masked (mask.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_EFFECTIVE_H
#define HOLDFAST_CONFIG_EFFECTIVE_H

#include "config/schema.h"

#include "json/write.h"

/* A value that was settled beside the document and its tables, which it goes over. */
struct effective_fixed {
    const char *path;  /* "port" */
    const char *value; /* JSON text */
    const char *from;  /* "command line" */
};

struct effective_options {
    const struct schema *schema; /* of the root */
    const struct node *root;     /* the document, overrides grafted; NULL: an empty one */
    /* The name by which a table knows a member of a free form. */
    struct str (*known_name)(struct str name);
    /* What a list's element takes from the level above that has an option of the same name, when it has none itself. */
    bool (*is_inherited)(struct str name);
    const struct effective_fixed *fixed;
    size_t fixed_count;
};

/* Writes a list of {"path": "endpoints[0].timeout", "value": "3s", "from": "gateway.json:14"}: values as they were
 * understood (durations and sizes of one form, texts of numbers as numbers), in the order of the tables. `from` is
 * "default", FILE:LINE, "environment NAME", or what is fixed. A key that no table knows has "unknown": true. Of free
 * forms inside of lists only what was given is told. */
void effective_write(struct json_writer *writer, const struct effective_options *options);

#endif
