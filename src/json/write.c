/* write.c: a value back to text as Go's encoder would write it: canonical subtrees in one copy, other objects member by
 * member in order. Without recursion: what is open stands in frames, its members in one list. Strings and numbers by
 * hand are in write_text.c, sorting is in order.c. Start with json_write. SPDX-License-Identifier: Apache-2.0 */
#include "json/order_internal.h"
#include "json/writer_internal.h"
#include <stdlib.h>

enum {
    FRAMES_AT_FIRST = 16,
    MEMBERS_AT_FIRST = 128,
    SHAPE_DEPTHS = 4,
    SHAPE_COUNTS = 4,
};

/* By how deep an object is, so that what is right inside a record has another place, and how many members it has. */
struct json_shapes {
    struct order_shape all[SHAPE_DEPTHS][SHAPE_COUNTS];
};

/* A container being written: elements are tape indexes, members are places in the list. */
struct frame {
    uint32_t at, end;
    uint32_t members; /* how long the list was before */
    bool object;
};

struct writing {
    struct json_writer *out;
    const struct json_doc *doc;
    struct frame *frames;
    struct order_member *members;
    uint32_t depth, depth_room;
    uint32_t length, room; /* of the members */
};

static bool grow_frames(struct writing *w)
{
    uint32_t room = w->depth_room * 2;
    struct frame *frames = arena_alloc(w->out->arena, room * sizeof(*frames), _Alignof(struct frame));

    if (!frames)
        return writer_fail(w->out);
    memcpy(frames, w->frames, w->depth * sizeof(*frames));
    w->frames = frames;
    w->depth_room = room;
    return true;
}

static bool grow_members(struct writing *w, size_t needed)
{
    size_t room = size_max((size_t)w->room * 2, w->length + needed);
    struct order_member *members = NULL;

    if (room <= UINT32_MAX)
        members = arena_alloc(w->out->arena, room * sizeof(*members), _Alignof(struct order_member));
    if (!members)
        return writer_fail(w->out);
    memcpy(members, w->members, w->length * sizeof(*members));
    w->members = members;
    w->room = (uint32_t)room;
    return true;
}

/* Members of the object at `index`: json_count saturates, so beyond that they are counted. */
static uint32_t count_members(const struct json_doc *doc, uint32_t index)
{
    const struct json_entry *tape = doc->tape;
    uint32_t end = tape[index].next, count = 0;

    if (tape[index].count < (1u << 24) - 1)
        return tape[index].count;
    for (uint32_t at = index + 1; at < end; at = tape[at + 1].next)
        count++;
    return count;
}

/* Of objects that are likely to be alike; NULL: none are kept. */
static struct order_shape *shape_of(const struct writing *w, uint32_t count)
{
    struct json_shapes *shapes = w->out->shapes;

    return shapes ? &shapes->all[w->depth % SHAPE_DEPTHS][count % SHAPE_COUNTS] : NULL;
}

/* Puts the members of the object, in order, behind the list; the frame walks them. */
static bool list_members(struct writing *w, uint32_t index, struct frame *frame)
{
    uint32_t count = count_members(w->doc, index);
    size_t needed = (size_t)count * 2;

    if (w->room - w->length < needed && !grow_members(w, needed))
        return false;
    struct order_member *members = w->members + w->length;

    count = order_members(w->doc, index, count, members, members + count, shape_of(w, count));
    frame->at = w->length;
    frame->end = w->length += count;
    return true;
}

/* What comes next is in it, unless there was no memory. */
static void open_container(struct writing *w, uint32_t index, const struct json_entry *entry)
{
    struct frame *frame;

    if (w->depth == w->depth_room && !grow_frames(w))
        return;
    frame = &w->frames[w->depth];
    *frame =
        (struct frame){.at = index + 1, .end = entry->next, .members = w->length, .object = entry->type == JSON_OBJECT};
    if (frame->object && !list_members(w, index, frame))
        return;
    writer_char(w->out, frame->object ? '{' : '[');
    w->depth++;
}

/* The bracket takes the place of the last value's comma. */
static void close_container(struct writing *w, const struct frame *frame)
{
    struct json_writer *out = w->out;

    if (!writer_reserve(out, 2))
        return;
    out->len -= out->data[out->len - 1] == ',';
    memcpy(out->data + out->len, frame->object ? "}," : "],", 2);
    out->len += 2;
    w->length = frame->members;
    w->depth--;
}

/* Text that needs no change, out of the document, and what comes behind it. */
static inline void copy_text(struct writing *w, uint32_t at, uint32_t len, char behind)
{
    struct json_writer *out = w->out;
    struct str text = w->doc->text;

    if (!writer_reserve(out, (size_t)len + 1))
        return;
    writer_move(out->data + out->len, text.data + at, len, text.len - at);
    out->data[out->len + len] = behind;
    out->len += (size_t)len + 1;
}

static void write_string(struct writing *w, const struct json_entry *entry, char behind)
{
    if (entry->canonical) {
        copy_text(w, entry->at, entry->len, behind);
        return;
    }
    writer_content(w->out, json_content(w->doc->text, entry));
    writer_char(w->out, behind);
}

/* With a comma behind it. False: a container was opened, and is what comes next. */
static bool write_value(struct writing *w, uint32_t index)
{
    const struct json_entry *entry = &w->doc->tape[index];

    if (entry->canonical) {
        copy_text(w, entry->at, entry->len, ',');
    } else if (entry->type == JSON_STRING) {
        write_string(w, entry, ',');
    } else {
        open_container(w, index, entry);
        return false;
    }
    return true;
}

/* Name, colon and value as they stand, when nothing is between them. */
static inline bool is_one_piece(const struct json_entry *name, const struct json_entry *value)
{
    return name->canonical && value->canonical && value->at == name->at + name->len + 1;
}

/* Those of the listed members from `at` on that are each one piece. Returns the first that is none, or `end`. */
static uint32_t copy_members(struct writing *w, uint32_t at, uint32_t end)
{
    const struct json_entry *tape = w->doc->tape;
    const struct order_member *member = w->members + at, *stop = w->members + end;
    struct json_writer *out = w->out;
    struct str text = w->doc->text;
    size_t length = out->len;

    for (; member < stop; member++) {
        const struct json_entry *name = &tape[member->name], *value = name + 1;
        size_t from = name->at, len = (size_t)name->len + 1 + value->len;

        if (UNLIKELY(!is_one_piece(name, value) || !writer_has_room(out, length, len + 1)))
            break;
        char *to = out->data + length;

        writer_move(to, text.data + from, len, text.len - from);
        to[len] = ',';
        length += len + 1;
    }
    out->len = length;
    return (uint32_t)(member - w->members);
}

static bool write_members(struct writing *w, struct frame *frame)
{
    while ((frame->at = copy_members(w, frame->at, frame->end)) < frame->end) {
        uint32_t name = w->members[frame->at++].name;

        /* One piece for which there was no room comes this way, too. */
        write_string(w, &w->doc->tape[name], ':');
        if (!write_value(w, name + 1))
            return false;
    }
    return true;
}

static bool write_elements(struct writing *w, struct frame *frame)
{
    while (frame->at < frame->end) {
        uint32_t at = frame->at;

        frame->at = w->doc->tape[at].next;
        if (!write_value(w, at))
            return false;
    }
    return true;
}

/* The innermost container, up to its end or to the first that is opened in it. */
static void write_on(struct writing *w)
{
    struct frame *frame = &w->frames[w->depth - 1];

    if (frame->object ? write_members(w, frame) : write_elements(w, frame))
        close_container(w, frame);
}

struct json_shapes *json_shapes_new(void)
{
    return calloc(1, sizeof(struct json_shapes));
}

void json_shapes_free(struct json_shapes *shapes)
{
    free(shapes);
}

void json_write(struct json_writer *writer, struct json value)
{
    struct frame frames[FRAMES_AT_FIRST];
    struct order_member members[MEMBERS_AT_FIRST];
    struct writing w = {.out = writer,
                        .doc = value.doc,
                        .frames = frames,
                        .members = members,
                        .depth_room = FRAMES_AT_FIRST,
                        .room = MEMBERS_AT_FIRST};

    if (!json_exists(value)) {
        json_write_raw(writer, STR("null"));
        return;
    }
    /* Mostly the result is no longer than the text. */
    (void)writer_reserve(writer, (size_t)json_entry_of(value)->len + 2);
    (void)write_value(&w, value.index);
    while (w.depth > 0 && !writer->failed)
        write_on(&w);
    if (!writer->failed)
        writer->len--; /* the last comma */
}
