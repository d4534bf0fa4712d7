/* escape.h: percent-escapes of URLs as Go's net/url writes them, so that backends see the same bytes as behind KrakenD.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_ESCAPE_H
#define HOLDFAST_GATEWAY_ESCAPE_H

#include "base/arena.h"

/* Which bytes stay as they are. */
enum escape_set {
    ESCAPE_QUERY,      /* letters, digits and -_.~ (url.QueryEscape, with a space as '+') */
    ESCAPE_PATH,       /* those and $&+,/:;=@ (url.URL.EscapedPath of a decoded path) */
    ESCAPE_PATH_VALID, /* those and !'()*[] (an encoded path that is kept as it is) */
};

bool escape_keeps(enum escape_set set, char c);

/* How many bytes escape_write will write. */
size_t escape_len(enum escape_set set, struct str text);

/* Writes the escaped text to out and returns its end. */
char *escape_write(enum escape_set set, struct str text, char *out);

/* The escaped text; text itself when nothing is to be escaped. data NULL: no room (and then only). */
struct str escape_text(struct arena *arena, enum escape_set set, struct str text);

/* An encoded path (which may have escapes, spaces, anything) as Go sends it: as it is when it is a valid encoding, else
 * decoded and encoded anew. Bytes that Go refuses (control characters, bad escapes) are escaped. data NULL: no room. */
struct str escape_encoded_path(struct arena *arena, struct str path);

/* A query that stands in a configuration: as it is but for bytes that cannot be in a request line. data NULL: no room.
 */
struct str escape_raw_query(struct arena *arena, struct str query);

#endif
