/* document.h: a configuration file (or another text) as a tree with positions, from JSON or YAML.
 *
 * Nodes are the tree that schemas bind; environment overrides are grafted onto it so that binding knows only one form.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_DOCUMENT_H
#define HOLDFAST_CONFIG_DOCUMENT_H

#include "config/report.h"

#include "json/json.h"

struct node {
    enum json_type type;
    struct place place;      /* of the value */
    struct place name_place; /* of the member's name; source NULL for elements and the root */
    struct str name;         /* member name, decoded */
    struct str text;         /* a string's value; of numbers, booleans and null their text */
    struct node *children;   /* members or elements */
    struct node *next;       /* sibling */
    uint32_t count;          /* children */
};

/* Parses one text into nodes in the arena. Syntax errors go to the report (one, with its caret); NULL then. Duplicate
 * member names: the last wins, the earlier are dropped with a warning. */
struct node *document_parse(struct arena *arena, const struct source *source, struct report *report);

/* Reads the file and parses it by its extension: .yaml and .yml; .toml says that it comes later; all else is JSON. In
 * YAML aliases share their nodes, merge keys ("<<") are understood, and all aliases together may stand for some million
 * nodes. NULL: the report says why (also for a file that cannot be read). */
struct node *document_load(struct arena *arena, const char *path, struct report *report);

/* Puts KRAKEND_<KEY>=value over the root's members, as spec 1.2 has it: prefix stripped, lower-cased, the value a
 * string, dots nest; the key need not be in the file. Empty names are ignored. */
void document_override(struct arena *arena, struct node *root, struct str variable, struct str value,
                       struct report *report);

/* The member called `name`: exact first, else without regard to case (KrakenD's rule). NULL: none. */
struct node *node_member(const struct node *object, struct str name);

/* A list of objects as the one object that KrakenD's loader makes of it where it wants a map, what comes later over
 * what comes before ([] is how PHP writes an empty one). Anything else, a list of other things too, as it is. */
const struct node *node_as_map(const struct node *value, struct arena *arena);

/* A whole number in text, as KrakenD's loader reads it: a sign, 0x, 0o, 0b or a 0 in front for another base,
 * underscores between digits. False: it is none, or past 64 bits. */
bool document_read_int(struct str text, int64_t *out) MUST_USE;

/* Back to JSON text (compact, Go's escapes, keys in file order; numbers as the doubles they are to KrakenD, shortest
 * form), for dumps, static answers and free-form extra_config. data NULL: no room. */
struct str node_to_json(const struct node *node, struct arena *arena);

#endif
