/* arena.c: pages filled from front to end, freed together.
 *
 * The arena stands at the front of its first page. Only the newest page is filled; what an older one has left is lost,
 * which is at most as much as the next request asked for. A request larger than a page gets a page from the larger slab
 * that its own was lent, where that is enough. Under AddressSanitizer the unused rest of a page and a gap
 * behind each piece are poisoned. Start with arena_alloc. SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include "base/asan.h"
#include "base/assert.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ALIGN_MAX = 64,
    ALIGN_ANY = 16,                  /* _Alignof(max_align_t) */
    OWN_PAGE_BYTES = 8192,           /* page size of an arena without a slab */
    PAGE_BYTES_MIN = 512,            /* a slab with smaller pages is a mistake */
    GAP_BYTES = ASAN_IS_ON ? 16 : 0, /* between pieces; not counted */
};

/* Stands at the front of each page and of each piece that has an allocation of its own. */
struct page {
    struct page *next;
    struct slab *slab; /* where it came from; NULL: malloc */
};

struct arena {
    struct page *pages; /* the newest first; the last one holds this struct */
    struct page *large; /* requests larger than a page */
    char *at, *end;     /* the unused rest of the newest page, or as much of it as the limit allows */
    size_t left;        /* what the limit allows beyond that */
    struct slab *slab;  /* NULL: pages come from malloc */
};

static_assert(ALIGN_ANY >= _Alignof(max_align_t), "arena_zero serves every type");
static_assert(sizeof(struct page) + sizeof(struct arena) + ALIGN_MAX < PAGE_BYTES_MIN,
              "room is left in the first page");

static size_t bytes_of_page(const struct slab *slab)
{
    return slab ? slab_object_bytes(slab) : OWN_PAGE_BYTES;
}

static struct page *page_new(struct slab *slab, struct page *next)
{
    struct page *page = slab ? slab_take(slab) : aligned_alloc(ALIGN_MAX, OWN_PAGE_BYTES);

    if (page)
        *page = (struct page){next, slab};
    return page;
}

static void page_free(struct page *page)
{
    struct slab *slab = page->slab;

    asan_unpoison(page, bytes_of_page(slab));
    if (slab)
        slab_give(slab, page);
    else
        free(page);
}

static size_t page_room(const struct arena *arena)
{
    return bytes_of_page(arena->pages->slab) - (size_t)(arena->at - (char *)arena->pages);
}

/* From here on so many bytes may be taken. */
static void set_limit(struct arena *arena, size_t bytes_max)
{
    size_t here = size_min(bytes_max, page_room(arena));

    arena->end = arena->at + here;
    arena->left = bytes_max - here;
}

static size_t limit_of(const struct arena *arena)
{
    return (size_t)(arena->end - arena->at) + arena->left;
}

static void fill_page(struct arena *arena, size_t from, size_t bytes_max)
{
    size_t room = bytes_of_page(arena->pages->slab) - from, here = size_min(bytes_max, room);

    arena->at = (char *)arena->pages + from;
    arena->end = arena->at + here;
    arena->left = bytes_max - here;
    asan_poison(arena->at, room);
}

struct arena *arena_new(struct slab *pages, size_t bytes_max)
{
    struct page *page = page_new(pages, NULL);
    struct arena *arena;

    ASSERT(bytes_of_page(pages) >= PAGE_BYTES_MIN);
    if (!page)
        return NULL;
    arena = (struct arena *)(void *)(page + 1);
    *arena = (struct arena){.pages = page, .slab = pages};
    fill_page(arena, sizeof *page + sizeof *arena, bytes_max);
    return arena;
}

void arena_free(struct arena *arena)
{
    struct page *page, *next;

    if (!arena)
        return;
    for (page = arena->large; page; page = next) {
        next = page->next;
        free(page);
    }
    for (page = arena->pages; page; page = next) { /* The arena goes with its last page. */
        next = page->next;
        page_free(page);
    }
}

/* Bytes to skip at `at` to be aligned. */
static size_t padding(const char *at, size_t align)
{
    return (size_t)(-(uintptr_t)at & (align - 1));
}

static bool fits(const struct arena *arena, size_t size, size_t pad)
{
    size_t room = (size_t)(arena->end - arena->at);

    return size <= room && pad <= room - size;
}

static void leave_gap(struct arena *arena)
{
    size_t bytes_max = limit_of(arena);

    arena->at += size_min(GAP_BYTES, page_room(arena));
    set_limit(arena, bytes_max);
}

/* The next `size` bytes behind `pad`, which fit. */
static void *take_from_page(struct arena *arena, size_t size, size_t pad)
{
    char *piece = arena->at + pad;

    ASSERT_SLOW(fits(arena, size, pad));
    arena->at = piece + size;
    if (GAP_BYTES > 0)
        leave_gap(arena);
    asan_unpoison(piece, size);
    return piece;
}

static void *take_large(struct arena *arena, size_t size)
{
    struct page *page;
    size_t bytes;

    if (!add_ok(&bytes, size, 2 * ALIGN_MAX - 1))
        return NULL;
    page = aligned_alloc(ALIGN_MAX, bytes / ALIGN_MAX * ALIGN_MAX);
    if (!page)
        return NULL;
    page->next = arena->large;
    arena->large = page;
    set_limit(arena, limit_of(arena) - size);
    return (char *)page + ALIGN_MAX;
}

static bool add_page(struct arena *arena, struct slab *slab)
{
    struct page *page = page_new(slab, arena->pages);
    size_t bytes_max = limit_of(arena);

    if (!page)
        return false;
    arena->pages = page;
    fill_page(arena, sizeof *page, bytes_max);
    return true;
}

/* The smallest page that has room for it. False: there is none. */
static bool find_page(const struct arena *arena, size_t size, struct slab **slab)
{
    *slab = arena->slab;
    if (*slab && size > slab_object_bytes(*slab) - ALIGN_MAX)
        *slab = slab_larger(*slab);
    return (*slab || !arena->slab) && size <= bytes_of_page(*slab) - ALIGN_MAX;
}

/* Apart, so that the way through the page at hand saves no registers. */
static NOINLINE void *alloc_elsewhere(struct arena *arena, size_t size, size_t align)
{
    size_t room = page_room(arena), pad = padding(arena->at, align);
    struct slab *slab;

    /* What would fit into the page is beyond the limit. */
    if (size > limit_of(arena) || (size <= room && pad <= room - size))
        return NULL;
    if (!find_page(arena, size, &slab))
        return take_large(arena, size);
    if (!add_page(arena, slab))
        return NULL;
    pad = padding(arena->at, align);
    return fits(arena, size, pad) ? take_from_page(arena, size, pad) : NULL;
}

void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
    size_t pad = padding(arena->at, align);

    ASSERT(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    return LIKELY(fits(arena, size, pad)) ? take_from_page(arena, size, pad) : alloc_elsewhere(arena, size, align);
}

void *arena_zero(struct arena *arena, size_t size)
{
    void *bytes = arena_alloc(arena, size, ALIGN_ANY);

    return bytes ? memset(bytes, 0, size) : NULL;
}

void *arena_zero_array(struct arena *arena, size_t count, size_t size)
{
    size_t bytes;

    return mul_ok(&bytes, count, size) ? arena_zero(arena, bytes) : NULL;
}

struct str arena_copy(struct arena *arena, struct str s)
{
    size_t size;
    char *copy;

    if (!add_ok(&size, s.len, 1) || !(copy = arena_alloc(arena, size, 1)))
        return STR_EMPTY;
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return str_of(copy, s.len);
}

struct str arena_format(struct arena *arena, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !(text = arena_alloc(arena, (size_t)len + 1, 1)))
        return STR_EMPTY;
    va_start(args, format);
    vsnprintf(text, (size_t)len + 1, format, args);
    va_end(args);
    return str_of(text, (size_t)len);
}
