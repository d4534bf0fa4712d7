/* mask.h: settings for people to see, without the secrets in them: passwords, tokens, keys that stand in the text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_MASK_H
#define HOLDFAST_CONFIG_MASK_H

#include "config/document.h"

#include "json/write.h"

/* Does a setting or field of this name hold a secret ("client_secret", "Authorization")? Names of files, URLs and
 * headers that lead to one are none. */
bool mask_is_secret(struct str name);

/* The text of a setting called `name` as it may be shown: "***" for a secret; in others the user of a URL, secret
 * parameters of a query, what follows Bearer or Basic, and PEM blocks are replaced. In the arena, or `text` itself;
 * data NULL: no memory. */
struct str mask_text(struct arena *arena, struct str name, struct str text);

/* A value of any form as JSON, each text in it by its member's name; `name` is its own. In {"name": "Authorization",
 * "value": "x"} the value is called what the name says. */
void mask_write(struct json_writer *writer, struct str name, const struct node *node);

#endif
