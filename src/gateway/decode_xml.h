/* decode_xml.h: an XML tree as Data, and a feed (RSS, Atom) as Data (spec 4.3, 4.4).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_DECODE_XML_H
#define HOLDFAST_GATEWAY_DECODE_XML_H

#include "gateway/data.h"
#include "gateway/xml.h"

/* One member, the root: attributes as "-name", text beside them or beside elements as "#text", equal siblings as an
 * array, an empty element as "". False: the error of xml_parse, and *bad_at is where in the text. */
bool decode_xml(struct arena *arena, struct str text, struct data *data, size_t *bad_at, struct error *err) MUST_USE;

/* The members that KrakenD's rss decoder gives: items, author, categories and so on. False: the error of xml_parse, or
 * bad_body when it is no feed. */
bool decode_feed(struct arena *arena, struct str text, struct data *data, size_t *bad_at, struct error *err) MUST_USE;

#endif
