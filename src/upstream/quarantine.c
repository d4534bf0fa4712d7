/* quarantine.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/quarantine.h"

static uint64_t get(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

/* Again within twice the last length, counted from its end: twice as long. */
static uint64_t next_length_ns(const struct quarantine *quarantine, const struct quarantine_rule *rule, uint64_t now_ns)
{
    uint64_t last_ns = get(&quarantine->length_ns), until_ns = get(&quarantine->until_ns);

    if (last_ns == 0 || now_ns > until_ns + 2 * last_ns)
        return u64_min(rule->first_ns, rule->most_ns);
    return last_ns < rule->most_ns / 2 ? 2 * last_ns : rule->most_ns;
}

static bool is_enough(struct quarantine *quarantine, const struct quarantine_rule *rule, uint64_t now_ns)
{
    uint64_t before_ns = atomic_exchange_explicit(&quarantine->last_idle_ns, now_ns, memory_order_relaxed);

    if (before_ns == 0 || now_ns - before_ns > QUARANTINE_WINDOW_NS)
        atomic_store_explicit(&quarantine->idle_signs, 0, memory_order_relaxed);
    return atomic_fetch_add_explicit(&quarantine->idle_signs, 1, memory_order_relaxed) + 1 >= rule->idle_signs;
}

/* During a quarantine further signs are expected: what was under way when it began. */
bool quarantine_note(struct quarantine *quarantine, const struct quarantine_rule *rule, enum stray stray,
                     uint64_t now_ns)
{
    uint64_t until_ns = get(&quarantine->until_ns), length_ns;

    atomic_fetch_add_explicit(&quarantine->strays, 1, memory_order_relaxed);
    if (stray == STRAY_IDLE && !is_enough(quarantine, rule, now_ns))
        return false;
    length_ns = next_length_ns(quarantine, rule, now_ns);
    if (rule->first_ns == 0 || until_ns > now_ns ||
        !atomic_compare_exchange_strong_explicit(&quarantine->until_ns, &until_ns, now_ns + length_ns,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    atomic_store_explicit(&quarantine->length_ns, length_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&quarantine->times, 1, memory_order_relaxed);
    return true;
}
