/* host_leave.c: see the header. Start with hosts_sweep. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/host_leave.h"

#include "upstream/handoff.h"
#include "upstream/watch.h"

#include <stdlib.h>

struct host_leave {
    unsigned sent;         /* letters */
    _Atomic unsigned done; /* of them, those that have been obeyed */
    struct part {
        struct pool_visit visit;
        struct host_leave *leave;
        struct host *host;
    } parts[];
};

static bool is_in_use(const struct host *host)
{
    return atomic_load_explicit(&host->named, memory_order_relaxed) > 0 ||
           atomic_load_explicit(&host->configured, memory_order_relaxed) ||
           atomic_load_explicit(&host->open, memory_order_relaxed) > 0;
}

static bool has_left(const struct host *host, uint64_t now_ns)
{
    uint64_t left_ns = atomic_load_explicit(&host->left_ns, memory_order_relaxed);

    return left_ns != 0 && !is_in_use(host) && now_ns >= left_ns + HOST_LEAVE_NS;
}

/* On the worker's thread: nobody reads them now, and what it counts from here on is new. */
static void run_leave(struct pool_visit *visit, struct pool *pool)
{
    struct part *part = container_of(visit, struct part, visit);

    watch_forget(pool, part->host);
    atomic_fetch_add_explicit(&part->leave->done, 1, memory_order_release);
}

/* Without memory: at the next sweep. */
static void leave(struct hosts *hosts, struct host *host)
{
    unsigned workers = hosts_workers(hosts);
    struct host_leave *letters = calloc(1, sizeof(*letters) + workers * sizeof(letters->parts[0]));

    if (!letters)
        return;
    host->leave = letters;
    for (unsigned i = 0; i < workers; i++) {
        struct pool *pool = hosts_pool(hosts, i);

        letters->parts[i] = (struct part){.visit = {.run = run_leave}, .leave = letters, .host = host};
        letters->sent += pool && pool_visit(pool, &letters->parts[i].visit);
    }
}

/* Not before all letters have been read: a late one would take what is being read here. */
static void come_back(struct host *host)
{
    struct host_leave *letters = host->leave;

    if (atomic_load_explicit(&letters->done, memory_order_acquire) < letters->sent)
        return;
    host->leave = NULL;
    free(letters);
}

void hosts_sweep(struct hosts *hosts, uint64_t now_ns)
{
    for (uint32_t i = 0; i < hosts_count(hosts); i++) {
        struct host *host = hosts_at(hosts, i);

        if (!host->leave && has_left(host, now_ns))
            leave(hosts, host);
        else if (host->leave && is_in_use(host))
            come_back(host);
    }
}

struct host *hosts_shown(struct hosts *hosts, uint32_t index)
{
    struct host *host = hosts_at(hosts, index);

    return host && !host->leave ? host : NULL;
}
