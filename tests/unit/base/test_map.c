/* test_map.c: the hash map against a plain table. SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "base/text.h"
#include "harness/test.h"

static size_t count(const struct map *map)
{
    size_t visited = 0, at = 0;
    struct str key;
    void *value;

    while (map_next(map, &at, &key, &value))
        visited++;
    return visited;
}

TEST(map_finds_what_was_put)
{
    struct map *map = map_new(1);
    int one, two;
    struct str key;
    void *value;
    size_t at = 0;

    CHECK(!map_get(map, STR("a")));
    CHECK(!map_take(map, STR("a")));
    CHECK(!map_next(map, &at, &key, &value));
    CHECK(map_put(map, STR("a"), &one));
    CHECK(map_put(map, STR_EMPTY, &two));
    CHECK_EQ(count(map), 2);
    CHECK(map_get(map, guard_copy(STR("a"))) == &one);
    CHECK(map_get(map, STR("")) == &two);
    CHECK(!map_get(map, STR("A")));
    CHECK(!map_get(map, STR("a\0")));
    CHECK(map_take(map, STR("")) == &two);
    CHECK(!map_get(map, STR("")));
    CHECK_EQ(count(map), 1);
    map_free(map);
    map_free(NULL);
}

TEST(map_put_again_replaces_value_and_key)
{
    struct map *map = map_new(1);
    struct str old_key = arena_copy(test_arena(), STR("key")), new_key = arena_copy(test_arena(), STR("key")), key;
    int one, two;
    void *value;
    size_t at = 0;

    CHECK(map_put(map, old_key, &one));
    CHECK(map_put(map, new_key, &two));
    CHECK_EQ(count(map), 1);
    CHECK(map_next(map, &at, &key, &value));
    CHECK(key.data == new_key.data);
    CHECK(value == &two);
    CHECK(!map_next(map, &at, &key, &value));
    map_free(map);
}

enum { KEYS = 700 };

/* The same, without hashing: values[i] is what key i should have. */
struct model {
    struct str keys[KEYS];
    char *values[KEYS];
    size_t count;
};

static void check_map(const struct map *map, const struct model *model)
{
    size_t visited = 0, at = 0;
    struct str key;
    void *value;

    for (size_t i = 0; i < KEYS; i++)
        CHECK(map_get(map, model->keys[i]) == model->values[i]);
    while (map_next(map, &at, &key, &value)) {
        uint64_t i;

        CHECK(text_to_u64(str_from_offset(key, 4), &i));
        CHECK(value == model->values[i]);
        visited++;
    }
    CHECK_EQ(visited, model->count);
}

TEST(map_agrees_with_a_plain_table)
{
    static char values[100];
    static struct model model;
    struct arena *arena = test_arena();
    struct rng *rng = test_rng();
    struct map *map = map_new(rng_next(rng));

    for (size_t i = 0; i < KEYS; i++)
        model.keys[i] = arena_format(arena, "key-%zu", i);
    for (int step = 0; step < 40000; step++) {
        size_t i = (size_t)rng_below(rng, KEYS);
        bool grows = step % 10000 < 5000; /* Fills, then empties again. */

        test_case_is("step %d", step);
        if (rng_chance(rng, grows ? 700000 : 200000)) {
            char *value = values + rng_below(rng, sizeof values);

            CHECK(map_put(map, model.keys[i], value));
            model.count += model.values[i] == NULL;
            model.values[i] = value;
        } else {
            CHECK(map_take(map, model.keys[i]) == model.values[i]);
            model.count -= model.values[i] != NULL;
            model.values[i] = NULL;
        }
        if (step % 500 == 0)
            check_map(map, &model);
    }
    check_map(map, &model);
    map_free(map);
}

static void use_a_map(void *arg)
{
    const struct str *keys = arg;
    struct map *map = map_new(3);
    size_t put = 0;
    int value;

    if (!map)
        return;
    for (size_t i = 0; i < 100; i++) {
        bool did = map_put(map, keys[i], &value);

        put += did;
        CHECK_EQ(count(map), put);
        CHECK_EQ(map_get(map, keys[i]) != NULL, did);
    }
    CHECK(put >= 99);
    map_free(map);
}

TEST(map_survives_failing_allocations)
{
    struct str keys[100];

    for (size_t i = 0; i < COUNT_OF(keys); i++)
        keys[i] = arena_format(test_arena(), "%zu", i);
    test_every_allocation_fails(use_a_map, keys);
}

static void put_nothing(void *arg)
{
    CHECK(map_put(arg, STR("a"), NULL));
}

TEST(map_value_is_something)
{
    struct map *map = map_new(1);

    CHECK(test_aborts(put_nothing, map));
    map_free(map);
}
