/* resend_budget.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/resend_budget.h"

#include "base/assert.h"

#define STAMP_BITS    24
#define REQUESTS_BITS 40
#define REQUESTS_MASK ((UINT64_C(1) << REQUESTS_BITS) - 1)

static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static uint64_t second_of(uint64_t now_ns)
{
    return now_ns / RESEND_BUDGET_NOTE_NS;
}

/* Of requests_at: it comes again after 194 days, but a slot is read for one moment only. */
static uint64_t stamp_of(uint64_t second)
{
    return (second + 1) & ((UINT64_C(1) << STAMP_BITS) - 1);
}

/* Of several workers that find a new second, one notes it. */
void resend_budget_note(struct resend_budget *budget, uint64_t requests, uint64_t now_ns)
{
    uint64_t second = second_of(now_ns), stamp = stamp_of(second);
    _Atomic uint64_t *slot = &budget->requests_at[second % RESEND_BUDGET_SLOTS];
    uint64_t seen = load(slot);

    if (seen >> REQUESTS_BITS == stamp ||
        !atomic_compare_exchange_strong_explicit(slot, &seen, stamp << REQUESTS_BITS | (requests & REQUESTS_MASK),
                                                 memory_order_relaxed, memory_order_relaxed))
        return;
    atomic_store_explicit(&budget->noted_ns, (second + 1) * RESEND_BUDGET_NOTE_NS - 1, memory_order_relaxed);
}

/* Requests since the oldest note in the window. A set of hosts may have lost some with their numbers: then there were
 * none. */
static uint64_t requests_of(const struct resend_budget *budget, uint64_t second, uint32_t window_s, uint64_t requests)
{
    for (uint64_t age = u64_min(window_s, second) + 1; age-- > 0;) {
        uint64_t seen = load(&budget->requests_at[(second - age) % RESEND_BUDGET_SLOTS]);
        uint64_t since = (requests - seen) & REQUESTS_MASK;

        if (seen >> REQUESTS_BITS == stamp_of(second - age))
            return since <= REQUESTS_MASK / 2 ? since : 0;
    }
    return 0;
}

static uint64_t spent_of(const struct resend_budget *budget, uint64_t second, uint32_t window_s)
{
    uint64_t sum = 0;

    for (uint64_t age = u64_min(window_s, second) + 1; age-- > 0;) {
        uint64_t seen = load(&budget->spent_in[(second - age) % RESEND_BUDGET_SLOTS]);

        if (seen >> 32 == ((second - age + 1) & UINT32_MAX))
            sum += seen & UINT32_MAX;
    }
    return sum;
}

bool resend_budget_allows(const struct resend_budget *budget, const struct resend_budget_rule *rule, uint64_t requests,
                          uint64_t now_ns)
{
    uint64_t second = second_of(now_ns), spent, always = (uint64_t)rule->per_second * rule->window_s;

    ASSERT(rule->window_s <= RESEND_BUDGET_WINDOW_MAX_S);
    if (rule->window_s == 0 || rule->percent >= 100)
        return true;
    spent = spent_of(budget, second, rule->window_s);
    return spent < always || spent < requests_of(budget, second, rule->window_s, requests) * rule->percent / 100;
}

void resend_budget_spend(struct resend_budget *budget, uint64_t now_ns)
{
    uint64_t second = second_of(now_ns), stamp = (second + 1) & UINT32_MAX, next;
    _Atomic uint64_t *slot = &budget->spent_in[second % RESEND_BUDGET_SLOTS];
    uint64_t seen = load(slot);

    do {
        next = seen >> 32 == stamp ? seen + 1 : stamp << 32 | 1;
    } while (!atomic_compare_exchange_weak_explicit(slot, &seen, next, memory_order_relaxed, memory_order_relaxed));
    atomic_fetch_add_explicit(&budget->spent, 1, memory_order_relaxed);
}

bool resend_budget_take(struct resend_budget *budget, const struct resend_budget_rule *rule, uint64_t requests,
                        uint64_t now_ns)
{
    if (!resend_budget_allows(budget, rule, requests, now_ns))
        return false;
    resend_budget_spend(budget, now_ns);
    return true;
}
