/* pieces.h: memory of any size for a library that asks for many small pieces and gives most of them back soon, from
 * free lists of one worker. Not shared between threads. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_PIECES_H
#define HOLDFAST_BASE_PIECES_H

#include "base/compiler.h"

struct pieces;

struct pieces *pieces_new(void); /* NULL: no memory */

/* Asserts that no small piece is out: it must outlive what it gave. NULL is fine. */
void pieces_free(struct pieces *pieces);

/* A piece of at least `size` bytes, unspecified, aligned to 16. Above a few hundred bytes it comes from the heap. NULL:
 * no memory (or the failing allocator of the tests). */
void *pieces_take(struct pieces *pieces, size_t size) MUST_USE;

/* Gives a piece back. NULL is fine. */
void pieces_give(struct pieces *pieces, void *piece);

/* What it can hold, and what it takes of the memory. NULL: 0. */
size_t pieces_room(const void *piece);
size_t pieces_bytes(const void *piece);

void pieces_age(struct pieces *pieces); /* slab_age for all that it keeps */
bool pieces_has_surplus(const struct pieces *pieces);

#endif
