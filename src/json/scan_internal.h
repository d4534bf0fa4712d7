/* scan_internal.h: the inner loops of the parser: runs of plain string bytes, runs of white space, one UTF-8 sequence.
 *
 * Each SIMD loop has a scalar twin that says what it means; tests hold them against each other. Inline, because most
 * runs are shorter than a call. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_JSON_SCAN_INTERNAL_H
#define HOLDFAST_JSON_SCAN_INTERNAL_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/compiler.h"

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

/* The first byte in [at, end) that is not plain, or end; *html becomes true when the run holds one of <>&. */
static inline const char *scan_plain_scalar(const char *at, const char *end, bool *html)
{
    for (; at < end && scan_is_plain(*at); at++)
        *html |= scan_is_html(*at);
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

static inline const char *scan_plain(const char *at, const char *end, bool *html)
{
    for (; end - at >= 16; at += 16) {
        __m128i bytes = scan_load(at);
        /* Signed: bytes past ASCII are negative, so one comparison finds them and the control characters. */
        __m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
        __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        /* '<' and '>' differ in one bit. */
        __m128i angle = _mm_cmpeq_epi8(_mm_or_si128(bytes, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
        __m128i ampersand = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('&'));
        uint32_t stops = (uint32_t)_mm_movemask_epi8(_mm_or_si128(odd, _mm_or_si128(quote, slash)));
        uint32_t marks = (uint32_t)_mm_movemask_epi8(_mm_or_si128(angle, ampersand));

        if (stops) {
            unsigned len = (unsigned)__builtin_ctz(stops);

            *html |= (marks & ((1u << len) - 1)) != 0;
            return at + len;
        }
        *html |= marks != 0;
    }
    return scan_plain_scalar(at, end, html);
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
static inline const char *scan_plain(const char *at, const char *end, bool *html)
{
    return scan_plain_scalar(at, end, html);
}

static inline const char *scan_blank(const char *at, const char *end)
{
    return scan_blank_scalar(at, end);
}
#endif

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
