/* write.c: a value back to text as Go's encoder would write it: canonical subtrees in one copy, other objects member by
 * member in order. Without recursion: what is open stands in frames, its members in one list. Strings and numbers by
 * hand are in write_text.c, sorting is in order.c. Start with json_write. SPDX-License-Identifier: Apache-2.0 */
#include "json/order_internal.h"
#include "json/writer_internal.h"

enum {
    FRAMES_AT_FIRST = 16,
    MEMBERS_AT_FIRST = 128,
    SHAPES = 4, /* one for each depth, in turn: records of one kind stand beside each other */
};

/* A container being written: elements are tape indexes, members are places in the list. */
struct frame {
    uint32_t at, end;
    uint32_t members; /* how long the list was before */
    bool object, begun;
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

/* Of the objects at this depth; NULL: no memory. Several documents that one writer writes are often alike, too. */
static struct order_shape *shape_of(struct writing *w)
{
    struct json_writer *out = w->out;

    if (!out->shapes) {
        out->shapes = arena_alloc(out->arena, SHAPES * sizeof(*out->shapes), _Alignof(struct order_shape));
        for (size_t i = 0; out->shapes && i < SHAPES; i++)
            out->shapes[i].count = 0;
    }
    return out->shapes ? &out->shapes[w->depth % SHAPES] : NULL;
}

/* Puts the members of the object, in order, behind the list; the frame walks them. */
static bool list_members(struct writing *w, uint32_t index, struct frame *frame)
{
    uint32_t count = count_members(w->doc, index);
    struct order_shape *shape = shape_of(w);
    size_t needed = (size_t)count * 2;

    if (!shape)
        return writer_fail(w->out);
    if (w->room - w->length < needed && !grow_members(w, needed))
        return false;
    struct order_member *members = w->members + w->length;

    count = order_members(w->doc, index, count, members, members + count, shape);
    frame->at = w->length;
    frame->end = w->length += count;
    return true;
}

static bool open_container(struct writing *w, uint32_t index, const struct json_entry *entry)
{
    struct frame frame = {
        .at = index + 1, .end = entry->next, .members = w->length, .object = entry->type == JSON_OBJECT};

    if (w->depth == w->depth_room && !grow_frames(w))
        return false;
    if (frame.object && !list_members(w, index, &frame))
        return false;
    writer_char(w->out, frame.object ? '{' : '[');
    w->frames[w->depth++] = frame;
    return true;
}

/* Text that needs no change, out of the document, with a comma before it or without. */
static inline void copy_text(struct writing *w, bool comma, uint32_t at, uint32_t len)
{
    struct json_writer *out = w->out;
    struct str text = w->doc->text;

    if (!writer_reserve(out, (size_t)len + 1))
        return;
    out->data[out->len] = ',';
    out->len += comma;
    writer_move(out->data + out->len, text.data + at, len, text.len - at);
    out->len += len;
}

/* False: a container was opened, and is what comes next. */
static bool write_value(struct writing *w, uint32_t index)
{
    const struct json_entry *entry = &w->doc->tape[index];

    if (entry->canonical)
        copy_text(w, false, entry->at, entry->len);
    else if (entry->type == JSON_STRING)
        writer_content(w->out, json_content(w->doc->text, entry));
    else
        return !open_container(w, index, entry);
    return true;
}

static bool write_element(struct writing *w, bool comma, uint32_t index)
{
    if (comma)
        writer_char(w->out, ',');
    return write_value(w, index);
}

static inline bool write_member(struct writing *w, bool comma, uint32_t index)
{
    const struct json_entry *name = &w->doc->tape[index], *value = name + 1;

    /* Name, colon and value as they stand, when nothing is between them. */
    if (LIKELY(name->canonical && value->canonical && value->at == name->at + name->len + 1)) {
        copy_text(w, comma, name->at, name->len + 1 + value->len);
        return true;
    }
    (void)write_element(w, comma, index);
    writer_char(w->out, ':');
    return write_value(w, index + 1);
}

static bool write_next(struct writing *w, struct frame *frame)
{
    bool comma = frame->begun;
    uint32_t at = frame->at;

    frame->begun = true;
    if (frame->object) {
        frame->at = at + 1;
        return write_member(w, comma, w->members[at].name);
    }
    frame->at = w->doc->tape[at].next;
    return write_element(w, comma, at);
}

/* The innermost container, up to its end or to the first that is opened in it. */
static void write_on(struct writing *w)
{
    struct frame *frame = &w->frames[w->depth - 1];

    while (frame->at < frame->end) {
        if (!write_next(w, frame))
            return;
    }
    writer_char(w->out, frame->object ? '}' : ']');
    w->length = frame->members;
    w->depth--;
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
    (void)writer_reserve(writer, json_entry_of(value)->len);
    (void)write_value(&w, value.index);
    while (w.depth > 0 && !writer->failed)
        write_on(&w);
}
