/* dwell.c: log-linear histograms. Start with dwell_note. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dwell.h"

#include "base/assert.h"

#include <stdlib.h>

enum { STEP_BITS = 5 };

static uint64_t clamp(uint64_t value)
{
    uint64_t most = (UINT64_C(1) << (DWELL_FIRST + DWELL_DOUBLINGS)) - 1;

    if (value < DWELL_ONE)
        return DWELL_ONE;
    return value < most ? value : most;
}

/* The top bits: which doubling, and which step of it. */
static unsigned bucket_of(uint64_t value)
{
    unsigned top = 63u - (unsigned)__builtin_clzll(value);

    ASSERT(top >= DWELL_FIRST);
    ASSERT(top < DWELL_FIRST + DWELL_DOUBLINGS);
    return (top - DWELL_FIRST) * DWELL_STEPS + (unsigned)((value >> (top - STEP_BITS)) & (DWELL_STEPS - 1));
}

/* The least value of a bucket; of DWELL_BUCKETS: past all. */
static uint64_t edge_of(unsigned bucket)
{
    unsigned top = DWELL_FIRST + bucket / DWELL_STEPS;

    return (UINT64_C(1) << top) + ((uint64_t)(bucket % DWELL_STEPS) << (top - STEP_BITS));
}

static void add(_Atomic uint64_t *number, uint64_t change)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + change, memory_order_relaxed);
}

static _Atomic uint64_t *find_or_make(_Atomic(_Atomic uint64_t *) *place)
{
    _Atomic uint64_t *steps = atomic_load_explicit(place, memory_order_relaxed);

    if (steps)
        return steps;
    steps = calloc(DWELL_STEPS, sizeof(*steps));
    atomic_store_explicit(place, steps, memory_order_release);
    return steps;
}

static _Atomic uint64_t *steps_of(struct dwell *dwell, enum dwell_kind kind, unsigned doubling)
{
    struct dwell_row *row = &dwell->rows[kind];

    if (row->doubling != doubling || UNLIKELY(!row->steps)) {
        row->steps = find_or_make(&dwell->steps[kind][doubling]);
        row->doubling = doubling;
    }
    return row->steps;
}

void dwell_note(struct dwell *dwell, enum dwell_kind kind, uint64_t value)
{
    unsigned bucket = bucket_of(clamp(value));
    _Atomic uint64_t *steps = steps_of(dwell, kind, bucket / DWELL_STEPS);

    if (!steps)
        return;
    add(&dwell->rows[kind].sum, value);
    add(&steps[bucket % DWELL_STEPS], 1);
}

void dwell_free(struct dwell *dwell)
{
    if (!dwell)
        return;
    for (int kind = 0; kind < DWELL_KINDS; kind++)
        for (unsigned i = 0; i < DWELL_DOUBLINGS; i++)
            free(atomic_load_explicit(&dwell->steps[kind][i], memory_order_relaxed));
}

void dwell_add(const struct dwell *dwell, enum dwell_kind kind, struct dwell_view *view)
{
    if (!dwell)
        return;
    view->sum += atomic_load_explicit(&dwell->rows[kind].sum, memory_order_relaxed);
    for (unsigned i = 0; i < DWELL_BUCKETS; i++) {
        const _Atomic uint64_t *steps =
            atomic_load_explicit(&dwell->steps[kind][i / DWELL_STEPS], memory_order_acquire);
        uint64_t count = steps ? atomic_load_explicit(&steps[i % DWELL_STEPS], memory_order_relaxed) : 0;

        view->buckets[i] += count;
        view->count += count;
    }
}

uint64_t dwell_quantile(const struct dwell_view *view, double share)
{
    uint64_t seen = 0;

    for (unsigned i = 0; view->count > 0 && i < DWELL_BUCKETS; i++) {
        seen += view->buckets[i];
        if (view->buckets[i] > 0 && (double)seen >= share * (double)view->count)
            return edge_of(i) + (edge_of(i + 1) - edge_of(i)) / 2;
    }
    return 0;
}

uint64_t dwell_up_to(const struct dwell_view *view, uint64_t value)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < DWELL_BUCKETS && edge_of(i + 1) - 1 <= value; i++)
        count += view->buckets[i];
    return count;
}
