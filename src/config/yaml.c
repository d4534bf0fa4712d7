/* yaml.c: texts in YAML to the tree that JSON gives, with the same places. libyaml makes the events; anchors, merge
 * keys and their limits are ours: an alias shares what it stands for, and what all aliases stand for together is
 * bounded, so that a few lines cannot make a tree of billions. Start with yaml_parse.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config/document_internal.h"
#include "config/problems.h"

#include <yaml.h>

enum {
    DEPTH_MAX = 256,
    NODES_MAX = 1 << 20, /* with each alias counted as all that it stands for */
};

struct anchor {
    struct str name;
    struct node *node;
    uint32_t nodes; /* the node and all below it */
    struct anchor *next;
};

struct reader {
    struct builder builder;
    yaml_parser_t parser;
    struct anchor *anchors; /* the newest first: a name may be given again */
    uint32_t nodes, depth;
    size_t mark_chars, mark_bytes; /* where the last mark was: they only go forward */
};

/* libyaml counts characters. */
static uint32_t bytes_at(struct reader *reader, size_t chars)
{
    struct str text = reader->builder.source->text;

    if (chars < reader->mark_chars)
        reader->mark_chars = reader->mark_bytes = 0;
    while (reader->mark_chars < chars && reader->mark_bytes < text.len) {
        do
            reader->mark_bytes++;
        while (reader->mark_bytes < text.len && ((unsigned char)text.data[reader->mark_bytes] & 0xc0) == 0x80);
        reader->mark_chars++;
    }
    return (uint32_t)reader->mark_bytes;
}

/* Scalars from their first to their last byte; of what holds others only the beginning. */
static struct place place_of(struct reader *reader, const yaml_event_t *event)
{
    uint32_t at = bytes_at(reader, event->start_mark.index);
    bool scalar = event->type == YAML_SCALAR_EVENT || event->type == YAML_ALIAS_EVENT;
    uint32_t len = scalar ? bytes_at(reader, event->end_mark.index) - at : 1;

    return (struct place){reader->builder.source, at, len};
}

static void *refuse(struct reader *reader, struct place place, const char *hint, const char *text)
{
    report_add(reader->builder.report, SEVERITY_ERROR, PROBLEM_SYNTAX, place, hint, "%s", text);
    return NULL;
}

static void *refuse_memory(struct reader *reader)
{
    report_add(reader->builder.report, SEVERITY_ERROR, PROBLEM_OUT_OF_MEMORY,
               (struct place){.source = reader->builder.source}, NULL, "no memory for the configuration");
    return NULL;
}

/* What the parser itself found. */
static void report_fault(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    struct place place = {.source = reader->builder.source};
    const char *problem = parser->problem ? parser->problem : "this is not YAML";

    if (parser->error == YAML_MEMORY_ERROR) {
        refuse_memory(reader);
        return;
    }
    if (parser->error == YAML_READER_ERROR)
        place.at = (uint32_t)size_min(parser->problem_offset, place.source->text.len);
    else
        place.at = bytes_at(reader, parser->problem_mark.index);
    report_add(reader->builder.report, SEVERITY_ERROR, PROBLEM_SYNTAX, place, NULL, "%s%s%s", problem,
               parser->context ? ", " : "", parser->context ? parser->context : "");
}

static bool next_event(struct reader *reader, yaml_event_t *event)
{
    if (yaml_parser_parse(&reader->parser, event))
        return true;
    report_fault(reader);
    return false;
}

static bool count_nodes(struct reader *reader, uint32_t more, struct place place)
{
    if (more <= NODES_MAX - reader->nodes) {
        reader->nodes += more;
        return true;
    }
    refuse(reader, place, "write out less by aliases", "the document is too large with all its aliases");
    return false;
}

static struct str text_of(const yaml_char_t *text, size_t len)
{
    return str_of((const char *)text, len);
}

static bool remember(struct reader *reader, const yaml_char_t *name, struct node *node, uint32_t nodes_before)
{
    struct anchor *anchor;

    if (!name)
        return true;
    anchor = arena_make(reader->builder.arena, struct anchor);
    if (!anchor)
        return false;
    *anchor = (struct anchor){arena_copy(reader->builder.arena, str_from((const char *)name)), node,
                              reader->nodes - nodes_before, reader->anchors};
    reader->anchors = anchor;
    return anchor->name.data != NULL;
}

/* A copy of what the anchor names; what is below it is shared. */
static struct node *read_alias(struct reader *reader, const yaml_event_t *event)
{
    struct str name = str_from((const char *)event->data.alias.anchor);
    struct place place = place_of(reader, event);

    for (const struct anchor *anchor = reader->anchors; anchor; anchor = anchor->next) {
        struct node *node;

        if (!str_eq(anchor->name, name))
            continue;
        if (!count_nodes(reader, anchor->nodes, place))
            return NULL;
        node = arena_make(reader->builder.arena, struct node);
        if (!node)
            return refuse_memory(reader);
        *node = *anchor->node;
        node->next = NULL;
        return node;
    }
    return refuse(reader, place, "an anchor stands before its aliases, and never inside itself",
                  "an alias of an anchor that is not there yet");
}

static bool has_tag(const yaml_event_t *event, const char *tag)
{
    const yaml_char_t *given = event->data.scalar.tag;

    return given && str_eq(str_from((const char *)given), str_from(tag));
}

/* Without quotes, or with a tag that says what it is. */
static bool is_plain(const yaml_event_t *event)
{
    if (has_tag(event, YAML_STR_TAG))
        return false;
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE || has_tag(event, YAML_INT_TAG) ||
           has_tag(event, YAML_FLOAT_TAG) || has_tag(event, YAML_BOOL_TAG) || has_tag(event, YAML_NULL_TAG);
}

static struct node *read_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct arena *arena = reader->builder.arena;
    struct node *node = arena_make(arena, struct node);
    struct str text = text_of(event->data.scalar.value, event->data.scalar.length);
    uint32_t before = reader->nodes;

    if (!node)
        return refuse_memory(reader);
    node->place = place_of(reader, event);
    if (!count_nodes(reader, 1, node->place))
        return NULL;
    if (is_plain(event)) {
        if (!yaml_resolve(arena, text, node))
            return refuse_memory(reader);
    } else {
        node->type = JSON_STRING;
        node->text = arena_copy(arena, text);
    }
    if (!node->text.data || !remember(reader, event->data.scalar.anchor, node, before))
        return refuse_memory(reader);
    return node;
}

static struct node *read_value(struct reader *reader, const yaml_event_t *event);

static bool read_elements(struct reader *reader, struct node *list)
{
    struct node **end = &list->children;

    for (;;) {
        yaml_event_t event;
        struct node *child;

        if (!next_event(reader, &event))
            return false;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return true;
        }
        child = read_value(reader, &event);
        yaml_event_delete(&event);
        if (!child)
            return false;
        *end = child;
        end = &child->next;
        list->count++;
    }
}

/* Where what is merged goes: behind the members that are written out, which win. */
static bool merge_object(struct reader *reader, struct node *into, const struct node *from)
{
    struct node **end = &into->children;

    while (*end)
        end = &(*end)->next;
    for (const struct node *at = from->children; at; at = at->next) {
        bool there = false;
        struct node *copy;

        for (const struct node *own = into->children; own && !there; own = own->next)
            there = str_eq(own->name, at->name);
        if (there)
            continue;
        copy = arena_make(reader->builder.arena, struct node);
        if (!copy)
            return refuse_memory(reader) != NULL;
        *copy = *at;
        copy->next = NULL;
        *end = copy;
        end = &copy->next;
        into->count++;
    }
    return true;
}

/* "<<": an object, or a list of objects, whose members are added. */
static bool merge(struct reader *reader, struct node *into, const struct node *value)
{
    if (value->type == JSON_OBJECT)
        return merge_object(reader, into, value);
    for (const struct node *at = value->type == JSON_ARRAY ? value->children : NULL; at; at = at->next)
        if (at->type != JSON_OBJECT)
            return refuse(reader, at->place, NULL, "only objects can be merged by \"<<\"") != NULL;
        else if (!merge_object(reader, into, at))
            return false;
    return value->type == JSON_ARRAY ||
           refuse(reader, value->place, NULL, "only objects can be merged by \"<<\"") != NULL;
}

/* A key and its value. NULL: refused. */
static struct node *read_member(struct reader *reader, const yaml_event_t *key, bool *merges)
{
    struct node *name, *value;
    yaml_event_t event;

    if (key->type != YAML_SCALAR_EVENT)
        return refuse(reader, place_of(reader, key), NULL, "a key must be a plain text");
    name = read_scalar(reader, key);
    if (!name || !next_event(reader, &event))
        return NULL;
    value = read_value(reader, &event);
    yaml_event_delete(&event);
    if (!value)
        return NULL;
    *merges = key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && key->data.scalar.length == 2 &&
              memcmp(key->data.scalar.value, "<<", 2) == 0;
    /* As it is written: 404 and true are names too. */
    value->name = arena_copy(reader->builder.arena, text_of(key->data.scalar.value, key->data.scalar.length));
    value->name_place = name->place;
    return value->name.data ? value : refuse_memory(reader);
}

static bool read_members(struct reader *reader, struct node *object)
{
    struct node **end = &object->children, *merged = NULL, **merged_end = &merged;

    for (;;) {
        struct node *member;
        bool merges = false;
        yaml_event_t event;

        if (!next_event(reader, &event))
            return false;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        member = read_member(reader, &event, &merges);
        yaml_event_delete(&event);
        if (!member)
            return false;
        if (merges) {
            *merged_end = member;
            merged_end = &member->next;
            continue;
        }
        *end = member;
        end = &member->next;
        object->count++;
    }
    if (!document_drop_duplicates(&reader->builder, object))
        return refuse_memory(reader) != NULL;
    for (const struct node *at = merged; at; at = at->next)
        if (!merge(reader, object, at))
            return false;
    return true;
}

static struct node *read_container(struct reader *reader, const yaml_event_t *event, enum json_type type,
                                   const yaml_char_t *anchor)
{
    struct node *node = arena_make(reader->builder.arena, struct node);
    uint32_t before = reader->nodes;
    bool ok;

    if (!node)
        return refuse_memory(reader);
    node->type = type;
    node->place = place_of(reader, event);
    if (!count_nodes(reader, 1, node->place))
        return NULL;
    if (reader->depth == DEPTH_MAX)
        return refuse(reader, node->place, NULL, "the document is nested too deeply");
    reader->depth++;
    ok = type == JSON_OBJECT ? read_members(reader, node) : read_elements(reader, node);
    reader->depth--;
    if (!ok)
        return NULL;
    return remember(reader, anchor, node, before) ? node : refuse_memory(reader);
}

/* NULL: the report says why. The event stays the caller's. */
static struct node *read_value(struct reader *reader, const yaml_event_t *event)
{
    switch ((int)event->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(reader, event);
    case YAML_SCALAR_EVENT:
        return read_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return read_container(reader, event, JSON_ARRAY, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return read_container(reader, event, JSON_OBJECT, event->data.mapping_start.anchor);
    }
    return refuse(reader, place_of(reader, event), NULL, "a value is missing");
}

/* Only the first document counts, as in KrakenD; another one is told. */
static void check_rest(struct reader *reader)
{
    yaml_event_t event;

    for (bool over = false; !over && yaml_parser_parse(&reader->parser, &event);) {
        if (event.type == YAML_DOCUMENT_START_EVENT)
            report_add(reader->builder.report, SEVERITY_WARNING, PROBLEM_SYNTAX, place_of(reader, &event), NULL,
                       "only the first document of a file counts");
        over = event.type == YAML_STREAM_END_EVENT || event.type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
    }
}

static struct node *read_document(struct reader *reader)
{
    struct node *root = NULL;
    bool over = false;

    while (!over && !root) {
        yaml_event_t event;

        if (!next_event(reader, &event))
            return NULL;
        if (event.type == YAML_STREAM_END_EVENT) {
            over = true;
            refuse(reader, (struct place){.source = reader->builder.source}, NULL, "the document is empty");
        } else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT) {
            over = true;
            root = read_value(reader, &event);
        }
        yaml_event_delete(&event);
    }
    if (root)
        check_rest(reader);
    return root;
}

struct node *yaml_parse(struct arena *arena, const struct source *source, struct report *report)
{
    struct reader reader = {.builder = {arena, source, report}};
    struct node *root;

    if (!yaml_parser_initialize(&reader.parser))
        return refuse_memory(&reader);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)source->text.data, source->text.len);
    root = read_document(&reader);
    yaml_parser_delete(&reader.parser);
    return root;
}
