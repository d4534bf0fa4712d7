/* scan.c: the scalar scanner, the choice of a scanner, and walks. The vector scanners are in scan_simd.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/scan.h"

#include "base/assert.h"
#include "http/h1/scan_internal.h"

enum h1_found h1_step(uint8_t c, enum h1_tail *tail)
{
    if (c == '\r') {
        *tail = *tail == H1_TAIL_LINE ? H1_TAIL_LINE_CR : H1_TAIL_CR;
    } else if (c == '\n') {
        if (*tail == H1_TAIL_LINE_CR)
            return H1_END;
        if (*tail != H1_TAIL_CR)
            return H1_BARE_LF;
        *tail = H1_TAIL_LINE;
    } else {
        *tail = H1_TAIL_TEXT;
    }
    return H1_NOT_YET;
}

static enum h1_found find_end(struct str bytes, enum h1_tail *tail, size_t *at)
{
    for (size_t i = 0; i < bytes.len; i++) {
        enum h1_found found = h1_step((uint8_t)bytes.data[i], tail);

        if (found != H1_NOT_YET) {
            *at = i + 1;
            return found;
        }
    }
    return H1_NOT_YET;
}

enum { ODD = 1, CONTROL = 2 };

/* What a byte is: rows of the code page, 16 bytes each. */
#define C (ODD | CONTROL)
#define O ODD
static const uint8_t kinds[256] = {
    /* clang-format off */
    C, C, C, C, C, C, C, C, C, O, C, C, C, C, C, C,
    C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C,
    O, 0, O, 0, 0, 0, 0, 0, O, O, 0, 0, O, 0, 0, O, /* space " ( ) , / */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, O, O, O, O, O, O, /* : ; < = > ? */
    O, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* @ */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, O, O, O, 0, 0, /* [ \ ] */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, O, 0, O, 0, C, /* { } DEL */
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    /* clang-format on */
};
#undef C
#undef O

static void classify(struct str bytes, uint64_t *odd, uint64_t *control)
{
    for (size_t from = 0; from < bytes.len; from += 64) {
        uint64_t odd_word = 0, control_word = 0;

        for (size_t i = 0; i < 64; i++) {
            uint64_t kind = from + i < bytes.len ? kinds[(uint8_t)bytes.data[from + i]] : ODD | CONTROL;

            odd_word |= (kind & ODD) << i;
            control_word |= (kind >> 1) << i;
        }
        odd[from / 64] = odd_word;
        control[from / 64] = control_word;
    }
}

const struct h1_scanner *h1_scanner_scalar(void)
{
    static const struct h1_scanner scalar = {.name = "scalar", .find_end = find_end, .classify = classify};

    return &scalar;
}

const struct h1_scanner *h1_scanner_named(const char *name)
{
    const struct h1_scanner *const all[] = {h1_scanner_scalar(), h1_scanner_sse42(), h1_scanner_avx2()};

    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (all[i] && strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

const struct h1_scanner *h1_scanner_best(void)
{
    const struct h1_scanner *best = h1_scanner_avx2();

    if (!best)
        best = h1_scanner_sse42();
    return best ? best : h1_scanner_scalar();
}

void h1_walk_init(struct h1_walk *walk, const struct h1_scanner *scanner, struct str text)
{
    walk->scanner = scanner;
    walk->text = text;
    walk->from = walk->until = 0;
}

/* Makes the bit maps for the window that `at` is in. */
static void look_at(struct h1_walk *walk, size_t at)
{
    struct str window;

    walk->from = at & ~(size_t)63;
    window = str_first(str_from_offset(walk->text, walk->from), H1_WINDOW_BYTES);
    walk->until = walk->from + window.len;
    walk->scanner->classify(window, walk->odd, walk->control);
}

/* The first set bit of the map at or behind `at`; walk->until when there is none. */
static size_t next_bit(const struct h1_walk *walk, const uint64_t *map, size_t at)
{
    size_t word = (at - walk->from) / 64, words = (walk->until - walk->from + 63) / 64;
    uint64_t bits = map[word] & (UINT64_MAX << (at - walk->from) % 64);

    while (bits == 0) {
        if (++word == words)
            return walk->until;
        bits = map[word];
    }
    return size_min(walk->from + word * 64 + (size_t)__builtin_ctzll(bits), walk->until);
}

size_t h1_walk_on(struct h1_walk *walk, const uint64_t *map, size_t at)
{
    while (at < walk->text.len) {
        if (at >= walk->until || at < walk->from)
            look_at(walk, at);
        at = next_bit(walk, map, at);
        if (at < walk->until)
            return at;
    }
    return walk->text.len;
}
