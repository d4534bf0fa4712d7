/* options_internal.h: checks that both roles' options have in common. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TLS_OPTIONS_INTERNAL_H
#define HOLDFAST_TLS_OPTIONS_INTERNAL_H

#include "tls/options.h"

struct tls_checking { /* what a schema's check is given */
    const struct node *node;
    const char *path;
    struct report *report;
};

/* Warns of a version that counts as TLS13 because nobody knows it. */
void tls_check_version(const struct tls_checking *checking, const char *key, struct str text);

/* The numbers of a list; those that are none are reported and left out. */
struct tls_numbers tls_parse_numbers(const struct tls_checking *checking, const char *key,
                                     const struct str_list *texts);

#endif
