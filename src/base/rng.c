/* rng.c: xoshiro256** (Blackman and Vigna, 2018), its state made from the seed by splitmix64.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include "base/assert.h"
#include "base/hash.h"

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

void rng_init(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(rng->state); i++)
        rng->state[i] = hash_mix(seed += 0x9e3779b97f4a7c15u);
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state, result = rotate(s[1] * 5, 7) * 9, shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
    uint64_t mask, number;

    ASSERT(limit > 0);
    /* Numbers of as many bits as limit - 1 has, until one is below: no division, and at most two tries on average. */
    mask = UINT64_MAX >> __builtin_clzll((limit - 1) | 1);
    do
        number = rng_next(rng) & mask;
    while (number >= limit);
    return number;
}

bool rng_chance(struct rng *rng, uint32_t per_million)
{
    return rng_below(rng, 1000000) < per_million;
}
