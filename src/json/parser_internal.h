/* parser_internal.h: the parser's state, shared by parse.c and escape.c. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_PARSER_INTERNAL_H
#define HOLDFAST_JSON_PARSER_INTERNAL_H

#include "json/json_internal.h"

struct parser {
    const char *at, *end, *text;
    struct json_entry *tape;
    uint32_t length, room; /* of the tape */
    uint32_t depth, depth_max;
    bool repair;
    enum json_fault fault; /* why reading stopped; `at` is then the place */
    const char *token;     /* where a literal with a fault began */
    struct arena *arena;
};

/* Notes the fault and returns false. */
static inline bool parser_fail(struct parser *p, enum json_fault fault, const char *at)
{
    p->fault = fault;
    p->at = at;
    return false;
}

/* The escape at p->at, a backslash; notes in the entry what it means for the string. False: a fault. */
bool parser_escape(struct parser *p, struct json_entry *entry);

/* Bytes past ASCII from p->at on, up to the first that is not. False: a fault. */
bool parser_wide(struct parser *p, struct json_entry *entry);

#endif
