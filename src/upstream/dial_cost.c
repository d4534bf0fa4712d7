/* dial_cost.c: a mean that forgets. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/dial_cost.h"

#include "base/compiler.h"

enum { WEIGHT = 4 };
#define NOTED_MAX_NS (4 * DIAL_PATIENCE_MAX_NS) /* a lost packet costs a second, and says nothing of the next dial */

void dial_cost_note(struct dial_cost *cost, uint64_t took_ns)
{
    uint64_t mean_ns = atomic_load_explicit(&cost->mean_ns, memory_order_relaxed);

    took_ns = u64_min(took_ns > 0 ? took_ns : 1, NOTED_MAX_NS);
    mean_ns = mean_ns == 0 ? took_ns : mean_ns - mean_ns / WEIGHT + took_ns / WEIGHT;
    atomic_store_explicit(&cost->mean_ns, mean_ns, memory_order_relaxed);
}

uint64_t dial_cost_patience_ns(const struct dial_cost *cost)
{
    uint64_t mean_ns = atomic_load_explicit(&cost->mean_ns, memory_order_relaxed);

    return mean_ns < DIAL_PATIENCE_MIN_NS ? DIAL_PATIENCE_MIN_NS : u64_min(mean_ns, DIAL_PATIENCE_MAX_NS);
}

uint64_t dial_cost_delay_ns(const struct dial_cost *cost)
{
    return u64_min(DIAL_DELAY_DIALS * atomic_load_explicit(&cost->mean_ns, memory_order_relaxed), DIAL_DELAY_MAX_NS);
}
