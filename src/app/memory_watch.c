/* memory_watch.c: see the header. Start with memory_watch_look. SPDX-License-Identifier: Apache-2.0 */
#include "app/memory_watch.h"

#include "base/log.h"
#include "os/memory.h"
#include "os/process.h"

/* Between the two nothing is told again. */
enum { SHORT_PERMILLE = 950, ENOUGH_PERMILLE = 900, FULL_PERMILLE = 1000 };

enum {
    LIGHT_PART = 32,     /* of the memory that there is */
    SOCKET_BYTES = 4096, /* what the kernel keeps for one that is idle */
};

static unsigned own_permille(uint64_t limit_bytes)
{
    uint64_t used = limit_bytes > 0 ? process_resident_bytes() : 0;

    if (limit_bytes == 0)
        return 0;
    return used < limit_bytes ? (unsigned)((double)used / (double)limit_bytes * (double)FULL_PERMILLE) : FULL_PERMILLE;
}

static void tell(struct memory_watch *watch, unsigned permille)
{
    if (!watch->told && permille >= SHORT_PERMILLE) {
        watch->told = true;
        LOG(LOG_WARNING, "SERVICE: HTTP Server",
            "memory is short, %u %% of it are in use: the idlest client connections end before their time",
            permille / 10);
    } else if (permille < ENOUGH_PERMILLE) {
        watch->told = false;
    }
}

void memory_watch_look(struct memory_watch *watch)
{
    struct memory_use shared = memory_use();
    unsigned permille = unsigned_max(own_permille(watch->limit_bytes), shared.permille);

    watch->least_bytes = u64_min(shared.limit_bytes, watch->limit_bytes > 0 ? watch->limit_bytes : UINT64_MAX);
    atomic_store_explicit(&watch->budget->memory_permille, permille, memory_order_relaxed);
    tell(watch, permille);
}

bool memory_watch_is_light(const struct memory_watch *watch)
{
    int64_t sockets = atomic_load_explicit(&watch->budget->sockets, memory_order_relaxed);
    uint64_t of_kernel = sockets > 0 ? (uint64_t)sockets * SOCKET_BYTES : 0;
    uint64_t resident = process_resident_bytes();
    uint64_t taken = resident > watch->start_bytes ? resident - watch->start_bytes : 0;

    return taken + of_kernel < watch->least_bytes / LIGHT_PART;
}
