/* str.h: text as pointer and length. A struct str never owns its bytes; who does is said where it is made.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_STR_H
#define HOLDFAST_BASE_STR_H

#include "base/compiler.h"

#include <string.h>

struct str {
    const char *data; /* may be NULL when len is 0 */
    size_t len;       /* bytes */
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(literal)                                                                                              \
    {                                                                                                                  \
        "" literal, sizeof(literal) - 1                                                                                \
    } /* for static tables */
#define STR_EMPTY ((struct str){NULL, 0})

/* For printf: printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).len ? (s).data : ""

static inline struct str str_of(const char *data, size_t len)
{
    return (struct str){data, len};
}

/* The text of a NUL-terminated string; NULL gives the empty text. */
static inline struct str str_from(const char *text)
{
    return (struct str){text, text ? strlen(text) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    /* The length of b, which is often a constant: then nothing is called. */
    return a.len == b.len && (b.len == 0 || memcmp(a.data, b.data, b.len) == 0);
}

/* Bytes from `at` on; empty when `at` is past the end. */
static inline struct str str_from_offset(struct str s, size_t at)
{
    return at < s.len ? (struct str){s.data + at, s.len - at} : (struct str){s.data, 0};
}

/* The first `len` bytes, or all when there are fewer. */
static inline struct str str_first(struct str s, size_t len)
{
    return (struct str){s.data, size_min(s.len, len)};
}

bool str_eq_fold(struct str a, struct str b);          /* equal but for the case of A to Z */
bool str_starts(struct str s, struct str prefix);      /* begins with prefix */
bool str_starts_fold(struct str s, struct str prefix); /* the same, but for the case of A to Z */
bool str_ends(struct str s, struct str suffix);        /* ends with suffix */
int str_compare(struct str a, struct str b);      /* bytewise, as memcmp; the shorter first when one leads the other */
size_t str_find_char(struct str s, char c);       /* offset of the first c; s.len when there is none */
size_t str_find_last_char(struct str s, char c);  /* offset of the last c; s.len when there is none */
size_t str_find(struct str s, struct str needle); /* offset of the first needle; s.len when there is none */
struct str str_trim(struct str s); /* without leading and trailing spaces and tabs (OWS of RFC 9110 5.6.3) */
struct str str_trim_of(struct str s, struct str bytes); /* without any of these bytes at its ends */

/* Takes the part of *rest before the next `separator` (or all of it) and moves *rest past it. False when *rest
 * was used up; "a,,b" gives "a", "", "b"; "" gives one empty part when *rest.data is not NULL. */
bool str_split(struct str *rest, char separator, struct str *part);

/* Copies s and a NUL into `out` of `size` bytes. False when it does not fit or s holds a NUL; out is then "". */
bool str_to_cstr(struct str s, char *out, size_t size) MUST_USE;

#endif
