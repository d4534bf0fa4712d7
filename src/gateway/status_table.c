/* status_table.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/status_table.h"

#include "base/assert.h"
#include "base/compiler.h"
#include "upstream/host.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Nearly all answers are 200, which is counted in place: four endpoints share a cache line, where a table of all
 * statuses for each was a line and a page of its own for each. */
struct endpoint_counts {
    _Atomic uint64_t ok;                /* 200 */
    _Atomic(_Atomic uint64_t *) others; /* by status, made for the first; NULL: none. 200 is not counted there */
};

struct status_table {
    _Alignas(16) uint32_t room;
    struct endpoint_counts counts[];
};

struct status_table *status_table_new(uint32_t room)
{
    struct status_table *table = calloc(1, sizeof(*table) + room * sizeof(table->counts[0]));

    if (table)
        table->room = room;
    return table;
}

void status_table_free(struct status_table *table, bool all)
{
    for (uint32_t i = 0; table && all && i < table->room; i++)
        free(atomic_load_explicit(&table->counts[i].others, memory_order_relaxed));
    free(table);
}

static void take_counts(const struct endpoint_counts *from, struct endpoint_counts *to)
{
    atomic_init(&to->ok, atomic_load_explicit(&from->ok, memory_order_relaxed));
    atomic_init(&to->others, atomic_load_explicit(&from->others, memory_order_relaxed));
}

void status_table_succeed(const struct status_table *before, struct status_table *next)
{
    ASSERT(next->room >= before->room);
    for (uint32_t i = 0; i < before->room; i++)
        take_counts(&before->counts[i], &next->counts[i]);
}

/* The admin page may read them from another thread as soon as they are there. NULL: no memory. */
static _Atomic uint64_t *other_statuses(struct endpoint_counts *counts)
{
    _Atomic uint64_t *others = atomic_load_explicit(&counts->others, memory_order_relaxed);

    if (!others) {
        others = calloc(STATUS_SLOTS, sizeof(*others));
        atomic_store_explicit(&counts->others, others, memory_order_release);
    }
    return others;
}

static void count_other(struct endpoint_counts *counts, uint16_t status)
{
    _Atomic uint64_t *others = other_statuses(counts);

    if (others && status < STATUS_SLOTS)
        host_count_add(&others[status], 1);
}

void status_table_count(struct status_table *table, uint32_t slot, uint16_t status)
{
    if (LIKELY(status == 200))
        host_count_add(&table->counts[slot].ok, 1);
    else
        count_other(&table->counts[slot], status);
}

void status_table_add(const struct status_table *table, uint32_t slot, uint64_t sums[STATUS_SLOTS])
{
    const _Atomic uint64_t *others;

    if (slot >= table->room)
        return;
    others = atomic_load_explicit(&table->counts[slot].others, memory_order_acquire);
    sums[200] += atomic_load_explicit(&table->counts[slot].ok, memory_order_relaxed);
    for (unsigned status = 0; others && status < STATUS_SLOTS; status++)
        sums[status] += atomic_load_explicit(&others[status], memory_order_relaxed);
}
