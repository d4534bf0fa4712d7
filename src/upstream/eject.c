/* eject.c: see the header. Start with eject_failed. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/eject.h"

#include "base/assert.h"

#define PROBED UINT64_C(1)

static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void store(_Atomic uint64_t *number, uint64_t value)
{
    atomic_store_explicit(number, value, memory_order_relaxed);
}

bool eject_is_due(const struct health *health, uint64_t now_ns)
{
    uint64_t until_ns = load(&health->rest_until_ns);

    return until_ns != 0 && until_ns <= now_ns;
}

/* Of all who find the rest over, one wins. */
bool eject_take_probe(struct health *health, uint64_t probe_ns, uint64_t now_ns)
{
    uint64_t until_ns = load(&health->rest_until_ns);

    return until_ns != 0 && until_ns <= now_ns &&
           atomic_compare_exchange_strong_explicit(&health->rest_until_ns, &until_ns, (now_ns + probe_ns) | PROBED,
                                                   memory_order_relaxed, memory_order_relaxed);
}

void eject_answered(struct health *health, uint64_t started_ns, uint64_t now_ns)
{
    /* Most often both are zero already, and the cache line stays shared between the workers. */
    if (atomic_load_explicit(&health->failures, memory_order_relaxed) != 0)
        atomic_store_explicit(&health->failures, 0, memory_order_relaxed);
    if (eject_is_in_use(health) || started_ns < load(&health->rest_began_ns))
        return;
    store(&health->rest_ended_ns, now_ns);
    store(&health->rest_until_ns, 0);
}

static uint64_t rest_ns(const struct eject_rule *rule, uint32_t rests_in_row)
{
    uint64_t ns = rule->first_ns;

    for (uint32_t i = 0; i < rests_in_row && ns > 0 && ns < rule->most_ns; i++)
        ns *= 2;
    return u64_min(ns, rule->most_ns);
}

/* Rests from now on, unless another worker has just said so. */
static bool begin_rest(struct health *health, const struct eject_rule *rule, uint64_t before, uint32_t rests_in_row,
                       uint64_t now_ns)
{
    uint64_t until_ns = (now_ns + rest_ns(rule, rests_in_row)) & ~PROBED;

    if (!atomic_compare_exchange_strong_explicit(&health->rest_until_ns, &before, until_ns, memory_order_relaxed,
                                                 memory_order_relaxed))
        return false;
    store(&health->rest_began_ns, now_ns);
    atomic_store_explicit(&health->rests_in_row, rests_in_row + 1, memory_order_relaxed);
    atomic_store_explicit(&health->failures, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&health->ejections, 1, memory_order_relaxed);
    return true;
}

static bool fail_in_use(struct health *health, const struct eject_rule *rule, uint32_t eject_after, uint64_t now_ns)
{
    uint32_t rests_in_row = atomic_load_explicit(&health->rests_in_row, memory_order_relaxed);

    if (atomic_fetch_add_explicit(&health->failures, 1, memory_order_relaxed) + 1 < eject_after)
        return false;
    if (now_ns > load(&health->rest_ended_ns) + rule->most_ns)
        rests_in_row = 0;
    return begin_rest(health, rule, 0, rests_in_row, now_ns);
}

bool eject_failed(struct health *health, const struct eject_rule *rule, uint32_t eject_after, uint64_t now_ns)
{
    uint64_t until_ns = load(&health->rest_until_ns);

    if (eject_after == 0)
        return false;
    if (until_ns == 0)
        return fail_in_use(health, rule, eject_after, now_ns);
    /* In a rest only the probe tells something new; what else fails was begun before, or when all hosts rested. */
    if (!(until_ns & PROBED))
        return false;
    return begin_rest(health, rule, until_ns, atomic_load_explicit(&health->rests_in_row, memory_order_relaxed),
                      now_ns);
}

enum health_state eject_state(const struct health *health)
{
    uint64_t until_ns = load(&health->rest_until_ns);

    if (until_ns == 0)
        return HEALTH_IN_USE;
    return until_ns & PROBED ? HEALTH_PROBED : HEALTH_RESTING;
}

const char *health_state_name(enum health_state state)
{
    static const char *const names[] = {"in_use", "resting", "probed"};

    ASSERT(state < HEALTH_STATES);
    return names[state];
}
