/* lint_internal.h: what the files of the linter share: lint.c (the walk), a file for each kind of keyword, and where
 * references lead. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_LINT_INTERNAL_H
#define HOLDFAST_CONFIG_LINT_INTERNAL_H

#include "config/lint.h"
#include "config/problems.h"

/* A schema with a name of its own. */
struct lint_id {
    struct lint_id *next;
    struct str uri;    /* absolute as far as the file says; of an anchor: of the schema it is in */
    struct str anchor; /* empty: the schema itself */
    const struct node *node;
};

struct lint {
    struct arena *arena;
    struct report *report;
    const struct node *schema; /* the root */
    struct str base;           /* URI of the schema that is being read */
    struct lint_id *ids;
    struct lint_pattern *patterns; /* compiled ones */
    unsigned depth;
    uint64_t steps;
    bool broken; /* the schema cannot be used: it was said */
};

/* A value of the document, as a chain on the stack: only a problem turns it into text. */
struct spot {
    const struct spot *parent; /* NULL: the document */
    const struct node *node;
    size_t index;    /* in parent */
    bool is_element; /* of an array; else a member */
};

/* The keyword's verdict on spot->node. `tell`: put what is wrong into the report. */
typedef bool lint_keyword(struct lint *lint, const struct node *schema, const struct node *keyword,
                          const struct spot *spot, bool tell);

/* One value under one schema. */
bool lint_value(struct lint *lint, const struct node *schema, const struct spot *spot, bool tell);

/* "endpoints[2].timeout" in the arena; empty for the document itself. */
struct str lint_path(const struct lint *lint, const struct spot *spot);

/* The member with exactly this name. NULL: none. */
const struct node *lint_member(const struct node *object, struct str name);

/* False, with the sentence in the report if `tell`: "endpoints[2].timeout: SENTENCE". */
bool lint_refuse(const struct lint *lint, const struct spot *spot, bool tell, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Something is wrong with the schema, at `node`: said once for all. Answers true, so that the document is not blamed.
 */
bool lint_break(struct lint *lint, const struct node *node, const char *format, ...) PRINTF_LIKE(3, 4);

/* lint_value.c */
lint_keyword lint_type, lint_enum, lint_const, lint_bound, lint_multiple, lint_length, lint_count, lint_unique,
    lint_required, lint_dependent_required;
/* lint_forms.c */
lint_keyword lint_all_of, lint_any_of, lint_if_then, lint_not, lint_one_of, lint_ref;
/* lint_members.c */
lint_keyword lint_additional, lint_contains, lint_dependent, lint_items, lint_names, lint_patterns, lint_properties;
/* lint_pattern.c */
lint_keyword lint_pattern;
/* Whether the pattern is found in the text; true as well when it cannot be used. */
bool lint_matches(struct lint *lint, const struct node *place, struct str pattern, struct str text);
void lint_free_patterns(struct lint *lint);

/* lint_refs.c */
void lint_collect_ids(struct lint *lint);
struct str lint_resolve(const struct lint *lint, struct str reference); /* against lint->base; data NULL: no room */
/* The schema that a reference means, and its URI. NULL: there is none in the file. */
const struct node *lint_find(struct lint *lint, struct str reference, struct str *uri);

#endif
