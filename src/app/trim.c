/* trim.c: see the header. Start with trim_look. SPDX-License-Identifier: Apache-2.0 */
#include "app/trim.h"

#include "os/process.h"

enum {
    LOOKS_BEHIND = 2, /* by then the workers have given back to the allocator what they kept for another rush */
    CROWD_MIN = 64,   /* what fewer have left behind is no burden */
    GROWTH_BYTES_MAX = 16 << 20,
};

/* A crowd that came and went between two looks shows by what it has left behind. */
bool trim_is_due(uint64_t most, uint64_t now, uint64_t grown_bytes)
{
    return grown_bytes > GROWTH_BYTES_MAX || (most >= now + CROWD_MIN && now <= most / 2);
}

static uint64_t count_now(const struct trim *trim)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < trim->workers; i++) {
        const struct frontend_counts *counts = &trim->frontends[i]->counts;
        uint64_t closed = atomic_load_explicit(&counts->connections_closed, memory_order_acquire);

        count += atomic_load_explicit(&counts->connections_opened, memory_order_acquire) - closed;
        count += atomic_load_explicit(&counts->exchanges, memory_order_relaxed);
    }
    return count;
}

void trim_look(struct trim *trim)
{
    uint64_t resident = process_resident_bytes(), now = count_now(trim);
    uint64_t grown = resident > trim->resident_bytes ? resident - trim->resident_bytes : 0;

    if (now > trim->most)
        trim->most = now;
    if (trim_is_due(trim->most, now, grown))
        trim->looks = trim->looks > 0 ? trim->looks : LOOKS_BEHIND + 1;
    if (trim->looks == 0 || --trim->looks > 0)
        return;
    process_trim_memory();
    trim->resident_bytes = process_resident_bytes();
    trim->most = now;
}
