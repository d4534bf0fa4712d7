/* test_hash.c: SipHash and the generator against published numbers. SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/rng.h"
#include "harness/test.h"

static const uint64_t key0 = 0x0706050403020100, key1 = 0x0f0e0d0c0b0a0908; /* the key of the published vectors */

TEST(siphash_gives_the_published_vectors)
{
    /* Of the bytes 0, 1, 2 ...; the result in the order of its bytes. */
    static const struct {
        size_t size;
        uint8_t hash[8];
    } cases[] = {
        {0, {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72}},  {1, {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74}},
        {2, {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d}},  {3, {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85}},
        {4, {0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf}},  {5, {0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18}},
        {6, {0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb}},  {7, {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab}},
        {8, {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93}},  {9, {0xb0, 0xe4, 0xa9, 0x0b, 0xdf, 0x82, 0x00, 0x9e}},
        {15, {0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1}}, {16, {0xdb, 0x9b, 0xc2, 0x57, 0x7f, 0xcc, 0x2a, 0x3f}},
        {17, {0x94, 0x47, 0xbe, 0x2c, 0xf5, 0xe9, 0x9a, 0x69}}, {63, {0x72, 0x45, 0x06, 0xeb, 0x4c, 0x32, 0x8a, 0x95}},
    };
    char input[64];

    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (char)i;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str bytes = guard_copy(str_of(input, cases[i].size));
        uint64_t hash = 0;

        test_case_is("%zu bytes", cases[i].size);
        for (int k = 7; k >= 0; k--)
            hash = hash << 8 | cases[i].hash[k];
        CHECK_EQ(hash_siphash(bytes.data, bytes.len, key0, key1), hash);
    }
    CHECK_EQ(hash_siphash(NULL, 0, key0, key1), 0x726fdb47dd0e0e31);
}

TEST(hash_depends_on_seed_and_on_each_byte)
{
    char bytes[20] = {0};
    uint64_t hash = hash_bytes(bytes, sizeof bytes, 1);

    CHECK_EQ(hash_bytes(bytes, sizeof bytes, 1), hash);
    CHECK(hash_bytes(bytes, sizeof bytes, 2) != hash);
    CHECK(hash_bytes(bytes, sizeof bytes - 1, 1) != hash);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        CHECK(hash_bytes(bytes, sizeof bytes, 1) != hash);
        bytes[i] = 0;
    }
}

TEST(rng_gives_the_published_sequences)
{
    /* splitmix64 of 1234567, which is how a seed becomes a state, and xoshiro256** of the state 1, 2, 3, 4. */
    static const uint64_t state[4] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                      4593380528125082431u};
    static const uint64_t numbers[] = {11520,
                                       0,
                                       1509978240,
                                       1215971899390074240u,
                                       1216172134540287360u,
                                       607988272756665600u,
                                       16172922978634559625u,
                                       8476171486693032832u,
                                       10595114339597558777u,
                                       2904607092377533576u};
    struct rng rng;

    rng_init(&rng, 1234567);
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ(rng.state[i], state[i]);
    rng = (struct rng){{1, 2, 3, 4}};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        test_case_is("%zu", i);
        CHECK_EQ(rng_next(&rng), numbers[i]);
    }
}

TEST(rng_below_is_even_and_below)
{
    static const uint64_t limits[] = {1, 2, 3, 6, 7, 8, 9, 10};
    enum { ROUNDS = 20000 };
    struct rng rng;

    rng_init(&rng, 0);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        unsigned seen[10] = {0};

        test_case_is("limit %zu", (size_t)limits[i]);
        for (int k = 0; k < ROUNDS; k++) {
            uint64_t number = rng_below(&rng, limits[i]);

            CHECK(number < limits[i]);
            seen[number]++;
        }
        for (size_t k = 0; k < limits[i]; k++) /* six standard deviations, of at most 70 */
            CHECK(seen[k] > ROUNDS / limits[i] - 420 && seen[k] < ROUNDS / limits[i] + 420);
    }
    for (int k = 0; k < 100; k++) {
        CHECK(rng_below(&rng, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
        CHECK(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
    }
}

TEST(rng_chance_is_what_it_says)
{
    unsigned seen = 0;
    struct rng rng;

    rng_init(&rng, 7);
    for (int i = 0; i < 100000; i++) {
        CHECK(!rng_chance(&rng, 0));
        CHECK(rng_chance(&rng, 1000000));
        seen += rng_chance(&rng, 250000);
    }
    CHECK(seen > 24000 && seen < 26000);
}

static void ask_for_nothing(void *arg)
{
    rng_below(arg, 0);
}

TEST(rng_below_nothing_is_our_mistake)
{
    CHECK(test_aborts(ask_for_nothing, test_rng()));
}
