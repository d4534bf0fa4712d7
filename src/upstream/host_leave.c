/* host_leave.c: see the header. Start with hosts_sweep. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/host_leave.h"

#include "upstream/addresses.h"
#include "upstream/closed_log.h"
#include "upstream/pool_internal.h"
#include "upstream/watch.h"

#include <stdlib.h>

struct host_leave {
    bool forgetting;       /* what the letters ask: to forget it, not only its statistics */
    unsigned sent;         /* letters */
    _Atomic unsigned done; /* of them, those that have been obeyed */
    _Atomic bool refused;  /* a worker has to do with it */
    struct part {
        struct pool_errand errand;
        struct host_leave *leave;
        struct host *host;
    } parts[];
};

static bool has_left(const struct host *host, uint64_t now_ns, uint64_t after_ns)
{
    uint64_t left_ns = atomic_load_explicit(&host->left_ns, memory_order_relaxed);

    return left_ns != 0 && !host_is_in_use(host) && now_ns >= left_ns + after_ns;
}

/* On the worker's thread: nobody reads them now, and what it counts from here on is new. */
static void run_leave(struct pool_errand *errand, struct pool *pool)
{
    struct part *part = container_of(errand, struct part, errand);

    watch_forget(pool, part->host);
    atomic_fetch_add_explicit(&part->leave->done, 1, memory_order_release);
}

/* On the worker's thread: from here on it has no pointer to the host, unless it asks the table for it. */
static void run_forget(struct pool_errand *errand, struct pool *pool)
{
    struct part *part = container_of(errand, struct part, errand);
    struct host *host = part->host;

    if (host_is_in_use(host)) {
        atomic_store_explicit(&part->leave->refused, true, memory_order_relaxed);
    } else {
        watch_forget(pool, host);
        addresses_forget(pool, host);
        shared_drop(pool, host);
        closed_log_forget(&pool->closed, host);
    }
    atomic_fetch_add_explicit(&part->leave->done, 1, memory_order_release);
}

static void send_letters(struct hosts *hosts, struct host *host, void (*run)(struct pool_errand *, struct pool *))
{
    struct host_leave *leave = host->leave;

    leave->sent = 0;
    atomic_store_explicit(&leave->done, 0, memory_order_relaxed);
    for (unsigned i = 0; i < hosts_workers(hosts); i++) {
        struct pool *pool = hosts_pool(hosts, i);

        leave->parts[i] = (struct part){.errand = {.run = run}, .leave = leave, .host = host};
        leave->sent += pool && pool_send_errand(pool, &leave->parts[i].errand);
    }
}

/* Have all letters been read? Else a late one would take what is being read here. */
static bool is_obeyed(const struct host_leave *leave)
{
    return atomic_load_explicit(&leave->done, memory_order_acquire) == leave->sent;
}

/* Without memory: at the next sweep. */
static void leave(struct hosts *hosts, struct host *host)
{
    host->leave = calloc(1, sizeof(*host->leave) + hosts_workers(hosts) * sizeof(host->leave->parts[0]));
    if (host->leave)
        send_letters(hosts, host, run_leave);
}

static void begin_forgetting(struct hosts *hosts, struct host *host)
{
    host->leave->forgetting = true;
    atomic_store_explicit(&host->leave->refused, false, memory_order_relaxed);
    hosts_suspect(hosts, host);
    send_letters(hosts, host, run_forget);
}

/* A worker that could not be asked is about to end, and all with it. Refused, or in vain: from the start. */
static void end_forgetting(struct hosts *hosts, struct host *host)
{
    bool all = host->leave->sent == hosts_workers(hosts);

    host->leave->forgetting = false;
    if (all && !atomic_load_explicit(&host->leave->refused, memory_order_relaxed))
        hosts_give_back(hosts, host);
}

/* One that has left, and whose letters have all been obeyed. */
static void look_again(struct hosts *hosts, struct host *host, const struct host_leave_rule *rule, uint64_t now_ns)
{
    if (!has_left(host, now_ns, rule->hide_ns)) {
        free(host->leave);
        host->leave = NULL;
    } else if (host->leave->forgetting) {
        end_forgetting(hosts, host);
    } else if (rule->forget_ns > 0 && has_left(host, now_ns, rule->forget_ns)) {
        begin_forgetting(hosts, host);
    }
}

void host_name(struct host *host, int change, uint64_t now_ns)
{
    if (atomic_fetch_add_explicit(&host->named, (uint32_t)change, memory_order_relaxed) == 1 && change < 0)
        atomic_store_explicit(&host->left_ns, now_ns, memory_order_relaxed);
}

/* A host that was asked for by a configuration that came to nothing has left too. */
void host_configure(struct host *host, bool configured, uint64_t now_ns)
{
    bool was = atomic_exchange_explicit(&host->configured, configured, memory_order_relaxed);

    if (was && !configured)
        atomic_store_explicit(&host->left_ns, now_ns, memory_order_relaxed);
}

static bool is_named(const struct host *host)
{
    return atomic_load_explicit(&host->configured, memory_order_relaxed) ||
           atomic_load_explicit(&host->named, memory_order_relaxed) > 0;
}

/* On the worker's thread. Redirects may have led to one, which then dials anew. */
static void run_let_go(struct pool_errand *errand, struct pool *pool)
{
    for (uint32_t i = 0; i < pool->stack_count; i++)
        for (struct list_node *node = list_first(&pool->stacks[i]), *next; node; node = next) {
            struct pooled *pooled = container_of(node, struct pooled, by_host);

            next = list_next(&pool->stacks[i], node);
            if (!is_named(pooled->host))
                pool_retire(pooled, REASON_UNCONFIGURED);
        }
    free(errand);
}

/* Without memory they go with their time. */
void hosts_let_go(struct hosts *hosts)
{
    for (unsigned i = 0; i < hosts_workers(hosts); i++) {
        struct pool *pool = hosts_pool(hosts, i);
        struct pool_errand *errand = pool ? calloc(1, sizeof(*errand)) : NULL;

        if (!errand)
            continue;
        errand->run = run_let_go;
        if (!pool_send_errand(pool, errand))
            free(errand);
    }
}

void hosts_sweep(struct hosts *hosts, const struct host_leave_rule *rule, uint64_t now_ns)
{
    for (uint32_t i = 0; i < hosts_count(hosts); i++) {
        struct host *host = hosts_at(hosts, i);

        if (host && !host->leave && has_left(host, now_ns, rule->hide_ns))
            leave(hosts, host);
        else if (host && host->leave && is_obeyed(host->leave))
            look_again(hosts, host, rule, now_ns);
    }
}

static bool is_leaving(const struct host *host, const struct host_leave_rule *rule)
{
    return atomic_load_explicit(&host->left_ns, memory_order_relaxed) != 0 && !host_is_in_use(host) &&
           (!host->leave || host->leave->forgetting || rule->forget_ns > 0);
}

bool hosts_are_leaving(struct hosts *hosts, const struct host_leave_rule *rule)
{
    for (uint32_t i = 0; i < hosts_count(hosts); i++) {
        const struct host *host = hosts_at(hosts, i);

        if (host && is_leaving(host, rule))
            return true;
    }
    return false;
}

struct host *hosts_shown(struct hosts *hosts, uint32_t index)
{
    struct host *host = hosts_at(hosts, index);

    return host && !host->leave ? host : NULL;
}
