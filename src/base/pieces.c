/* pieces.c: a slab for each multiple of 64 bytes, and in front of each piece what it takes, as nobody tells when it
 * comes back. SPDX-License-Identifier: Apache-2.0 */
#include "base/pieces.h"

#include "base/assert.h"
#include "base/slab.h"

#include <stdalign.h>
#include <stdlib.h>

enum {
    STEP = 64,
    SLABS = 6, /* the last one's hold 368 bytes */
    KEPT = 64, /* of each size, without a rush */
};

struct piece {
    alignas(16) size_t bytes; /* with these in front */
    alignas(16) char data[];
};

struct pieces {
    struct slab *slabs[SLABS];
};

struct pieces *pieces_new(void)
{
    struct pieces *pieces = calloc(1, sizeof(*pieces));

    for (size_t i = 0; pieces && i < SLABS; i++) {
        pieces->slabs[i] = slab_new_dense((i + 1) * STEP, KEPT);
        if (!pieces->slabs[i]) {
            pieces_free(pieces);
            pieces = NULL;
        }
    }
    return pieces;
}

void pieces_free(struct pieces *pieces)
{
    for (size_t i = 0; pieces && i < SLABS; i++)
        slab_free(pieces->slabs[i]);
    free(pieces);
}

static struct piece *piece_of(const void *data)
{
    return (struct piece *)(uintptr_t)((const char *)data - sizeof(struct piece));
}

/* NULL: it is the heap's. */
static struct slab *slab_of(const struct pieces *pieces, size_t bytes)
{
    return bytes <= (size_t)SLABS * STEP ? pieces->slabs[(bytes - 1) / STEP] : NULL;
}

void *pieces_take(struct pieces *pieces, size_t size)
{
    struct piece *piece;
    struct slab *slab;
    size_t bytes;

    if (!add_ok(&bytes, size, sizeof(*piece)))
        return NULL;
    slab = slab_of(pieces, bytes);
    if (slab)
        bytes = slab_object_bytes(slab);
    piece = slab ? slab_take(slab) : malloc(bytes);
    if (!piece)
        return NULL;
    piece->bytes = bytes;
    return piece->data;
}

void pieces_give(struct pieces *pieces, void *data)
{
    struct piece *piece;
    struct slab *slab;

    if (!data)
        return;
    piece = piece_of(data);
    slab = slab_of(pieces, piece->bytes);
    if (slab)
        slab_give(slab, piece);
    else
        free(piece);
}

size_t pieces_room(const void *data)
{
    return data ? piece_of(data)->bytes - sizeof(struct piece) : 0;
}

size_t pieces_bytes(const void *data)
{
    return data ? piece_of(data)->bytes : 0;
}

void pieces_age(struct pieces *pieces)
{
    for (size_t i = 0; i < SLABS; i++)
        slab_age(pieces->slabs[i]);
}

bool pieces_has_surplus(const struct pieces *pieces)
{
    for (size_t i = 0; i < SLABS; i++)
        if (slab_has_surplus(pieces->slabs[i]))
            return true;
    return false;
}
