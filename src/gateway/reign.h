/* reign.h: how a worker changes from one generation to the next while it serves. A reign is a worker's part of a
 * generation: what began in it ends in it, and the last exchange of one that is over gives the generation back. The
 * count is the worker's own: no exchange touches a number of other workers. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_REIGN_H
#define HOLDFAST_GATEWAY_REIGN_H

#include "gateway/generation.h"

#include <stdatomic.h>
#include <stdlib.h>

struct reign {
    struct generation *generation; /* held */
    uint64_t exchanges;
    bool over;
};

/* NULL: no memory. Any thread. */
static inline struct reign *reign_new(struct generation *generation)
{
    struct reign *reign = calloc(1, sizeof(*reign));

    if (reign)
        reign->generation = generation_hold(generation);
    return reign;
}

/* Nobody may be in it. NULL is fine. */
static inline void reign_free(struct reign *reign)
{
    if (!reign)
        return;
    generation_release(reign->generation);
    free(reign);
}

static inline void reign_enter(struct reign *reign)
{
    reign->exchanges++;
}

static inline void reign_leave(struct reign *reign)
{
    if (--reign->exchanges == 0 && UNLIKELY(reign->over))
        reign_free(reign);
}

/* Another one follows. */
static inline void reign_end(struct reign *reign)
{
    reign->over = true;
    if (reign->exchanges == 0)
        reign_free(reign);
}

/* A worker's answers of one endpoint. Nearly all are 200, which is counted in place: four endpoints share a cache line,
 * where a table of all statuses for each was a line and a page of its own for each. */
struct endpoint_counts {
    _Atomic uint64_t ok;                /* 200 */
    _Atomic(_Atomic uint64_t *) others; /* by status, made for the first; NULL: none. 200 is not counted there */
};

/* Those of all endpoints, by endpoint->slot. */
struct status_table {
    _Alignas(16) uint32_t room;
    struct endpoint_counts counts[];
};

/* NULL: no memory. */
static inline struct status_table *status_table_new(uint32_t room)
{
    struct status_table *table = calloc(1, sizeof(*table) + room * sizeof(table->counts[0]));

    if (table)
        table->room = room;
    return table;
}

/* `all`: with the numbers that others do not have too. NULL is fine. */
static inline void status_table_free(struct status_table *table, bool all)
{
    for (uint32_t i = 0; table && all && i < table->room; i++)
        free(atomic_load_explicit(&table->counts[i].others, memory_order_relaxed));
    free(table);
}

#endif
