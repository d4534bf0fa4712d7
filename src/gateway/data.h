/* data.h: an answer while it is being shaped: KrakenD's Data and everything in it.
 *
 * A value stays a slice of its JSON tape until somebody looks inside; only objects and arrays on the way to a change
 * become nodes. Of equal names in an object the last counts, as in Go's maps, so adding never has to look for one that
 * is there. All of it lives in the arena that the functions are given. Start with data_of.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_DATA_H
#define HOLDFAST_GATEWAY_DATA_H

#include "json/json.h"
#include "json/write.h"

enum data_kind {
    DATA_NULL,   /* null, and Go's nil map */
    DATA_TAPE,   /* a value of a tape, untouched */
    DATA_TEXT,   /* a string, by its value */
    DATA_RAW,    /* JSON text as it is to be sent: to Go a struct, into which no path leads */
    DATA_OBJECT, /* a node with names */
    DATA_ARRAY,  /* a node whose names are the places that elements had at first */
};

struct data {
    enum data_kind kind;
    union {
        struct json json;
        struct str text; /* DATA_TEXT, DATA_RAW; its data is not NULL */
        struct data_node *node;
    };
};

struct data_member {
    struct data_member *next;
    struct str name;
    struct data value;
};

struct data_node {
    struct data_member *first, *last;
    uint32_t count;
    bool born_empty; /* {} or [] from the start: emptied later it is null to a flatmap */
    bool born_null;  /* null where a list was to be: to a flatmap an empty list, and null again behind it */
};

/* A value of a tape; a missing one is null. */
struct data data_of(struct json value);
struct data data_text(struct str text);
struct data data_raw(struct str json);
/* An empty object or array. kind DATA_NULL: no room. */
struct data data_new(struct arena *arena, enum data_kind kind);

enum json_type data_type(const struct data *data);
bool data_is_empty(const struct data *data); /* no object, or one without members */

/* Adds behind what is there. False: no room. */
bool data_add(struct arena *arena, struct data_node *node, struct str name, struct data value) MUST_USE;

/* Adds all members of an object, slice or node, which stays as it is; null has none. False: no room. */
bool data_add_all(struct arena *arena, struct data_node *node, const struct data *object) MUST_USE;

/* Puts a member that is in no node behind all others. */
void data_link(struct data_node *node, struct data_member *member);

/* Makes a node of an object or array that is still a slice (of equal names only the last stays); other values stay as
 * they are. False: no room. */
bool data_open(struct arena *arena, struct data *data) MUST_USE;

/* The last member of that name, in a node or on a tape. False: there is none, or data is no object. */
bool data_find(const struct data *data, struct str name, struct data *value);

/* Takes all members of that name out of a node and gives the last of them. NULL: there was none. */
struct data_member *data_take(struct data_node *node, struct str name);

/* Puts `from`'s members behind `to`'s, which they win over; `from` is used up. Both are nodes of objects. */
void data_join(struct data_node *to, struct data_node *from);

/* Takes members out of an object's node that a later one of the same name stands for. False: no room. */
bool data_unique(struct arena *arena, struct data *data) MUST_USE;

/* Makes one array of all members of an object's node that have a name in common. False: no room. */
bool data_gather(struct arena *arena, struct data *data) MUST_USE;

/* Ready-made JSON becomes a slice, so that one can look inside; all else stays. False: no room. */
bool data_unwrap(struct arena *arena, struct data *data) MUST_USE;

/* An index as the name of an element. data NULL: no room. */
struct str data_index(struct arena *arena, uint32_t index);

/* The members in the order of their names, of equal ones the last; elements in their order. Opens the value. False: no
 * room. A value that is no object or array has none. */
bool data_list(struct arena *arena, struct data *data, struct data_member ***members, size_t *count) MUST_USE;

/* A scalar's text: a string's value, a number's digits, true, false, "" for null. data NULL: no scalar, or no room. */
struct str data_scalar(struct arena *arena, const struct data *data);

/* As Go's encoder writes it. What has no room is marked in the writer. */
void data_write(struct json_writer *writer, const struct data *data);

#endif
