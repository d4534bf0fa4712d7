/* dial_gate.c: slots and queues. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dial_gate.h"

#include "base/assert.h"
#include "base/slots.h"

#include <stdlib.h>

struct dial_gate {
    struct loop *loop;
    uint64_t waiters;    /* in all queues: most often none, and no queue need be looked at */
    struct slots queues; /* struct list, by host->index; each made when somebody first waits */
};

struct dial_gate *gate_new(struct loop *loop)
{
    struct dial_gate *gate = calloc(1, sizeof(*gate));

    if (gate)
        gate->loop = loop;
    return gate;
}

void gate_free(struct dial_gate *gate)
{
    if (!gate)
        return;
    for (uint32_t i = 0; i < gate->queues.count; i++) {
        struct list *queue = slots_at(&gate->queues, i);

        ASSERT(!queue || list_is_empty(queue));
        free(queue);
    }
    slots_clear(&gate->queues);
    free(gate);
}

/* NULL: nobody waits there, or ever has. */
static struct list *queue_of(const struct dial_gate *gate, const struct host *host)
{
    return gate->waiters > 0 ? slots_at(&gate->queues, host->index) : NULL;
}

bool gate_enter(struct host *host, int64_t cap)
{
    uint32_t before = atomic_fetch_add_explicit(&host->open, 1, memory_order_relaxed);

    if (cap <= 0 || (int64_t)before < cap) {
        atomic_fetch_add_explicit(&host->place->open, 1, memory_order_relaxed);
        return true;
    }
    atomic_fetch_sub_explicit(&host->open, 1, memory_order_relaxed);
    return false;
}

void gate_leave(struct dial_gate *gate, struct host *host)
{
    ASSERT(atomic_load_explicit(&host->open, memory_order_relaxed) > 0);
    atomic_fetch_sub_explicit(&host->place->open, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&host->open, 1, memory_order_relaxed);
    gate_wake(gate, host);
}

bool gate_wait(struct dial_gate *gate, struct host *host, struct gate_waiter *waiter)
{
    void **place = slots_place(&gate->queues, host->index);
    struct list *queue;

    if (!place)
        return false;
    queue = *place;
    if (!queue) {
        *place = queue = malloc(sizeof(*queue));
        if (!queue)
            return false;
        list_init(queue);
    }
    list_push_back(queue, &waiter->node);
    gate->waiters++;
    return true;
}

void gate_quit(struct dial_gate *gate, struct host *host, struct gate_waiter *waiter)
{
    list_remove(queue_of(gate, host), &waiter->node);
    gate->waiters--;
    gate_wake(gate, host);
}

bool gate_is_turn(const struct dial_gate *gate, const struct host *host, const struct gate_waiter *waiter)
{
    const struct list *queue = queue_of(gate, host);

    return !queue || list_is_empty(queue) || list_first(queue) == &waiter->node;
}

bool gate_is_waited_for(const struct dial_gate *gate, const struct host *host)
{
    const struct list *queue = queue_of(gate, host);

    return queue && !list_is_empty(queue);
}

void gate_wake(struct dial_gate *gate, const struct host *host)
{
    const struct list *queue = queue_of(gate, host);
    struct list_node *first = queue ? list_first(queue) : NULL;

    if (first)
        task_wake(gate->loop, container_of(first, struct gate_waiter, node)->task);
}

void gate_wake_all(struct dial_gate *gate, const struct host *host)
{
    const struct list *queue = queue_of(gate, host);

    for (struct list_node *node = queue ? list_first(queue) : NULL; node; node = list_next(queue, node))
        task_wake(gate->loop, container_of(node, struct gate_waiter, node)->task);
}
