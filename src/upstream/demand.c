/* demand.c: the peak of requests at once. Two windows, so that a peak is not forgotten the moment a window ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/demand.h"

#include "upstream/host.h"

/* Requests that hold a connection or wait for one of their own, over all workers. */
static uint64_t sum_once(const struct host *host)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < host->workers; i++) {
        const struct host_counts *counts = &host->counts[i];
        uint64_t dialing = atomic_load_explicit(&counts->dialing, memory_order_relaxed);
        uint64_t warming = atomic_load_explicit(&counts->warming, memory_order_relaxed);

        sum += atomic_load_explicit(&counts->active, memory_order_relaxed);
        sum += dialing > warming ? dialing - warming : 0; /* the two are read at different moments */
    }
    return sum;
}

/* One that ends in a worker already counted while another begins in the next one counts twice: hardly so in each of
 * three sums. */
static uint64_t at_once(const struct host *host)
{
    uint64_t least = sum_once(host);

    for (int i = 0; i < 2; i++)
        least = u64_min(least, sum_once(host));
    return least;
}

/* Two workers may turn the page at the same moment: one of them does. */
static void turn_page(struct demand *demand, uint64_t window)
{
    uint64_t seen = atomic_load_explicit(&demand->window, memory_order_relaxed);

    if (seen >= window || !atomic_compare_exchange_strong_explicit(&demand->window, &seen, window, memory_order_relaxed,
                                                                   memory_order_relaxed))
        return;
    atomic_store_explicit(&demand->before,
                          seen + 1 == window ? atomic_load_explicit(&demand->peak, memory_order_relaxed) : 0,
                          memory_order_relaxed);
    atomic_store_explicit(&demand->peak, 0, memory_order_relaxed);
}

static void raise_peak(struct demand *demand, uint64_t count)
{
    uint64_t peak = atomic_load_explicit(&demand->peak, memory_order_relaxed);

    while (peak < count && !atomic_compare_exchange_weak_explicit(&demand->peak, &peak, count, memory_order_relaxed,
                                                                  memory_order_relaxed))
        ;
}

void demand_miss(struct host *host, uint64_t now_ns)
{
    turn_page(&host->demand, now_ns / DEMAND_WINDOW_NS);
    raise_peak(&host->demand, at_once(host) + 1);
}

bool demand_is_exceeded(struct host *host, uint64_t now_ns)
{
    struct demand *demand = &host->demand;
    uint64_t peak, before;

    turn_page(demand, now_ns / DEMAND_WINDOW_NS);
    raise_peak(demand, at_once(host));
    peak = atomic_load_explicit(&demand->peak, memory_order_relaxed);
    before = atomic_load_explicit(&demand->before, memory_order_relaxed);
    if (peak < before)
        peak = before;
    return atomic_load_explicit(&host->open, memory_order_relaxed) > (peak * 11 + 9) / 10;
}
