/* arena.c: pages filled from front to end, freed together.
 *
 * The arena stands at the front of its first page. Only the newest page is filled; what an older one has left is lost,
 * which is at most as much as the next request asked for. Under AddressSanitizer the unused rest of a page and a gap
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
};

struct arena {
    struct page *pages; /* the newest first; the last one holds this struct */
    struct page *large; /* requests larger than a page */
    char *at, *end;     /* the unused rest of the newest page */
    struct slab *slab;  /* NULL: pages come from malloc */
    size_t page_bytes;
    size_t bytes_max, used;
};

static_assert(ALIGN_ANY >= _Alignof(max_align_t), "arena_zero serves every type");
static_assert(sizeof(struct page) + sizeof(struct arena) + ALIGN_MAX < PAGE_BYTES_MIN,
              "room is left in the first page");

static struct page *page_new(struct slab *slab, size_t page_bytes)
{
    return slab ? slab_take(slab) : aligned_alloc(ALIGN_MAX, page_bytes);
}

static void page_free(struct slab *slab, struct page *page, size_t page_bytes)
{
    asan_unpoison(page, page_bytes);
    if (slab)
        slab_give(slab, page);
    else
        free(page);
}

static void fill_page(struct arena *arena, struct page *page, size_t from)
{
    arena->at = (char *)page + from;
    arena->end = (char *)page + arena->page_bytes;
    asan_poison(arena->at, (size_t)(arena->end - arena->at));
}

struct arena *arena_new(struct slab *pages, size_t bytes_max)
{
    size_t page_bytes = pages ? slab_object_bytes(pages) : OWN_PAGE_BYTES;
    struct page *page = page_new(pages, page_bytes);
    struct arena *arena;

    ASSERT(page_bytes >= PAGE_BYTES_MIN);
    if (!page)
        return NULL;
    page->next = NULL;
    arena = (struct arena *)(void *)(page + 1);
    *arena = (struct arena){.pages = page, .slab = pages, .page_bytes = page_bytes, .bytes_max = bytes_max};
    fill_page(arena, page, sizeof *page + sizeof *arena);
    return arena;
}

void arena_free(struct arena *arena)
{
    struct page *page, *next;
    struct slab *slab;
    size_t page_bytes;

    if (!arena)
        return;
    for (page = arena->large; page; page = next) {
        next = page->next;
        free(page);
    }
    slab = arena->slab; /* The arena goes with its last page. */
    page_bytes = arena->page_bytes;
    for (page = arena->pages; page; page = next) {
        next = page->next;
        page_free(slab, page, page_bytes);
    }
}

/* Bytes to skip at `at` to be aligned. */
static size_t padding(const char *at, size_t align)
{
    return (size_t)(-(uintptr_t)at & (align - 1));
}

/* The next `size` bytes behind `pad`, which the page has. NULL: they are beyond the arena's limit. */
static void *take_from_page(struct arena *arena, size_t size, size_t pad)
{
    char *piece = arena->at + pad;

    ASSERT_SLOW(size <= (size_t)(arena->end - piece));
    if (pad > arena->bytes_max - arena->used - size)
        return NULL;
    arena->used += pad + size;
    arena->at = piece + size;
    arena->at += size_min(GAP_BYTES, (size_t)(arena->end - arena->at));
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
    arena->used += size;
    return (char *)page + ALIGN_MAX;
}

static bool add_page(struct arena *arena)
{
    struct page *page = page_new(arena->slab, arena->page_bytes);

    if (!page)
        return false;
    page->next = arena->pages;
    arena->pages = page;
    fill_page(arena, page, sizeof *page);
    return true;
}

/* Apart, so that the way through the page at hand saves no registers. */
static NOINLINE void *alloc_elsewhere(struct arena *arena, size_t size, size_t align)
{
    if (size > arena->page_bytes - ALIGN_MAX)
        return take_large(arena, size);
    return add_page(arena) ? take_from_page(arena, size, padding(arena->at, align)) : NULL;
}

void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
    size_t room = (size_t)(arena->end - arena->at), pad = padding(arena->at, align);

    ASSERT(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    if (size > arena->bytes_max - arena->used)
        return NULL;
    if (LIKELY(size <= room && pad <= room - size))
        return take_from_page(arena, size, pad);
    return alloc_elsewhere(arena, size, align);
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
