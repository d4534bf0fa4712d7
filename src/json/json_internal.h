/* json_internal.h: what the files of json/ share: the parser's faults and the characters of strings.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_JSON_INTERNAL_H
#define HOLDFAST_JSON_JSON_INTERNAL_H

#include "json/json.h"

/* What the parser wanted when it stopped. Meeting the end of the text instead is the same fault at text.len. */
enum json_fault {
    JSON_FAULT_NONE,
    JSON_FAULT_VALUE,
    JSON_FAULT_NAME,
    JSON_FAULT_COLON,
    JSON_FAULT_MEMBER_END,
    JSON_FAULT_ELEMENT_END,
    JSON_FAULT_TOP,
    JSON_FAULT_CONTROL,
    JSON_FAULT_ESCAPE,
    JSON_FAULT_HEX,
    JSON_FAULT_NUMBER,
    JSON_FAULT_DECIMAL,
    JSON_FAULT_EXPONENT,
    JSON_FAULT_LITERAL,
    JSON_FAULT_UTF8,
    JSON_FAULT_SURROGATE,
    JSON_FAULT_DEPTH,
    JSON_FAULT_SIZE,
    JSON_FAULT_MEMORY,
};

/* Fills *err for a fault found at offset `at`; `start` is where the token began, `limit` the cap that was passed. */
COLD void json_fault_describe(enum json_fault fault, struct str text, uint32_t at, uint32_t start, uint32_t limit,
                              struct json_error *err);

/* The entry of a value, and a string's text between its quotes. */
static inline const struct json_entry *json_entry_of(struct json value)
{
    return &value.doc->tape[value.index];
}

static inline struct str json_content(struct str text, const struct json_entry *entry)
{
    return str_of(text.data + entry->at + 1, entry->len - 2);
}

/* Are these bytes also the string's value? */
static inline bool json_is_literal(const struct json_entry *entry)
{
    return !entry->escaped && !entry->repaired;
}

enum { JSON_RUNE_REPLACEMENT = 0xfffd };

/* The next character of a string's content and *at past it: escapes are undone, surrogate pairs joined; lone surrogates
 * and bad bytes (one each) are U+FFFD. The content has been through json_parse. */
uint32_t json_take_rune(const char **at, const char *end);

/* The same for text that is not JSON: no escapes. *bad: a byte that is no UTF-8. */
uint32_t json_take_utf8(const char **at, const char *end, bool *bad);

/* UTF-8 of one character; returns its bytes. */
size_t json_put_rune(uint32_t rune, char out[4]);

/* Order of two strings' values by bytes, as memcmp has it. */
int json_compare_content(struct str a, struct str b);

/* Compares two strings of one text by value: memcmp when neither needs decoding. */
int json_compare_entries(struct str text, const struct json_entry *a, const struct json_entry *b);

#endif
