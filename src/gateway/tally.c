/* tally.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/tally.h"

#include "base/assert.h"
#include "base/map.h"

#include <stdlib.h>

struct entry {
    struct tally_row row;
    uint32_t slot;
};

struct tally {
    struct arena *arena; /* holds this and all that is kept */
    struct map *by_name;
    struct entry **entries;
    uint32_t count, room;
};

struct tally *tally_new(void)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct tally *tally = arena ? arena_make(arena, struct tally) : NULL;

    if (tally) {
        tally->arena = arena;
        tally->by_name = map_new(0); /* the names are those of a configuration */
    }
    if (tally && tally->by_name)
        return tally;
    arena_free(arena);
    return NULL;
}

void tally_free(struct tally *tally)
{
    if (!tally)
        return;
    map_free(tally->by_name);
    free(tally->entries);
    arena_free(tally->arena);
}

static bool make_room(struct tally *tally)
{
    uint32_t room = tally->room > 0 ? 2 * tally->room : 64;
    struct entry **entries;

    if (tally->count < tally->room)
        return true;
    entries = realloc(tally->entries, room * sizeof(struct entry *));
    if (!entries)
        return false;
    tally->entries = entries;
    tally->room = room;
    return true;
}

/* NULL: no memory. */
static struct entry *add(struct tally *tally, struct str name, const struct endpoint *endpoint)
{
    struct entry *entry = make_room(tally) ? arena_make(tally->arena, struct entry) : NULL;
    struct str key = arena_copy(tally->arena, name);

    if (!entry || !key.data)
        return NULL;
    entry->row.method = str_first(key, endpoint_method(endpoint).len);
    entry->row.label = str_from_offset(key, entry->row.method.len + 1);
    entry->slot = tally->count;
    if (!map_put(tally->by_name, key, entry))
        return NULL;
    tally->entries[tally->count++] = entry;
    return entry;
}

static struct entry *find_or_add(struct tally *tally, struct arena *scratch, const struct endpoint *endpoint)
{
    struct str method = endpoint_method(endpoint);
    struct str name = arena_format(scratch, "%.*s %.*s", STR_ARG(method), STR_ARG(endpoint->label));
    struct entry *entry = name.data ? map_get(tally->by_name, name) : NULL;

    return entry || !name.data ? entry : add(tally, name, endpoint);
}

bool tally_number(struct tally *tally, struct generation *generation)
{
    struct arena *scratch = arena_new(NULL, SIZE_MAX);
    bool ok = scratch != NULL;

    for (uint32_t i = 0; ok && i < generation_endpoint_count(generation); i++) {
        struct entry *entry = find_or_add(tally, scratch, generation_endpoint(generation, i));

        ok = entry != NULL;
        if (ok)
            generation_set_slot(generation, i, entry->slot);
    }
    arena_free(scratch);
    return ok;
}

uint32_t tally_count(const struct tally *tally)
{
    return tally->count;
}

const struct tally_row *tally_row(const struct tally *tally, uint32_t slot)
{
    ASSERT(slot < tally->count);
    return &tally->entries[slot]->row;
}
