/* lint.h: a document against a JSON Schema of somebody's own (`check -s`).
 *
 * The keywords of drafts 7, 2019-09 and 2020-12 which say what a document may hold. format,
 * title, default and the like are notes to people, as those drafts have it by default; unevaluatedItems,
 * unevaluatedProperties and the recursive and dynamic references are not understood, and a schema with them is not
 * used. References lead to places in the same file only, by pointer, $id or $anchor; nothing is fetched. Patterns are
 * PCRE2's. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_LINT_H
#define HOLDFAST_CONFIG_LINT_H

#include "config/document.h"

/* Both are trees of document.h in report->arena, or outlive it. True: the document is what the schema allows. Else each
 * place where it is not is an error of the report (problem SCHEMA_REFUSES), and so is what of the schema cannot be used
 * (SCHEMA_UNUSABLE): references that lead nowhere or in circles, bad patterns, keywords with values of wrong types. */
bool lint_document(const struct node *schema, const struct node *document, struct report *report);

#endif
