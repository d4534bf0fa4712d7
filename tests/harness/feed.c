/* feed.c: an input given whole, byte by byte, and cut at random places. SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

/* How long the next piece is, given what is left of the input, which is never empty. */
typedef size_t cut(size_t left);

static size_t cut_nothing(size_t left)
{
    return left;
}

static size_t cut_bytes(size_t left)
{
    (void)left;
    return 1;
}

/* Mostly short pieces, so that a cut falls inside the small things, and now and then a long one. */
static size_t cut_at_random(size_t left)
{
    struct rng *rng = test_rng();
    size_t limit = rng_chance(rng, 600000) ? size_min(left, 8) : left;

    return (size_t)rng_below(rng, limit) + 1;
}

/* An empty input is one empty piece, however it is cut. */
static void feed_pieces(const struct feeding *feeding, struct str input, struct guard *guard, cut *next_cut)
{
    bool more = true;

    if (feeding->start)
        feeding->start(feeding->arg);
    do {
        size_t len = input.len == 0 ? 0 : next_cut(input.len);

        more = feeding->feed(feeding->arg, guard_place(guard, str_first(input, len)));
        guard_wipe(guard);
        input = str_from_offset(input, len);
    } while (more && input.len > 0);
    if (feeding->end)
        feeding->end(feeding->arg);
}

void test_feed(const struct feeding *feeding, struct str input)
{
    struct guard *guard = guard_new(input.len);

    test_way_is("fed whole");
    feed_pieces(feeding, input, guard, cut_nothing);
    test_way_is("fed byte by byte");
    feed_pieces(feeding, input, guard, cut_bytes);
    for (unsigned i = 0; i < feeding->rounds; i++) {
        test_way_is("fed in random pieces, round %u", i);
        feed_pieces(feeding, input, guard, cut_at_random);
    }
    test_way_is("%s", "");
    guard_free(guard);
}
