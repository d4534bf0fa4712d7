/* word.h: eight bytes at a time, for texts too short to be worth a vector. Each test answers with a word that is 0 when
 * no byte is meant; when some are, other bits may be set as well. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_H1_WORD_H
#define HOLDFAST_HTTP_H1_WORD_H

#include "base/str.h"

static const uint64_t word_ones = UINT64_MAX / 255, word_tops = UINT64_MAX / 255 * 0x80;

static inline uint64_t word_at(const char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Bytes below `limit`, which is at most 0x80. */
static inline uint64_t word_below(uint64_t word, uint8_t limit)
{
    return (word - word_ones * limit) & ~word & word_tops;
}

static inline uint64_t word_equal(uint64_t word, uint8_t byte)
{
    return word_below(word ^ word_ones * byte, 1);
}

/* Bytes below `limit`, and DEL: neither has its top bit set, so that one mask serves both tests. */
static inline uint64_t word_below_or_del(uint64_t word, uint8_t limit)
{
    return ((word - word_ones * limit) | ((word ^ word_ones * 0x7f) - word_ones)) & ~word & word_tops;
}

/* Bytes below `limit`, DEL, and all that are not ASCII: the cheapest test, for texts in which it hardly ever finds one.
 */
static inline uint64_t word_odd(uint64_t word, uint8_t limit)
{
    return ((word - word_ones * limit) | (word + word_ones) | word) & word_tops;
}

/* One to seven bytes, some of them twice, filled up with 'x'. */
static inline uint64_t word_of_short(struct str text)
{
    char word[] = "xxxxxxxx";

    if (text.len >= 4) {
        memcpy(word, text.data, 4);
        memcpy(word + 4, text.data + text.len - 4, 4);
    } else {
        word[0] = text.data[0];
        word[1] = text.data[text.len / 2];
        word[2] = text.data[text.len - 1];
    }
    return word_at(word);
}

/* Does `test` find a byte of the text? The last word of a longer one reaches back over bytes that were seen. */
static inline __attribute__((always_inline)) bool words_find(struct str text, uint64_t (*test)(uint64_t word))
{
    uint64_t found = 0;
    size_t at = 0;

    for (; text.len - at >= 8; at += 8)
        found |= test(word_at(text.data + at));
    if (at < text.len)
        found |= test(text.len >= 8 ? word_at(text.data + text.len - 8) : word_of_short(text));
    return found != 0;
}

#endif
