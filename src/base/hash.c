/* hash.c: SipHash-2-4 (Aumasson and Bernstein, 2012): two rounds for each eight bytes, four at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <endian.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static void absorb(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

/* The last 0 to 7 bytes and, on top, the low byte of the size. */
static uint64_t last_word(const uint8_t *bytes, size_t count, size_t size)
{
    uint64_t word = (uint64_t)size << 56;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t hash_siphash(const void *data, size_t size, uint64_t key0, uint64_t key1)
{
    struct sip s = {key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du, key0 ^ 0x6c7967656e657261u,
                    key1 ^ 0x7465646279746573u};
    const uint8_t *bytes = data;
    size_t at = 0;

    for (; size - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, bytes + at, 8);
        absorb(&s, le64toh(word));
    }
    absorb(&s, last_word(size > at ? bytes + at : NULL, size - at, size));
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return hash_siphash(data, size, seed, hash_mix(seed + 0x9e3779b97f4a7c15u));
}
