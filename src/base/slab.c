/* slab.c: a free list of objects of one size.
 *
 * Each object is an allocation of its own, so that free ones can go back one by one and the failing allocator of the
 * tests sees every take. A debug build keeps none, so that each life of an object is a different one to the sanitizer.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/slab.h"

#include "base/asan.h"
#include "base/assert.h"

#include <stdlib.h>

#ifdef HOLDFAST_SLOW_CHECKS
enum { KEEPS_NONE = 1 };
#else
enum { KEEPS_NONE = 0 };
#endif

enum {
    OBJECT_ALIGN = 64,
    SURGE_BYTES_MAX = 8192, /* larger objects cost more to keep than to ask for */
};

struct free_object {
    struct free_object *next;
};

struct slab {
    struct slab *larger;      /* NULL: none */
    struct free_object *free; /* the most recent first */
    size_t kept, keep_max;
    size_t out, peak;    /* in use: now, and the most since slab_age */
    size_t limit;        /* of those that are kept: keep_max, or the surge of this or the last age if that was more */
    size_t object_bytes; /* as asked for */
    size_t stride;       /* what is allocated: a multiple of OBJECT_ALIGN, but in a dense one */
    bool dense;
};

struct slab *slab_new(size_t object_bytes, size_t keep_max)
{
    struct slab *slab;
    size_t stride;

    if (!add_ok(&stride, size_max(object_bytes, sizeof(struct free_object)), OBJECT_ALIGN - 1))
        return NULL;
    slab = calloc(1, sizeof *slab);
    if (!slab)
        return NULL;
    slab->object_bytes = object_bytes;
    slab->stride = stride / OBJECT_ALIGN * OBJECT_ALIGN;
    slab->keep_max = slab->limit = keep_max;
    return slab;
}

struct slab *slab_new_dense(size_t object_bytes, size_t keep_max)
{
    struct slab *slab = slab_new(object_bytes, keep_max);

    if (slab) {
        slab->dense = true;
        slab->stride = size_max(object_bytes, sizeof(struct free_object));
    }
    return slab;
}

void slab_set_larger(struct slab *slab, struct slab *larger)
{
    ASSERT(larger->object_bytes > slab->object_bytes);
    slab->larger = larger;
}

struct slab *slab_larger(const struct slab *slab)
{
    return slab->larger;
}

static void free_one_kept(struct slab *slab)
{
    struct free_object *object = slab->free;

    asan_unpoison(object, slab->stride);
    slab->free = object->next;
    slab->kept--;
    free(object);
}

void slab_free(struct slab *slab)
{
    if (!slab)
        return;
    ASSERT(slab->out == 0);
    while (slab->free)
        free_one_kept(slab);
    free(slab);
}

/* As many as are kept for a rush that takes `count`. */
static size_t surge(const struct slab *slab, size_t count)
{
    return slab->stride <= SURGE_BYTES_MAX ? count : 0;
}

static void count_out(struct slab *slab)
{
    if (++slab->out <= slab->peak)
        return;
    slab->peak = slab->out;
    slab->limit = size_max(slab->limit, surge(slab, slab->peak));
}

/* Apart, so that taking one that is kept saves no registers. */
static NOINLINE void *take_new(struct slab *slab)
{
    void *object = slab->dense ? malloc(slab->stride) : aligned_alloc(OBJECT_ALIGN, slab->stride);

    if (object)
        count_out(slab);
    return object;
}

void *slab_take(struct slab *slab)
{
    struct free_object *object = slab->free;

    if (!object)
        return take_new(slab);
    asan_unpoison(object, slab->stride);
    slab->free = object->next;
    /* The next one lies where it was given back, most often long out of the cache. */
    __builtin_prefetch(slab->free, 1);
    slab->kept--;
    count_out(slab);
    return object;
}

void slab_give(struct slab *slab, void *object)
{
    struct free_object *first = object;

    if (!object)
        return;
    ASSERT(slab->out > 0);
    slab->out--;
    if (KEEPS_NONE || slab->kept >= slab->limit) {
        free(object);
        return;
    }
    first->next = slab->free;
    slab->free = first;
    slab->kept++;
    asan_poison(object, slab->stride);
}

void slab_age(struct slab *slab)
{
    slab->limit = size_max(slab->keep_max, surge(slab, slab->peak));
    slab->peak = slab->out;
    while (slab->kept > slab->limit)
        free_one_kept(slab);
}

bool slab_has_surplus(const struct slab *slab)
{
    return slab->kept > slab->keep_max && slab->kept > surge(slab, slab->out);
}

size_t slab_out(const struct slab *slab)
{
    return slab->out;
}

size_t slab_object_bytes(const struct slab *slab)
{
    return slab->object_bytes;
}
