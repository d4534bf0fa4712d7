/* test_chain_walk.c: random walks over three chains that give each other bytes, beside a model that copies everything.
 * Now and then an allocation fails. SPDX-License-Identifier: Apache-2.0 */
#include "base/chain.h"
#include "harness/test.h"

enum { CHAINS = 3, SIZE_MAX_MODEL = 300000, SOURCE_BYTES = 1 << 18, STEPS = 6000 };

struct model {
    char *bytes;
    size_t size;
};

struct walk {
    struct block_pool *pool;
    struct chain chains[CHAINS];
    struct model models[CHAINS];
    char *source; /* where new bytes and borrowed ones come from */
    struct rng *rng;
};

static size_t below(struct walk *walk, size_t limit)
{
    return (size_t)rng_below(walk->rng, limit);
}

/* Often small, sometimes around the sizes that matter, seldom large. */
static size_t some_size(struct walk *walk)
{
    static const size_t edges[] = {1, 256, 257, BLOCK_SMALL_BYTES, BLOCK_SMALL_BYTES + 1, BLOCK_LARGE_BYTES, 70000};

    switch (below(walk, 4)) {
    case 0:
        return edges[below(walk, COUNT_OF(edges))];
    case 1:
        return below(walk, 100000);
    default:
        return below(walk, 600);
    }
}

static void check_against_model(const struct walk *walk, size_t which)
{
    const struct chain *chain = &walk->chains[which];
    const struct model *model = &walk->models[which];
    struct iovec parts[4096];
    int count = chain_parts(chain, parts, COUNT_OF(parts));
    size_t at = 0;

    CHECK_EQ(chain->size, model->size);
    for (int i = 0; i < count; i++) {
        CHECK(parts[i].iov_len > 0);
        CHECK(at + parts[i].iov_len <= model->size);
        CHECK_EQ(memcmp(parts[i].iov_base, model->bytes + at, parts[i].iov_len), 0);
        at += parts[i].iov_len;
    }
    CHECK(count == COUNT_OF(parts) || at == model->size);
}

static void model_add(struct model *model, const char *bytes, size_t len)
{
    CHECK(model->size + len <= SIZE_MAX_MODEL);
    memcpy(model->bytes + model->size, bytes, len);
    model->size += len;
}

static void model_drop(struct model *model, size_t len)
{
    model->size -= len;
    memmove(model->bytes, model->bytes + len, model->size);
}

static struct str some_bytes(struct walk *walk, const struct model *model)
{
    size_t len = size_min(some_size(walk), SIZE_MAX_MODEL - model->size);

    return str_of(walk->source + below(walk, SOURCE_BYTES - len), len);
}

static void step_append(struct walk *walk, size_t which, bool borrows)
{
    struct model *model = &walk->models[which];
    struct str bytes = some_bytes(walk, model);

    if ((borrows ? chain_append_borrowed : chain_append)(&walk->chains[which], walk->pool, bytes))
        model_add(model, bytes.data, bytes.len);
}

static void step_receive(struct walk *walk, size_t which)
{
    struct model *model = &walk->models[which];
    struct chain *chain = &walk->chains[which];
    struct iovec parts[3];
    int count = chain_reserve(chain, walk->pool, some_size(walk), some_size(walk), parts, (int)below(walk, 3) + 1);
    size_t offered = 0, left, size;

    for (int i = 0; i < count; i++) {
        memset(parts[i].iov_base, 0xee, parts[i].iov_len); /* All of the room is ours. */
        offered += parts[i].iov_len;
    }
    size = left = size_min(below(walk, offered + 1), SIZE_MAX_MODEL - model->size);
    for (int i = 0; i < count; i++) {
        size_t len = size_min(left, parts[i].iov_len);

        memcpy(parts[i].iov_base, walk->source + i, len);
        model_add(model, walk->source + i, len);
        left -= len;
    }
    chain_commit(chain, size);
}

static void step_move(struct walk *walk, size_t from)
{
    size_t to = (from + 1 + below(walk, CHAINS - 1)) % CHAINS;
    struct model *source = &walk->models[from], *target = &walk->models[to];
    size_t size = size_min(some_size(walk), SIZE_MAX_MODEL - target->size);
    size_t moved = chain_move(&walk->chains[to], &walk->chains[from], size);

    CHECK(moved <= size_min(size, source->size));
    model_add(target, source->bytes, moved);
    model_drop(source, moved);
    check_against_model(walk, to);
}

static void step_drop(struct walk *walk, size_t which)
{
    size_t size = size_min(some_size(walk), walk->models[which].size);

    chain_drop(&walk->chains[which], size);
    model_drop(&walk->models[which], size);
}

static void step_pull(struct walk *walk, size_t which)
{
    size_t size = some_size(walk);
    struct str piece = chain_pull(&walk->chains[which], walk->pool, size);

    if (size > walk->models[which].size)
        CHECK(!piece.data);
    else if (piece.data)
        CHECK_STR(piece, str_of(walk->models[which].bytes, size));
}

/* Returns the chain that was changed. */
static size_t step(struct walk *walk)
{
    size_t which = below(walk, CHAINS);

    switch (below(walk, 9)) {
    case 0:
        step_append(walk, which, false);
        break;
    case 1:
        step_append(walk, which, true);
        break;
    case 2:
        step_receive(walk, which);
        break;
    case 3:
    case 4:
        step_move(walk, which);
        break;
    case 5:
        step_pull(walk, which);
        break;
    case 6:
        chain_compact(&walk->chains[which], walk->pool);
        break;
    case 7:
        step_drop(walk, which);
        break;
    case 8:
        if (below(walk, 8) == 0) {
            chain_clear(&walk->chains[which]);
            walk->models[which].size = 0;
        }
        break;
    }
    return which;
}

static void walk_about(bool allocations_fail)
{
    struct arena *arena = test_arena();
    struct walk walk = {.pool = block_pool_new(), .rng = test_rng()};

    walk.source = arena_alloc(arena, SOURCE_BYTES, 1);
    for (size_t i = 0; i < SOURCE_BYTES; i++)
        walk.source[i] = (char)rng_next(walk.rng);
    for (size_t i = 0; i < CHAINS; i++)
        walk.models[i].bytes = arena_alloc(arena, SIZE_MAX_MODEL, 1);
    for (int i = 0; i < STEPS; i++) {
        test_case_is("step %d", i);
        if (allocations_fail)
            test_fail_allocation(below(&walk, 3));
        check_against_model(&walk, step(&walk));
    }
    test_fail_allocation(0);
    for (size_t i = 0; i < CHAINS; i++) {
        check_against_model(&walk, i);
        chain_clear(&walk.chains[i]);
    }
    CHECK_EQ(block_pool_out(walk.pool), 0);
    CHECK_EQ(block_pool_bytes(walk.pool), 0);
    block_pool_free(walk.pool);
}

TEST(chains_keep_their_bytes_on_random_walks)
{
    walk_about(false);
}

TEST(chains_keep_their_bytes_when_memory_is_short)
{
    walk_about(true);
}
