/* test_ring.c: a list that is one pointer. SPDX-License-Identifier: Apache-2.0 */
#include "base/ring.h"
#include "harness/test.h"

enum { NODES = 4 };

/* The nodes of the ring by number, in order. */
static void check_order(const struct ring *ring, const struct list_node nodes[NODES], const char *order)
{
    const struct list_node *node = ring_first(ring);

    test_case_is("%s", order);
    for (const char *at = order; *at; at++) {
        CHECK(node == &nodes[*at - '0']);
        CHECK(list_holds(node));
        node = ring_next(ring, node);
    }
    CHECK(!node);
    CHECK_EQ(ring_count(ring), strlen(order));
    CHECK_INT(ring_is_empty(ring), *order == '\0');
}

TEST(nodes_come_and_go_in_order)
{
    struct list_node nodes[NODES] = {0};
    struct ring ring = {0};

    check_order(&ring, nodes, "");
    for (int i = 0; i < NODES; i++)
        ring_push_back(&ring, &nodes[i]);
    check_order(&ring, nodes, "0123");
    ring_remove(&ring, &nodes[0]);
    check_order(&ring, nodes, "123");
    CHECK(!list_holds(&nodes[0]));
    ring_remove(&ring, &nodes[2]);
    check_order(&ring, nodes, "13");
    ring_push_back(&ring, &nodes[0]);
    check_order(&ring, nodes, "130");
    ring_remove(&ring, &nodes[0]);
    ring_remove(&ring, &nodes[3]);
    check_order(&ring, nodes, "1");
    ring_remove(&ring, &nodes[1]);
    check_order(&ring, nodes, "");
    ring_push_back(&ring, &nodes[3]);
    check_order(&ring, nodes, "3");
}
