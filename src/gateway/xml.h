/* xml.h: an XML document as a tree, for the decoders of xml and rss.
 *
 * expat reads it; nothing is ever fetched, and documents that declare entities are refused, so that none can blow up.
 * Depth, elements and bytes are bounded. The tree lives in the arena; text is UTF-8.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_XML_H
#define HOLDFAST_GATEWAY_XML_H

#include "base/arena.h"
#include "base/error.h"

/* What the setting for an answer's bytes (max_decoded_bytes) does not bound. */
enum {
    XML_DEPTH_MAX = 512,       /* as of JSON (json.h) */
    XML_NODES_MAX = 1 << 20,   /* an element of four bytes takes a hundred here: 64 MiB of them would be over 1.5 GiB */
    XML_ATTRIBUTES_MAX = 1024, /* of an element: they are looked up one by one */
};

struct xml_attribute {
    struct xml_attribute *next;
    struct str prefix, name, value;
};

/* An element, or a run of text between two marks (a comment or the border of a CDATA section ends one, too). */
struct xml_node {
    struct xml_node *next;
    bool is_text;
    struct str prefix, name; /* "media", "content" of media:content */
    struct str text;
    struct xml_attribute *attributes;
    struct xml_node *children, *last;
};

/* The root of the first element in `text`; what stands behind it is not looked at. NULL: bad_body with the words of a
 * parser ("XML syntax error on line 3: ..."; "EOF" when there is no element), body_too_large past a bound, or
 * out_of_memory; *bad_at is the byte where it stopped. */
struct xml_node *xml_parse(struct arena *arena, struct str text, size_t *bad_at, struct error *err);

/* The first child element of that name; NULL: there is none. */
struct xml_node *xml_child(const struct xml_node *node, struct str name);
/* The next sibling of that name. */
struct xml_node *xml_again(const struct xml_node *node);
/* An attribute's value; data NULL: there is none. */
struct str xml_attribute(const struct xml_node *node, struct str name);

#endif
