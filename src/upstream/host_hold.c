/* host_hold.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/host_hold.h"

struct host_hold {
    struct host_hold *next;
    struct host *host;
};

bool host_hold(struct host_hold **holds, struct arena *arena, struct pool *pool, struct host *host)
{
    struct host_hold *hold;

    if (LIKELY(atomic_load_explicit(&host->configured, memory_order_relaxed)))
        return true;
    hold = arena_make(arena, struct host_hold);
    if (!hold)
        return false;
    *hold = (struct host_hold){.next = *holds, .host = host};
    *holds = hold;
    host_count_add(&pool_counts(pool, host)->held, 1);
    return true;
}

/* Redirects name a host for as long as they last: from now on it is as one that no record names any more. */
static void release(struct pool *pool, struct host *host)
{
    host_count_add(&pool_counts(pool, host)->held, -1);
    if (atomic_load_explicit(&host->named, memory_order_relaxed) == 0)
        atomic_store_explicit(&host->left_ns, loop_now_ns(pool_loop(pool)), memory_order_relaxed);
}

void host_release_all(struct host_hold **holds, struct pool *pool)
{
    for (; UNLIKELY(*holds != NULL); *holds = (*holds)->next)
        release(pool, (*holds)->host);
}
