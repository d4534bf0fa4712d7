/* target_bytes.h: the bytes of a request's target, whichever version it came in. Browsers send more than RFC 3986
 * grants unescaped (braces, bars), some clients UTF-8 as it is, and KrakenD takes both; what no target can have is
 * refused. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_HTTP_TARGET_BYTES_H
#define HOLDFAST_HTTP_TARGET_BYTES_H

#include "base/arena.h"
#include "http/h1/word.h"

/* Anything but visible ASCII, and the fragment mark: it belongs to no target, and filters on suffixes are fooled by it.
 */
static inline uint64_t target_odd_bytes(uint64_t word)
{
    return (word & word_tops) | word_below_or_del(word, ' ' + 1) | word_equal(word, '#');
}

/* Nothing in it is to be refused or escaped. */
static inline bool target_is_plain(struct str target)
{
    return !words_find(target, target_odd_bytes);
}

/* White space, control characters, a fragment mark. */
bool target_has_bad_bytes(struct str target);

/* Bytes above 0x7f are escaped from here on, as they should have been. False: no room. */
bool target_escape(struct arena *arena, struct str *path) MUST_USE;

#endif
