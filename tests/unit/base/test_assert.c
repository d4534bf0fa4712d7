/* test_assert.c: assertions, their hook, and the ones in list.h. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/list.h"
#include "harness/test.h"

#include <unistd.h>

static void assert_number_is_two(void *arg)
{
    const int *number = arg;

    ASSERT(*number == 2);
}

TEST(assert_aborts_only_when_false)
{
    int two = 2, three = 3;

    CHECK(!test_aborts(assert_number_is_two, &two));
    CHECK(test_aborts(assert_number_is_two, &three));
}

static int hook_pipe[2];

/* Fails itself, which must not call it again. */
static void failing_hook(void)
{
    CHECK_EQ(write(hook_pipe[1], "h", 1), 1);
    ASSERT(hook_pipe[0] == -2);
}

static void assert_with_hook(void *arg)
{
    (void)arg;
    assert_set_hook(failing_hook);
    ASSERT(hook_pipe[0] == -3);
}

TEST(assert_runs_its_hook_once)
{
    char bytes[8];

    CHECK_EQ(pipe(hook_pipe), 0);
    CHECK(test_aborts(assert_with_hook, NULL));
    CHECK_EQ(read(hook_pipe[0], bytes, sizeof bytes), 1);
    close(hook_pipe[0]);
    close(hook_pipe[1]);
}

struct item {
    int number;
    struct list_node node;
};

static void check_order(const struct list *list, const int *numbers, size_t count)
{
    struct list_node *node = list_first(list);

    CHECK_EQ(list->count, count);
    CHECK_EQ(list_is_empty(list), count == 0);
    for (size_t i = 0; i < count; i++, node = list_next(list, node)) {
        CHECK(node);
        CHECK_INT(container_of(node, struct item, node)->number, numbers[i]);
    }
    CHECK(!node);
}

TEST(list_keeps_its_order)
{
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    struct list list;

    list_init(&list);
    check_order(&list, NULL, 0);
    CHECK(!list_last(&list));
    CHECK(!list_pop_front(&list));
    list_push_back(&list, &items[1].node);
    list_push_back(&list, &items[2].node);
    list_push_front(&list, &items[0].node);
    CHECK(!list_holds(&items[3].node));
    list_insert_after(&list, &items[1].node, &items[3].node);
    check_order(&list, (int[]){0, 1, 3, 2}, 4);
    CHECK(list_last(&list) == &items[2].node);
    list_remove(&list, &items[3].node);
    CHECK(!list_holds(&items[3].node));
    check_order(&list, (int[]){0, 1, 2}, 3);
    CHECK(list_pop_front(&list) == &items[0].node);
    list_remove(&list, &items[2].node);
    check_order(&list, (int[]){1}, 1);
}

static void insert_twice(void *arg)
{
    struct item item = {.number = 0};
    struct list list;

    (void)arg;
    list_init(&list);
    list_push_back(&list, &item.node);
    list_push_back(&list, &item.node);
}

static void remove_twice(void *arg)
{
    struct item item = {.number = 0};
    struct list list;

    (void)arg;
    list_init(&list);
    list_push_back(&list, &item.node);
    list_remove(&list, &item.node);
    list_remove(&list, &item.node);
}

TEST(list_node_is_in_one_list_at_most)
{
    CHECK(test_aborts(insert_twice, NULL));
    CHECK(test_aborts(remove_twice, NULL));
}
