/* json.h: JSON as a tape. One pass validates everything (grammar of RFC 8259, UTF-8, depth, size) and leaves an array
 * of entries that point back into the text; numbers keep their text, every value its position. Used for configuration
 * and for traffic alike. Start with json_parse, then json_root and the walkers; write.h puts it back into text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_JSON_H
#define HOLDFAST_JSON_JSON_H

#include "base/arena.h"
#include "base/error.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value (or one member name) of the tape. 16 bytes. */
struct json_entry {
    uint32_t at;            /* offset of its first byte in the text (of a string: of the opening quote) */
    uint32_t len;           /* bytes of its text, quotes and brackets included */
    uint32_t next;          /* tape index just after this value and all it holds */
    uint32_t count : 24;    /* members or elements, saturating at 2^24 - 1 */
    uint32_t type : 3;      /* enum json_type */
    uint32_t escaped : 1;   /* a string with backslashes: its text is not its value */
    uint32_t repaired : 1;  /* a string with bad UTF-8 that is to be replaced on output (traffic only) */
    uint32_t name : 1;      /* an object member's name; its value is the next entry */
    uint32_t canonical : 1; /* already what json_write would make of it: may be copied as it stands */
    uint32_t spare : 1;
};

struct json_doc {
    struct str text; /* borrowed: what was parsed */
    const struct json_entry *tape;
    uint32_t length; /* entries */
    size_t consumed; /* bytes of text that the value (and white space before it) took */
};

struct json_options {
    /* Stop after the first value (traffic); else anything but white space behind it is an error. */
    bool trailing_ignored;
    /* Accept bad UTF-8 and lone surrogate escapes and mark them for U+FFFD (traffic); else they are errors. */
    bool utf8_repaired;
    uint32_t depth_max; /* 0: 512 */
    uint32_t size_max;  /* bytes; 0: 1 GiB; at most 2 GiB - 1 */
};

struct json_error {
    uint32_t at;    /* offset of the offending byte, text.len at the end */
    bool no_memory; /* nothing is wrong with the text, as far as it was read */
    char text[120]; /* for people, without the position: "expected ',' or '}' after a member" */
    char go[120];   /* the text that Go's encoding/json gives for it, for KrakenD's error bodies:
                       "invalid character '<' looking for beginning of value", "unexpected EOF", "EOF" */
};

/* Parses `text` (borrowed: the tape points into it) with the tape in the arena. False: *err is filled; no memory is
 * reported as "out of memory" and marked. Never reads past text.len. */
bool json_parse(struct arena *arena, struct str text, const struct json_options *options, struct json_doc *doc,
                struct json_error *err) MUST_USE;

/* A value: which document, which entry. Cheap to copy; `doc` is borrowed. A missing value has doc NULL. */
struct json {
    const struct json_doc *doc;
    uint32_t index;
};

struct json json_root(const struct json_doc *doc);
bool json_exists(struct json value);
enum json_type json_type(struct json value); /* of a missing value: JSON_NULL */
struct str json_raw(struct json value);      /* its text as it stands, quotes included */
uint32_t json_offset(struct json value);     /* where that text starts */
uint32_t json_count(struct json value);      /* elements or members */
struct str json_number(struct json value);   /* the number's text */
bool json_bool(struct json value);           /* true only for JSON_TRUE */

/* The string's value: borrowed from the text when it has no escapes, else decoded into the arena. data NULL: no room,
 * or not a string. Escaped surrogate pairs are joined; lone ones and bad UTF-8 become U+FFFD. */
struct str json_string(struct arena *arena, struct json value);

/* Walks an array: struct json at = json_first(array); json_exists(at); at = json_after(array, at). The same for an
 * object, where each stop is a member's value and json_name its name. */
struct json json_first(struct json parent);
struct json json_after(struct json parent, struct json at);
struct json
json_name(struct json member); /* the name as a string value; only for values reached by walking an object */

/* The member called `name` (compared unescaped), the last one when it is there more than once, as Go does; missing when
 * there is none or `object` is none. */
struct json json_member(struct json object, struct str name);
struct json json_element(struct json array, uint32_t index);

/* Line and column (from 1; column in bytes) of an offset, for messages. */
void json_position(struct str text, uint32_t at, uint32_t *line, uint32_t *column);

#endif
