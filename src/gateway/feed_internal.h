/* feed_internal.h: the parts of decoding a feed: decode_feed.c (the feed), feed_item.c (one item), feed_extension.c
 * (the elements of other vocabularies). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_FEED_INTERNAL_H
#define HOLDFAST_GATEWAY_FEED_INTERNAL_H

#include "gateway/xml.h"

#include "json/write.h"

struct feed_out {
    struct arena *arena;
    struct json_writer json;
    bool begun; /* the object that is open has a member */
};

/* The text of the first child element of that prefix and name ("" prefix: without one, or any for Atom's own): trimmed;
 * markup inside comes as it was. Empty when there is none. */
struct str feed_text(struct arena *arena, const struct xml_node *parent, const char *prefix, const char *name);
/* The text inside an element. */
struct str feed_inside(struct arena *arena, const struct xml_node *element);
/* The first child element with exactly that prefix. NULL: there is none. */
const struct xml_node *feed_child(const struct xml_node *parent, const char *prefix, const char *name);

/* Members of the open object. */
void feed_open(struct feed_out *out);
void feed_close(struct feed_out *out);
void feed_name(struct feed_out *out, const char *name);
void feed_field(struct feed_out *out, const char *name, struct str text); /* nothing when text is empty */

/* One item as an object. */
void feed_item(struct feed_out *out, const struct xml_node *item, bool atom);

/* {"name":...,"email":...}; false: there is no author, nothing was written. */
bool feed_author(struct feed_out *out, const struct xml_node *parent, bool atom);
/* [...]; false: there are none. */
bool feed_categories(struct feed_out *out, const struct xml_node *parent, bool atom);

/* "dcExt", "itunesExt", "extensions" of an item. */
void feed_extensions(struct feed_out *out, const struct xml_node *item);

#endif
