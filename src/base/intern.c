/* intern.c: see the header. A table with open addressing that is at most half full; pieces are never taken out. Start
 * with intern_bytes. SPDX-License-Identifier: Apache-2.0 */
#include "base/intern.h"

#include "base/hash.h"
#include "base/lines.h"

enum { ROOM_FIRST = 16, ALIGN_ANY = 16 };

struct piece {
    uint64_t hash;
    void *bytes; /* NULL: the place is free */
    size_t size;
};

struct intern {
    struct arena *arena;
    struct piece *pieces;
    size_t count, room; /* room: a power of two */
};

struct intern *intern_new(struct arena *arena)
{
    struct intern *intern = arena_make(arena, struct intern);

    if (!intern)
        return NULL;
    intern->arena = arena;
    intern->room = ROOM_FIRST;
    intern->pieces = arena_array(arena, struct piece, ROOM_FIRST);
    return intern->pieces ? intern : NULL;
}

struct arena *intern_arena(const struct intern *intern)
{
    return intern->arena;
}

/* Where such a piece is, or the free place where it would be. */
static struct piece *find(struct piece *pieces, size_t room, uint64_t hash, const void *bytes, size_t size)
{
    size_t at = hash & (room - 1);

    while (pieces[at].bytes && (pieces[at].hash != hash || pieces[at].size != size ||
                                (size > 0 && memcmp(pieces[at].bytes, bytes, size) != 0)))
        at = (at + 1) & (room - 1);
    return &pieces[at];
}

static bool grow(struct intern *intern)
{
    size_t room = 2 * intern->room;
    struct piece *pieces = arena_array(intern->arena, struct piece, room);

    if (!pieces)
        return false;
    for (size_t i = 0; i < intern->room; i++) {
        const struct piece *piece = &intern->pieces[i];

        if (piece->bytes)
            *find(pieces, room, piece->hash, piece->bytes, piece->size) = *piece;
    }
    intern->pieces = pieces;
    intern->room = room;
    return true;
}

void *intern_bytes(struct intern *intern, const void *bytes, size_t size)
{
    uint64_t hash = hash_bytes(bytes, size, 0); /* of our own configuration: nobody chooses collisions */
    struct piece *piece = find(intern->pieces, intern->room, hash, bytes, size);
    void *copy;

    if (piece->bytes)
        return piece->bytes;
    if (2 * (intern->count + 1) > intern->room) {
        if (!grow(intern))
            return NULL;
        piece = find(intern->pieces, intern->room, hash, bytes, size);
    }
    copy = arena_alloc(intern->arena, size > 0 ? size : 1, size >= CACHE_LINE_BYTES ? CACHE_LINE_BYTES : ALIGN_ANY);
    if (!copy)
        return NULL;
    if (size > 0)
        memcpy(copy, bytes, size);
    *piece = (struct piece){hash, copy, size};
    intern->count++;
    return copy;
}

struct str intern_text(struct intern *intern, struct str text)
{
    return str_of(intern_bytes(intern, text.data, text.len), text.len);
}
