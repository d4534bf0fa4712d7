/* schema.h: options as tables. A table row per option, beside the struct it fills; one table gives parsing, defaults,
 * range checks, did-you-mean, and later the JSON Schema and the reference page.
 *
 * Decoding is weakly typed as KrakenD's loader (spec/krakend-core 1.3): "8080" for 8080, 1 for true, a scalar for a
 * list of one, null as if the key were absent (KrakenD's zero value becomes the default just so); a malformed duration
 * is an error, a number as duration is nanoseconds (with a warning). A list's element that is null is an empty one,
 * but where KrakenD panics.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CONFIG_SCHEMA_H
#define HOLDFAST_CONFIG_SCHEMA_H

#include "config/document.h"

enum option_type {
    OPTION_TYPE_BOOL,     /* bool */
    OPTION_TYPE_INT,      /* int64_t, min..max */
    OPTION_TYPE_DURATION, /* int64_t nanoseconds, min..max */
    OPTION_TYPE_SIZE,     /* int64_t bytes: a number, or "64KiB", "1MB", "2GiB" */
    OPTION_TYPE_STRING,   /* struct str */
    OPTION_TYPE_ENUM,     /* int (the position in names) */
    OPTION_TYPE_STRINGS,  /* struct str_list */
    OPTION_TYPE_OBJECT,   /* a struct of its own schema, embedded at the offset */
    OPTION_TYPE_LIST,     /* struct list_of: an array of structs of one schema */
    OPTION_TYPE_NODE,     /* const struct node *: kept as it is (free form: static data) */
    OPTION_TYPE_MAP,      /* const struct node *: as it is, but a list of objects is one object (extra_config) */
    OPTION_TYPE_IGNORED,  /* known, without effect; text says why when `note` is set */
};

struct str_list {
    struct str *items;
    struct place *places; /* of each item */
    size_t count;
};

static inline bool str_list_has(const struct str_list *list, struct str text)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->items[i], text))
            return true;
    return false;
}

static inline bool str_list_eq(const struct str_list *a, const struct str_list *b)
{
    bool equal = a->count == b->count;

    for (size_t i = 0; equal && i < a->count; i++)
        equal = str_eq(a->items[i], b->items[i]);
    return equal;
}

struct list_of {
    void *items; /* `count` structs of the element schema */
    size_t count;
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;               /* of the field in the struct */
    size_t seen_at;              /* 1 + offset of a bool that tells "was it given"; 0: none */
    size_t place_at;             /* 1 + offset of a struct place to fill (of the value); 0: none */
    int64_t preset, min, max;    /* numbers, durations, sizes; both 0: no range; max below min: no upper limit */
    const char *preset_text;     /* strings; enums: the name */
    const char *wanted;          /* strings: what one may be, for messages; NULL: any text */
    const char *const *names;    /* enums: NULL-terminated */
    const struct schema *schema; /* objects and list elements; of a free form: what its members are, for documents */
    bool required;
    const char *help; /* one sentence */
    const char *note; /* ignored options: what to tell, as a note; NULL: silent */
    /* For the JSON Schema only, all of them JSON text: the default that holds when the preset stands for another; an
     * example; members that say what a free form is (of any type: they are added). NULL: none. */
    const char *shown, *example, *form;
};

struct schema {
    const char *title; /* "endpoint" */
    size_t size;       /* of the struct */
    const struct option *options;
    size_t count;
    bool open;       /* unknown keys are kept silent (free-form objects) */
    bool never_null; /* null in a list of these is an error */
    /* Called after the members are bound, for checks across fields; adds to the report. NULL: none. */
    void (*check)(void *bound, const struct node *node, const char *path, struct report *report);
};

/* Rows of a table: OPTION_INT(struct service, "port", port, .preset = 8080, .max = 65535). */
/* clang-format off */
#define OPTION_OF(kind_, type_, field, ...) {.type = (kind_), .offset = offsetof(type_, field), __VA_ARGS__}
#define OPTION_BOOL(type_, name_, ...)     OPTION_OF(OPTION_TYPE_BOOL, type_, __VA_ARGS__, .name = (name_))
#define OPTION_INT(type_, name_, ...)      OPTION_OF(OPTION_TYPE_INT, type_, __VA_ARGS__, .name = (name_))
#define OPTION_DURATION(type_, name_, ...) OPTION_OF(OPTION_TYPE_DURATION, type_, __VA_ARGS__, .name = (name_))
#define OPTION_SIZE(type_, name_, ...)     OPTION_OF(OPTION_TYPE_SIZE, type_, __VA_ARGS__, .name = (name_))
#define OPTION_STRING(type_, name_, ...)   OPTION_OF(OPTION_TYPE_STRING, type_, __VA_ARGS__, .name = (name_))
#define OPTION_ENUM(type_, name_, ...)     OPTION_OF(OPTION_TYPE_ENUM, type_, __VA_ARGS__, .name = (name_))
#define OPTION_STRINGS(type_, name_, ...)  OPTION_OF(OPTION_TYPE_STRINGS, type_, __VA_ARGS__, .name = (name_))
#define OPTION_OBJECT(type_, name_, ...)   OPTION_OF(OPTION_TYPE_OBJECT, type_, __VA_ARGS__, .name = (name_))
#define OPTION_LIST(type_, name_, ...)     OPTION_OF(OPTION_TYPE_LIST, type_, __VA_ARGS__, .name = (name_))
#define OPTION_NODE(type_, name_, ...)     OPTION_OF(OPTION_TYPE_NODE, type_, __VA_ARGS__, .name = (name_))
#define OPTION_MAP(type_, name_, ...)      OPTION_OF(OPTION_TYPE_MAP, type_, __VA_ARGS__, .name = (name_))
#define OPTION_IGNORED_OF(name_, ...)      {.name = (name_), __VA_ARGS__}
#define OPTION_IGNORED(...)                OPTION_IGNORED_OF(__VA_ARGS__, .type = OPTION_TYPE_IGNORED) /* name, .note */
#define OPTION_SEEN(type_, field)  .seen_at = 1 + offsetof(type_, field)
#define OPTION_PLACE(type_, field) .place_at = 1 + offsetof(type_, field)
/* clang-format on */

#define MS(x)      ((int64_t)(x)*1000000)
#define SECONDS(x) ((int64_t)(x)*1000000000)

/* Fills `into` (zeroed first) with defaults and what the node holds; node NULL or JSON null: the defaults only. Adds
 * every problem to the report and returns whether it added no error. `path` names the node in messages ("endpoints[2]",
 * "" for the root). Lists and texts live in the arena or in the document. */
bool schema_bind(const struct schema *schema, const struct node *node, const char *path, void *into,
                 struct arena *arena, struct report *report);

/* Does KrakenD take members of that name for comments? */
static inline bool name_is_comment(struct str name)
{
    return name.len > 0 && (name.data[0] == '@' || name.data[0] == '$' || name.data[0] == '_' || name.data[0] == '#');
}

/* Calls visit for each option, nested ones with their dotted path, for documentation and shell completion. */
void schema_visit(const struct schema *schema, void (*visit)(void *arg, const char *path, const struct option *option),
                  void *arg);

#endif
