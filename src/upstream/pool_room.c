/* pool_room.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/pool_room.h"

#include "base/log.h"
#include "upstream/pool_internal.h"

static enum pressure files_of(const struct pool *pool)
{
    return budget_files(hosts_budget(pool->hosts), loop_now_ns(pool->loop));
}

static enum pressure ports_of(const struct pool *pool, const struct host *host)
{
    if (host->unix_addr.family == ADDR_UNIX)
        return PRESSURE_NONE;
    return budget_ports(hosts_budget(pool->hosts), &host->ports,
                        atomic_load_explicit(&host->place->open, memory_order_relaxed), loop_now_ns(pool->loop));
}

static void tell(struct pool *pool, struct host *host, enum pressure files, enum pressure ports)
{
    struct budget *budget = hosts_budget(pool->hosts);

    if (budget_is_news(&budget->files_told, files))
        LOG(LOG_WARNING, "upstream", "descriptors grow short: %llu of %llu are in use",
            (unsigned long long)budget_files_used(budget), (unsigned long long)budget->files_limit);
    if (budget_is_news(&host->ports.told, ports))
        LOG(LOG_WARNING, "upstream", "%.*s: local ports grow short: %u connections and %u in TIME_WAIT of %llu ports",
            STR_ARG(host->url), (unsigned)atomic_load_explicit(&host->place->open, memory_order_relaxed),
            (unsigned)atomic_load_explicit(&host->ports.blocked, memory_order_relaxed),
            (unsigned long long)budget->ports_max);
}

bool pool_is_stretched(const struct pool *pool, const struct host *host)
{
    return files_of(pool) >= PRESSURE_STRETCH || ports_of(pool, host) >= PRESSURE_STRETCH;
}

static bool evict_one(struct pool *pool)
{
    struct list_node *oldest = list_first(&pool->by_age);

    if (!oldest)
        return false;
    pool_retire(container_of(oldest, struct pooled, by_age), REASON_PRESSURE_FD);
    atomic_fetch_add_explicit(&hosts_budget(pool->hosts)->evictions, 1, memory_order_relaxed);
    return true;
}

enum error_code pool_make_room(struct pool *pool, struct host *host, bool patient)
{
    enum pressure files = files_of(pool), ports = ports_of(pool, host);

    tell(pool, host, files, ports);
    if (ports == PRESSURE_SHED || (ports == PRESSURE_STRETCH && !patient))
        return ERROR_PRESSURE_PORT;
    if (files >= PRESSURE_STRETCH && !evict_one(pool) && files == PRESSURE_SHED)
        return ERROR_PRESSURE_FD;
    return ERROR_NONE;
}

enum error_code pool_lack(const struct pool *pool)
{
    return files_of(pool) >= PRESSURE_STRETCH ? ERROR_PRESSURE_FD : ERROR_PRESSURE_PORT;
}

bool pool_dial_refused(struct pool *pool, struct host *host, const struct error *failure)
{
    uint64_t now_ns = loop_now_ns(pool->loop);

    if (failure->code == ERROR_OUT_OF_FILES)
        budget_files_refused(hosts_budget(pool->hosts), now_ns);
    else if (failure->code == ERROR_OUT_OF_PORTS)
        budget_port_refused(&host->ports, now_ns);
    else
        return false;
    tell(pool, host, files_of(pool), ports_of(pool, host));
    return true;
}

void pool_shed(struct host *host, enum error_code lack)
{
    atomic_fetch_add_explicit(lack == ERROR_PRESSURE_FD ? &host->ports.sheds_by_fd : &host->ports.sheds_by_port, 1,
                              memory_order_relaxed);
}
