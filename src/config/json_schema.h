/* json_schema.h: option tables as a JSON Schema (draft 2020-12) for editors and linters: what each key is for, its
 * type, default, range and examples. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_JSON_SCHEMA_H
#define HOLDFAST_CONFIG_JSON_SCHEMA_H

#include "config/schema.h"

/* The whole document, indented, with a newline at its end. Types are those that a person should write: what is taken
 * loosely beyond that (a number in quotes) is not in it. Keys that begin with one of "@$_#" are comments everywhere.
 * data NULL: no room. */
struct str schema_to_json(const struct schema *schema, const char *title, struct arena *arena);

#endif
