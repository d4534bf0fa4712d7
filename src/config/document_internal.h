/* document_internal.h: what the readers of formats share: document.c (JSON) and yaml.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_DOCUMENT_INTERNAL_H
#define HOLDFAST_CONFIG_DOCUMENT_INTERNAL_H

#include "config/document.h"

struct builder {
    struct arena *arena;
    const struct source *source;
    struct report *report;
};

/* Of members with one name only the last stays, with a warning for each that goes. False: no memory. */
bool document_drop_duplicates(struct builder *builder, struct node *object) MUST_USE;

/* The same for a text in YAML as document_parse does for JSON: yaml.c. */
struct node *yaml_parse(struct arena *arena, const struct source *source, struct report *report);

/* What a plain scalar is by the rules of YAML 1.2's core schema, as Go's yaml package takes them: fills type and text
 * (numbers in JSON's form); a string when it is nothing else. False: no memory. yaml_scalar.c. */
bool yaml_resolve(struct arena *arena, struct str plain, struct node *node) MUST_USE;

#endif
