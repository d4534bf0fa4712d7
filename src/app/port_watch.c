/* port_watch.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "app/port_watch.h"

#include "upstream/time_wait.h"

#define OTHERS_EVERY_NS UINT64_C(60000000000) /* as long as they wait */

struct port_use {
    uint64_t opened;  /* connections to hosts, so far */
    uint64_t waiting; /* in TIME_WAIT, when they were last counted */
};

static void add_host(struct port_use *use, const struct host *host)
{
    for (unsigned i = 0; host && i < host->workers; i++)
        use->opened += atomic_load_explicit(&host->counts[i].connections_opened, memory_order_relaxed);
    use->waiting += host ? atomic_load_explicit(&host->ports.time_waits, memory_order_relaxed) : 0;
}

/* Whoever keeps its connections needs no ports, so what others may have left is not urgent. */
static bool is_due(struct port_watch *watch, uint64_t now_ns)
{
    struct port_use use = {0};
    bool opened;

    for (uint32_t i = 0; i < hosts_count(watch->hosts); i++)
        add_host(&use, hosts_at(watch->hosts, i));
    opened = use.opened != watch->opened;
    watch->opened = use.opened;
    return opened || use.waiting > 0 || now_ns >= watch->due_ns;
}

void port_watch_look(struct port_watch *watch, uint64_t now_ns, bool dials)
{
    if (dials && is_due(watch, now_ns)) {
        time_wait_look(watch->hosts);
        watch->due_ns = now_ns + OTHERS_EVERY_NS;
    }
    hosts_sweep(watch->hosts, &watch->rule, now_ns);
}
