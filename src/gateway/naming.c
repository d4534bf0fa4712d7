/* naming.c: which hosts a generation names, as the table of hosts has to know it when generations follow each other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/generation.h"
#include "upstream/host_leave.h"

#include <stdlib.h>

static void visit_backends(const struct endpoint *endpoint, void (*visit)(void *arg, struct host *host), void *arg)
{
    for (size_t i = 0; i < endpoint->backend_count; i++)
        for (size_t j = 0; j < endpoint->backends[i].host_count; j++)
            visit(arg, endpoint->backends[i].hosts[j]);
}

static void visit_hosts(const struct generation *generation, void (*visit)(void *arg, struct host *host), void *arg)
{
    for (uint32_t i = 0; i < generation_endpoint_count(generation); i++) {
        const struct endpoint *endpoint = generation_endpoint(generation, i);

        visit_backends(endpoint, visit, arg);
        if (endpoint->shadow)
            visit_backends(endpoint->shadow, visit, arg);
    }
}

struct change {
    int by;
    uint64_t now_ns;
};

static void name_host(void *arg, struct host *host)
{
    const struct change *change = arg;

    host_name(host, change->by, change->now_ns);
}

void generation_name_hosts(const struct generation *generation, int change, uint64_t now_ns)
{
    visit_hosts(generation, name_host, &(struct change){change, now_ns});
}

static void mark_host(void *arg, struct host *host)
{
    bool *marks = arg;

    marks[host->index] = true;
}

/* Without memory those that are gone stay for as long as the process does, or until the next time. */
void generation_claim_hosts(const struct generation *generation, struct hosts *hosts, uint64_t now_ns)
{
    uint32_t count = hosts_count(hosts);
    bool *marks = calloc(count + 1u, sizeof(*marks));

    if (!marks)
        return;
    visit_hosts(generation, mark_host, marks);
    for (uint32_t i = 0; i < count; i++) {
        struct host *host = hosts_at(hosts, i);

        if (host)
            host_configure(host, marks[i], now_ns);
    }
    free(marks);
}
