/* rng.h: seeded generator for choices that need speed and replay, not secrecy. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_BASE_RNG_H
#define HOLDFAST_BASE_RNG_H

#include "base/compiler.h"

struct rng {
    uint64_t state[4]; /* xoshiro256** */
};

void rng_init(struct rng *rng, uint64_t seed);          /* any seed is fine */
uint64_t rng_next(struct rng *rng);                     /* 64 even bits */
uint64_t rng_below(struct rng *rng, uint64_t limit);    /* even in [0, limit); limit is not 0 */
bool rng_chance(struct rng *rng, uint32_t per_million); /* true with that probability */

#endif
