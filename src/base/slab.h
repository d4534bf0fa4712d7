/* slab.h: objects of one size, a free list for each worker. Not shared between threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_SLAB_H
#define HOLDFAST_BASE_SLAB_H

#include "base/compiler.h"

struct slab;

/* A slab of objects of `object_bytes`. It keeps `keep_max` free objects, or as many as were out at once in this age or
 * the one before, unless they are larger than 8 KiB; what is beyond goes back to the system. NULL: no memory. */
struct slab *slab_new(size_t object_bytes, size_t keep_max);

/* The same for records of which there are many, most of them at rest: an object is aligned to 16 only and takes little
 * more than its own bytes, where aligned ones lie up to 112 bytes apart. */
struct slab *slab_new_dense(size_t object_bytes, size_t keep_max);

/* Lends a slab another of larger objects, for users that now and then need one (arena.h); it must live as long. */
void slab_set_larger(struct slab *slab, struct slab *larger);
struct slab *slab_larger(const struct slab *slab); /* NULL: none */

/* Frees the free list and the slab. Asserts that no object is out: a slab must outlive what it gave. NULL is fine. */
void slab_free(struct slab *slab);

/* An object, its bytes unspecified, aligned to 64 (or 16: slab_new_dense). NULL: no memory (or the failing allocator of
 * the tests). */
void *slab_take(struct slab *slab) MUST_USE;

/* Gives an object back; the most recent one is handed out first, as its cache lines are warm. NULL is fine. */
void slab_give(struct slab *slab, void *object);

/* A new age begins: what the last one did not need is freed. Call it every second or so. */
void slab_age(struct slab *slab);
bool slab_has_surplus(
    const struct slab *slab); /* kept beyond keep_max and what is out: two ages without a rush free them */

size_t slab_out(const struct slab *slab);          /* objects handed out now */
size_t slab_object_bytes(const struct slab *slab); /* as given to slab_new */

#endif
