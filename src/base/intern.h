/* intern.h: constant pieces of memory that are equal stand once. What a thousand things have alike is then in the
 * processor's cache for all of them, and is told apart by its address. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_INTERN_H
#define HOLDFAST_BASE_INTERN_H

#include "base/arena.h"

struct intern;

/* Pieces and the table of them live in the arena (borrowed). NULL: no memory. */
struct intern *intern_new(struct arena *arena);

struct arena *intern_arena(const struct intern *intern); /* the same */

/* The piece that holds these bytes, which nobody may change; aligned for any type, and from a cache line's size on to a
 * cache line. Structs whose padding differs are not found to be equal, which costs no more than a second piece. NULL:
 * no memory. */
void *intern_bytes(struct intern *intern, const void *bytes, size_t size) MUST_USE;

/* The same for text: equal texts have the same data. data NULL: no memory. */
struct str intern_text(struct intern *intern, struct str text);

#endif
