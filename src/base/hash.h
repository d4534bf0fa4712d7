/* hash.h: SipHash-2-4 for tables that peers can fill; a fast mix for our own numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_HASH_H
#define HOLDFAST_BASE_HASH_H

#include "base/str.h"

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed); /* SipHash-2-4, key made of seed */

/* The same with the whole key, its bytes 0 to 7 and 8 to 15 read as little-endian numbers. */
uint64_t hash_siphash(const void *data, size_t size, uint64_t key0, uint64_t key1);

static inline uint64_t hash_mix(uint64_t x) /* a bijection that spreads bits (splitmix64's finaliser) */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#endif
