/* scan.h: looking at the bytes of HTTP/1 heads many at a time. The end of a head is found while its bytes come in; then
 * two bit maps tell the parser where names and lines end.
 *
 * There are twins: one that looks at each byte, and vector ones for processors that have them. All answer the same on
 * every input, since everything but the two operations below is common. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_SCAN_H
#define HOLDFAST_HTTP_H1_SCAN_H

#include "base/str.h"

/* Where the search for the end of a head stands: what the last bytes were. */
enum h1_tail {
    H1_TAIL_TEXT,    /* something else; where the search of a head begins */
    H1_TAIL_CR,      /* CR */
    H1_TAIL_LINE,    /* CR LF; where the search of a trailer section begins, as it may be empty */
    H1_TAIL_LINE_CR, /* CR LF CR */
};

enum h1_found {
    H1_NOT_YET, /* all bytes were looked at */
    H1_END,     /* an empty line: the head ends behind it */
    H1_BARE_LF, /* a line that does not end in CR LF (RFC 9112 2.2): nothing good can follow */
};

struct h1_scanner {
    const char *name;
    /* Looks for the empty line that ends a head, on from `*tail`. Unless H1_NOT_YET, *at tells how many bytes were used
     * up to and with the LF that decided. */
    enum h1_found (*find_end)(struct str bytes, enum h1_tail *tail, size_t *at);
    /* One bit for each byte, the first in bit 0: `odd`: it cannot be in a token (RFC 9110 5.6.2); `control`: it cannot
     * be in a value (a control byte but tab). Bits behind the last byte of the last word are set in both. */
    void (*classify)(struct str bytes, uint64_t *odd, uint64_t *control);
};

const struct h1_scanner *h1_scanner_scalar(void);

/* The scanner with that name, "scalar", "sse4.2" or "avx2"; NULL when this processor or build has none. */
const struct h1_scanner *h1_scanner_named(const char *name);

/* The fastest that this processor has. Ask once for each connection, not for each head. */
const struct h1_scanner *h1_scanner_best(void);

/* Walks over a text by its bit maps, which are made for a window of it at a time. */
enum { H1_WINDOW_WORDS = 32, H1_WINDOW_BYTES = H1_WINDOW_WORDS * 64 };

struct h1_walk {
    const struct h1_scanner *scanner;
    struct str text;
    size_t from, until; /* the window; a multiple of 64 bytes behind the start */
    uint64_t odd[H1_WINDOW_WORDS], control[H1_WINDOW_WORDS];
};

void h1_walk_init(struct h1_walk *walk, const struct h1_scanner *scanner, struct str text);

/* For what the two below do not find at once: looks on from `at`, through as many windows as it takes. */
size_t h1_walk_on(struct h1_walk *walk, const uint64_t *map, size_t at);

static inline size_t h1_walk_next(struct h1_walk *walk, const uint64_t *map, size_t at)
{
    size_t offset = at - walk->from;
    uint64_t bits;

    if (LIKELY(at >= walk->from && at < walk->until)) {
        bits = map[offset / 64] >> offset % 64;
        if (LIKELY(bits != 0 && at + (size_t)__builtin_ctzll(bits) < walk->until))
            return at + (size_t)__builtin_ctzll(bits);
    }
    return h1_walk_on(walk, map, at);
}

/* The first byte at or behind `at` that cannot be in a token, or in a value; text.len when there is none. */
static inline size_t h1_walk_odd(struct h1_walk *walk, size_t at)
{
    return h1_walk_next(walk, walk->odd, at);
}

static inline size_t h1_walk_control(struct h1_walk *walk, size_t at)
{
    return h1_walk_next(walk, walk->control, at);
}

#endif
