/* idle_samples.c: logarithmic buckets and one worker's counts in them. Start with idle_table_survived.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/idle_samples.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct idle_table) <= 1228, "at most 1.2 KiB for each host and worker");

/* The bits of positive floats are ordered as their values, and nearly linear in their logarithm. */
#define BITS_100US 0x47c35000u /* 1e5f */
#define BITS_2H    0x54d18c2eu /* 7.2e12f */
#define BITS_10US  0x461c4000u /* 1e4f */
#define BITS_16S   0x506e6b28u /* 1.6e10f */

static uint32_t bits_of(uint64_t ns)
{
    float value = (float)ns;
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static uint64_t ns_of(uint32_t bits)
{
    float value;
    uint64_t ns;

    memcpy(&value, &bits, sizeof(value));
    ns = (uint64_t)value;
    return ns + ((float)ns < value);
}

unsigned idle_bucket(uint64_t idle_ns)
{
    uint32_t bits = bits_of(idle_ns);

    if (bits <= BITS_100US)
        return 0;
    if (bits >= BITS_2H)
        return IDLE_BUCKETS - 1;
    return (unsigned)((uint64_t)(bits - BITS_100US) * IDLE_BUCKETS / (BITS_2H - BITS_100US));
}

uint64_t idle_bucket_ns(unsigned bucket)
{
    uint64_t range = BITS_2H - BITS_100US;

    return ns_of(BITS_100US + (uint32_t)((bucket * range + IDLE_BUCKETS - 1) / IDLE_BUCKETS));
}

static unsigned delay_bucket(uint64_t delay_ns)
{
    uint32_t bits = bits_of(delay_ns);

    if (bits <= BITS_10US)
        return 0;
    if (bits >= BITS_16S)
        return DELAY_BUCKETS - 1;
    return (unsigned)((uint64_t)(bits - BITS_10US) * DELAY_BUCKETS / (BITS_16S - BITS_10US));
}

static uint64_t delay_bucket_ns(unsigned bucket)
{
    uint64_t range = BITS_16S - BITS_10US;

    return ns_of(BITS_10US + (uint32_t)((bucket * range + DELAY_BUCKETS - 1) / DELAY_BUCKETS));
}

static void increment(_Atomic uint16_t *count)
{
    uint16_t value = atomic_load_explicit(count, memory_order_relaxed);

    if (LIKELY(value < UINT16_MAX))
        atomic_store_explicit(count, (uint16_t)(value + 1), memory_order_relaxed);
}

static void shift(_Atomic uint16_t *counts, unsigned count, uint32_t halvings)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t value = atomic_load_explicit(&counts[i], memory_order_relaxed);

        atomic_store_explicit(&counts[i], (uint16_t)(halvings > 15 ? 0 : value >> halvings), memory_order_relaxed);
    }
}

void idle_table_survived(struct idle_table *table, uint32_t epoch, uint64_t idle_ns)
{
    uint32_t own = atomic_load_explicit(&table->epoch, memory_order_relaxed);

    if (UNLIKELY(own != epoch)) {
        shift(table->survived, IDLE_BUCKETS, epoch - own);
        atomic_store_explicit(&table->epoch, epoch, memory_order_relaxed);
    }
    increment(&table->survived[idle_bucket(idle_ns)]);
    idle_count_add(&table->events, 1);
}

void idle_table_delay(_Atomic uint16_t *delays, _Atomic uint32_t *count, uint64_t delay_ns)
{
    if (UNLIKELY(atomic_load_explicit(count, memory_order_relaxed) >= IDLE_DECAY_EVENTS)) {
        shift(delays, DELAY_BUCKETS, 1);
        atomic_store_explicit(count, IDLE_DECAY_EVENTS / 2, memory_order_relaxed);
    }
    increment(&delays[delay_bucket(delay_ns)]);
    idle_count_add(count, 1);
}

void idle_tables_sum(const struct idle_table *tables, unsigned count, uint32_t epoch, uint32_t sum[IDLE_BUCKETS])
{
    memset(sum, 0, IDLE_BUCKETS * sizeof(*sum));
    for (unsigned w = 0; w < count; w++) {
        uint32_t behind = epoch - atomic_load_explicit(&tables[w].epoch, memory_order_relaxed);

        for (unsigned i = 0; i < IDLE_BUCKETS && behind < 16; i++)
            sum[i] += (uint32_t)atomic_load_explicit(&tables[w].survived[i], memory_order_relaxed) >> behind;
    }
}

static void add_delays(uint32_t sum[DELAY_BUCKETS], const _Atomic uint16_t counts[DELAY_BUCKETS])
{
    for (unsigned i = 0; i < DELAY_BUCKETS; i++)
        sum[i] += atomic_load_explicit(&counts[i], memory_order_relaxed);
}

static uint64_t top_thousandth_ns(const uint32_t counts[DELAY_BUCKETS])
{
    uint32_t total = 0, above = 0;

    for (unsigned i = 0; i < DELAY_BUCKETS; i++)
        total += counts[i];
    for (unsigned i = DELAY_BUCKETS; total && i-- > 0;) {
        above += counts[i];
        if (above > total / 1000)
            return delay_bucket_ns(i + 1);
    }
    return 0;
}

uint64_t idle_tables_rtt_ns(const struct idle_table *tables, unsigned count)
{
    uint32_t sum[DELAY_BUCKETS] = {0};

    for (unsigned w = 0; w < count; w++)
        add_delays(sum, tables[w].rtt);
    return top_thousandth_ns(sum);
}

uint64_t idle_tables_lag_ns(const struct idle_table *tables, unsigned count)
{
    uint32_t sum[DELAY_BUCKETS] = {0};

    for (unsigned w = 0; w < count; w++)
        add_delays(sum, tables[w].lag);
    return top_thousandth_ns(sum);
}
