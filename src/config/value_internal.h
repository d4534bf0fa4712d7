/* value_internal.h: a node's value as the type that an option wants, weakly as KrakenD's loader has it
 * (spec/krakend-core 1.3); and suggestions for texts that are none. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_VALUE_INTERNAL_H
#define HOLDFAST_CONFIG_VALUE_INTERNAL_H

#include "config/document.h"

enum conversion {
    CONVERTED,
    CONVERSION_TYPE,  /* no value of this type becomes the wanted one */
    CONVERSION_TEXT,  /* the type may do, the text does not */
    CONVERSION_RANGE, /* a number past 64 bits */
};

enum conversion value_to_bool(const struct node *node, bool *out);
enum conversion value_to_int(const struct node *node, int64_t *out);
enum conversion value_to_duration(const struct node *node, int64_t *out_ns); /* a number: nanoseconds */
enum conversion value_to_size(const struct node *node, int64_t *out_bytes);

/* Numbers as decimal text, booleans as "1" and "0". data NULL with CONVERTED: no memory. */
enum conversion value_to_text(const struct node *node, struct arena *arena, struct str *out);

/* "did you mean ...?" or the like; NULL: no idea, or no memory. */
const char *suggest_duration(struct arena *arena, struct str wrong);
const char *suggest_size(struct arena *arena, struct str wrong);
const char *suggest_unit(struct arena *arena, int64_t number); /* for a duration written as a bare number */

#endif
