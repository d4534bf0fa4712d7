/* scan_internal.h: the inner loops of parser and writer: runs of plain string bytes, of digits, of white space, one
 * UTF-8 sequence.
 *
 * Each SIMD loop has a scalar twin that says what it means; tests hold them against each other. Inline, because most
 * runs are shorter than a call. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_SCAN_INTERNAL_H
#define HOLDFAST_JSON_SCAN_INTERNAL_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/compiler.h"

#include <string.h>

/* Everything inside a string that needs no second look: ASCII but for the quote, the backslash and control characters.
 */
static inline bool scan_is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

/* Plain to the parser, but escaped by Go's encoder: their presence makes a string non-canonical. */
static inline bool scan_is_html(char c)
{
    return c == '<' || c == '>' || c == '&';
}

static inline bool scan_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The first byte in [at, end) that does not stand for itself in what Go's encoder writes, or end. */
static inline const char *scan_verbatim_scalar(const char *at, const char *end)
{
    while (at < end && scan_is_plain(*at) && !scan_is_html(*at))
        at++;
    return at;
}

/* The first byte in [at, end) that is no digit, or end. */
static inline const char *scan_digits_scalar(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* The first byte in [at, end) that is no JSON white space, or end. */
static inline const char *scan_blank_scalar(const char *at, const char *end)
{
    while (at < end && scan_is_blank(*at))
        at++;
    return at;
}

#ifdef __SSE2__
static inline __m128i scan_load(const char *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* One bit for each of the 16 bytes that does not stand for itself. */
static inline uint32_t scan_odd_of_16(const char *at)
{
    __m128i bytes = scan_load(at);
    /* Signed, and it saturates: control characters and bytes past ASCII become negative. */
    __m128i odd = _mm_subs_epi8(bytes, _mm_set1_epi8(0x20));
    /* '"' and '&' differ in one bit, as '<' and '>' do. */
    __m128i quote = _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(4)), _mm_set1_epi8('&'));
    __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
    __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));

    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(odd, slash), _mm_or_si128(quote, angle)));
}

/* The same for what is no digit. */
static inline uint32_t scan_other_of_16(const char *at)
{
    __m128i values = _mm_sub_epi8(scan_load(at), _mm_set1_epi8('0'));
    /* Unsigned: a digit is what is not more than nine. */
    __m128i digits = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);

    return (uint32_t)_mm_movemask_epi8(digits) ^ 0xffff;
}

/* Most runs end in their first 16 bytes, and a loop would load its constants for them. */
NOINLINE static const char *scan_verbatim_far(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        uint32_t stops = scan_odd_of_16(at);

        if (stops)
            return at + (unsigned)__builtin_ctz(stops);
    }
    return scan_verbatim_scalar(at, end);
}

static inline const char *scan_verbatim(const char *at, const char *end)
{
    uint32_t stops = LIKELY(end - at >= 16) ? scan_odd_of_16(at) : 0;

    return LIKELY(stops != 0) ? at + (unsigned)__builtin_ctz(stops) : scan_verbatim_far(at, end);
}

static inline const char *scan_digits(const char *at, const char *end)
{
    uint32_t stops = LIKELY(end - at >= 16) ? scan_other_of_16(at) : 0;

    return LIKELY(stops != 0) ? at + (unsigned)__builtin_ctz(stops) : scan_digits_scalar(at, end);
}

static inline const char *scan_blank(const char *at, const char *end)
{
    for (; end - at >= 16; at += 16) {
        __m128i bytes = scan_load(at);
        __m128i space = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
        __m128i newline = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'));
        __m128i carriage = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\r'));
        __m128i tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
        __m128i blank = _mm_or_si128(_mm_or_si128(space, newline), _mm_or_si128(carriage, tab));
        uint32_t stops = ~(uint32_t)_mm_movemask_epi8(blank) & 0xffff;

        if (stops)
            return at + __builtin_ctz(stops);
    }
    return scan_blank_scalar(at, end);
}
#else
static inline const char *scan_verbatim(const char *at, const char *end)
{
    return scan_verbatim_scalar(at, end);
}

static inline const char *scan_digits(const char *at, const char *end)
{
    return scan_digits_scalar(at, end);
}

static inline const char *scan_blank(const char *at, const char *end)
{
    return scan_blank_scalar(at, end);
}
#endif

enum { SCAN_BLOCK_BYTES = 64 };

/* Up to 64 bytes from `start` on: one bit for each that does not stand for itself, or is past the text. Where one run
 * ends is then known without another look at the text, which the place of the next one would have to wait for. */
struct scan_block {
    const char *start;
    uint64_t stops;
};

static inline uint64_t scan_stops(const char *at)
{
#ifdef __SSE2__
    return scan_odd_of_16(at) | (uint64_t)scan_odd_of_16(at + 16) << 16 | (uint64_t)scan_odd_of_16(at + 32) << 32 |
           (uint64_t)scan_odd_of_16(at + 48) << 48;
#else
    uint64_t stops = 0;

    for (unsigned i = 0; i < SCAN_BLOCK_BYTES; i++)
        stops |= (uint64_t)(scan_verbatim_scalar(at + i, at + i + 1) == at + i) << i;
    return stops;
#endif
}

/* Less than a block is left. */
NOINLINE static struct scan_block scan_last_block(const char *at, const char *end)
{
    char last[SCAN_BLOCK_BYTES] = {0}; /* zeros are control characters */

    memcpy(last, at, (size_t)(end - at));
    return (struct scan_block){at, scan_stops(last)};
}

NOINLINE static struct scan_block scan_block_at(const char *at, const char *end)
{
    if (UNLIKELY(end - at < SCAN_BLOCK_BYTES))
        return scan_last_block(at, end);
    return (struct scan_block){at, scan_stops(at)};
}

/* As scan_verbatim; the block is of the same text, from `at` or before. */
static ALWAYS_INLINE const char *scan_verbatim_in(struct scan_block *block, const char *at, const char *end)
{
    for (;;) {
        size_t offset = (size_t)(at - block->start);

        if (LIKELY(offset < SCAN_BLOCK_BYTES)) {
            uint64_t stops = block->stops >> offset;

            if (LIKELY(stops != 0))
                return at + (unsigned)__builtin_ctzll(stops);
            at = block->start + SCAN_BLOCK_BYTES;
        }
        *block = scan_block_at(at, end);
    }
}

static inline bool scan_is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the well-formed UTF-8 sequence at `at` (before end): 1 to 4; 0 when it is none (RFC 3629: no overlong forms,
 * no surrogates, at most U+10FFFF). */
static inline unsigned scan_utf8(const char *at, const char *end)
{
    const unsigned char *s = (const unsigned char *)at;
    ptrdiff_t room = end - at;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4 || room < 2 || !scan_is_tail(s[1]))
        return 0;
    if (s[0] < 0xe0)
        return 2;
    if (room < 3 || !scan_is_tail(s[2]))
        return 0;
    if (s[0] < 0xf0)
        return (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ? 0 : 3;
    if (room < 4 || !scan_is_tail(s[3]))
        return 0;
    return (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ? 0 : 4;
}

#endif
