/* scan_simd.c: the scanners for x86-64 with SSE4.2 (16 bytes a step) and AVX2 (32). Both gather 64 bytes into masks;
 * from there on they are the same. Compiled for the plain processor, each function asks for what it uses.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/scan_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* Bit i of each tells of byte i. */
struct ends {
    uint64_t cr, lf;
};
struct kinds {
    uint64_t odd, control;
};

/* Decides on `count` bytes (1 to 64) behind what `tail` tells. Masks have no bits at or behind count. */
static inline enum h1_found settle(struct ends ends, size_t count, enum h1_tail *tail, size_t *at)
{
    bool after_cr = *tail == H1_TAIL_CR || *tail == H1_TAIL_LINE_CR;
    uint64_t cr_before = ends.cr << 1 | after_cr;
    /* A line feed two bytes before, behind a carriage return just before, is the end of an earlier line. */
    uint64_t line_before =
        ends.lf << 2 | (*tail == H1_TAIL_LINE ? 2u : 0u) | (uint64_t)(*tail == H1_TAIL_LINE_CR ? 1u : 0u);
    uint64_t bare = ends.lf & ~cr_before, end = ends.lf & cr_before & line_before, stop = bare | end;
    uint64_t last = UINT64_C(1) << (count - 1);

    if (stop != 0) {
        uint64_t first = stop & (~stop + 1);

        *at = (size_t)__builtin_ctzll(stop) + 1;
        return (bare & first) != 0 ? H1_BARE_LF : H1_END;
    }
    if ((ends.lf & last) != 0)
        *tail = H1_TAIL_LINE;
    else if ((ends.cr & last) == 0)
        *tail = H1_TAIL_TEXT;
    else if (count > 1 ? (ends.lf & last >> 1) != 0 : *tail == H1_TAIL_LINE)
        *tail = H1_TAIL_LINE_CR;
    else
        *tail = H1_TAIL_CR;
    return H1_NOT_YET;
}

/* Decides on fewer than 64 bytes, behind which nothing may be read. */
static inline __attribute__((always_inline)) enum h1_found settle_copy(struct str bytes, enum h1_tail *tail, size_t *at,
                                                                       struct ends (*gather)(const char *))
{
    char copy[64] = {0};

    memcpy(copy, bytes.data, bytes.len);
    return settle(gather(copy), bytes.len, tail, at);
}

/* The body of both find_end; `gather` looks at 64 bytes. The last step reaches back over bytes that were seen. */
static inline __attribute__((always_inline)) enum h1_found find_end(struct str bytes, enum h1_tail *tail, size_t *at,
                                                                    struct ends (*gather)(const char *))
{
    size_t from = 0;

    for (; bytes.len - from >= 64; from += 64) {
        struct ends ends = gather(bytes.data + from);
        enum h1_found found = (ends.cr | ends.lf) == 0 ? H1_NOT_YET : settle(ends, 64, tail, at);

        if (found != H1_NOT_YET) {
            *at += from;
            return found;
        }
        if ((ends.cr | ends.lf) == 0)
            *tail = H1_TAIL_TEXT;
    }
    if (from < bytes.len && bytes.len >= 64) {
        size_t seen = 64 - (bytes.len - from);
        struct ends ends = gather(bytes.data + bytes.len - 64);
        enum h1_found found = settle((struct ends){ends.cr >> seen, ends.lf >> seen}, 64 - seen, tail, at);

        if (found != H1_NOT_YET)
            *at += from;
        return found;
    }
    return from == bytes.len ? H1_NOT_YET : settle_copy(bytes, tail, at, gather);
}

static inline void store(struct kinds kinds, size_t count, uint64_t *odd, uint64_t *control)
{
    uint64_t behind = count == 64 ? 0 : UINT64_MAX << count;

    *odd = kinds.odd | behind;
    *control = kinds.control | behind;
}

static inline __attribute__((always_inline)) void classify(struct str bytes, uint64_t *odd, uint64_t *control,
                                                           struct kinds (*gather)(const char *))
{
    size_t from = 0, rest;

    for (; bytes.len - from >= 64; from += 64)
        store(gather(bytes.data + from), 64, odd + from / 64, control + from / 64);
    rest = bytes.len - from;
    if (rest > 0 && bytes.len >= 64) {
        struct kinds kinds = gather(bytes.data + bytes.len - 64);

        store((struct kinds){kinds.odd >> (64 - rest), kinds.control >> (64 - rest)}, rest, odd + from / 64,
              control + from / 64);
    } else if (rest > 0) {
        char copy[64] = {0};

        memcpy(copy, bytes.data, rest);
        store(gather(copy), rest, odd, control);
    }
}

/* Which bytes are tokens, as two tables: by the low half of a byte, a bit for each high half it may have; and by the
 * high half, its bit. Bytes from 0x80 on find a zero. */
static const uint8_t token_by_low[16] = {
    /* clang-format off */
    0xe8, 0xfc, 0xf8, 0xfc, 0xfc, 0xfc, 0xfc, 0xfc, 0xf8, 0xf8, 0xf4, 0x54, 0xd0, 0x54, 0xf4, 0x70,
    /* clang-format on */
};
static const uint8_t bit_by_high[16] = {1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0};

#define SSE42 __attribute__((target("sse4.2")))

SSE42 static inline __m128i load16(const void *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

SSE42 static inline uint64_t mask16(__m128i bytes)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(bytes);
}

SSE42 static struct ends ends_sse42(const char *bytes)
{
    const __m128i cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n');
    struct ends ends = {0, 0};

    for (unsigned i = 0; i < 64; i += 16) {
        __m128i part = load16(bytes + i);

        ends.cr |= mask16(_mm_cmpeq_epi8(part, cr)) << i;
        ends.lf |= mask16(_mm_cmpeq_epi8(part, lf)) << i;
    }
    return ends;
}

SSE42 static struct kinds kinds_sse42(const char *bytes)
{
    const __m128i by_low = load16(token_by_low), by_high = load16(bit_by_high), zero = _mm_setzero_si128();
    struct kinds kinds = {0, 0};

    for (unsigned i = 0; i < 64; i += 16) {
        __m128i part = load16(bytes + i);
        __m128i high = _mm_and_si128(_mm_srli_epi16(part, 4), _mm_set1_epi8(0x0f));
        __m128i token = _mm_and_si128(_mm_shuffle_epi8(by_low, part), _mm_shuffle_epi8(by_high, high));
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(part, _mm_set1_epi8(0x1f)), part);
        __m128i tab = _mm_cmpeq_epi8(part, _mm_set1_epi8('\t'));
        __m128i del = _mm_cmpeq_epi8(part, _mm_set1_epi8(0x7f));

        kinds.odd |= mask16(_mm_cmpeq_epi8(token, zero)) << i;
        kinds.control |= mask16(_mm_or_si128(_mm_andnot_si128(tab, low), del)) << i;
    }
    return kinds;
}

SSE42 static enum h1_found find_end_sse42(struct str bytes, enum h1_tail *tail, size_t *at)
{
    return find_end(bytes, tail, at, ends_sse42);
}

SSE42 static void classify_sse42(struct str bytes, uint64_t *odd, uint64_t *control)
{
    classify(bytes, odd, control, kinds_sse42);
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load32(const void *bytes)
{
    return _mm256_loadu_si256((const __m256i *)bytes);
}

AVX2 static inline uint64_t mask32(__m256i bytes)
{
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(bytes);
}

AVX2 static struct ends ends_avx2(const char *bytes)
{
    const __m256i cr = _mm256_set1_epi8('\r'), lf = _mm256_set1_epi8('\n');
    __m256i low = load32(bytes), high = load32(bytes + 32);

    return (struct ends){
        .cr = mask32(_mm256_cmpeq_epi8(low, cr)) | mask32(_mm256_cmpeq_epi8(high, cr)) << 32,
        .lf = mask32(_mm256_cmpeq_epi8(low, lf)) | mask32(_mm256_cmpeq_epi8(high, lf)) << 32,
    };
}

AVX2 static inline __m256i both(const uint8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

AVX2 static struct kinds kinds_avx2(const char *bytes)
{
    const __m256i by_low = both(token_by_low), by_high = both(bit_by_high), zero = _mm256_setzero_si256();
    struct kinds kinds = {0, 0};

    for (unsigned i = 0; i < 64; i += 32) {
        __m256i part = load32(bytes + i);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(part, 4), _mm256_set1_epi8(0x0f));
        __m256i token = _mm256_and_si256(_mm256_shuffle_epi8(by_low, part), _mm256_shuffle_epi8(by_high, high));
        __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(part, _mm256_set1_epi8(0x1f)), part);
        __m256i tab = _mm256_cmpeq_epi8(part, _mm256_set1_epi8('\t'));
        __m256i del = _mm256_cmpeq_epi8(part, _mm256_set1_epi8(0x7f));

        kinds.odd |= mask32(_mm256_cmpeq_epi8(token, zero)) << i;
        kinds.control |= mask32(_mm256_or_si256(_mm256_andnot_si256(tab, low), del)) << i;
    }
    return kinds;
}

AVX2 static enum h1_found find_end_avx2(struct str bytes, enum h1_tail *tail, size_t *at)
{
    return find_end(bytes, tail, at, ends_avx2);
}

AVX2 static void classify_avx2(struct str bytes, uint64_t *odd, uint64_t *control)
{
    classify(bytes, odd, control, kinds_avx2);
}

const struct h1_scanner *h1_scanner_sse42(void)
{
    static const struct h1_scanner sse42 = {.name = "sse4.2", .find_end = find_end_sse42, .classify = classify_sse42};

    return __builtin_cpu_supports("sse4.2") ? &sse42 : NULL;
}

const struct h1_scanner *h1_scanner_avx2(void)
{
    static const struct h1_scanner avx2 = {.name = "avx2", .find_end = find_end_avx2, .classify = classify_avx2};

    return __builtin_cpu_supports("avx2") ? &avx2 : NULL;
}

#else

const struct h1_scanner *h1_scanner_sse42(void)
{
    return NULL;
}

const struct h1_scanner *h1_scanner_avx2(void)
{
    return NULL;
}

#endif
