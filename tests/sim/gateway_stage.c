/* gateway_stage.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway_stage.h"

#include "upstream/handoff.h"

/* Every total that the ledger breaks down is its sum (the ledger's reasons are exactly one for each count). */
static void check_ledger(struct sim *sim, const struct host *host, const struct host_totals *totals)
{
    uint64_t requests_new = 0, closed = 0, resends = 0;

    for (int reason = 0; reason < REASONS; reason++) {
        requests_new += totals->new_by[reason];
        for (int side = 0; side < SIDE_COUNT; side++)
            closed += totals->closes_by[reason][side];
    }
    for (size_t rung = 0; rung < COUNT_OF(totals->resends_by); rung++)
        resends += totals->resends_by[rung];
    if (requests_new != totals->requests_new || closed != totals->connections_closed || resends != totals->resends)
        sim_fail(sim, "%.*s: %llu new requests, %llu closes, %llu resends, but reasons for %llu, %llu and %llu",
                 STR_ARG(host->url), (unsigned long long)totals->requests_new,
                 (unsigned long long)totals->connections_closed, (unsigned long long)totals->resends,
                 (unsigned long long)requests_new, (unsigned long long)closed, (unsigned long long)resends);
}

/* A connection that changes workers is counted on the way, too. */
static void check_workers(struct sim *sim, const struct host *host)
{
    for (unsigned i = 0; i < host->workers; i++) {
        const struct host_counts *counts = &host->counts[i];
        uint64_t came = counts->connections_opened + counts->moved_in;
        uint64_t left = counts->connections_closed + counts->moved_out;

        if (came != left + counts->idle + counts->active)
            sim_fail(sim, "%.*s: worker %u got %llu connections, lost %llu, has %llu idle and %llu lent",
                     STR_ARG(host->url), i, (unsigned long long)came, (unsigned long long)left,
                     (unsigned long long)counts->idle, (unsigned long long)counts->active);
    }
}

static void check_host(struct sim *sim, const struct host *host)
{
    struct host_totals totals;

    host_totals(host, &totals);
    check_workers(sim, host);
    if (totals.connections_opened - totals.connections_closed != totals.idle + totals.active)
        sim_fail(sim, "%.*s: %llu connections opened, %llu closed, but %llu idle and %llu lent", STR_ARG(host->url),
                 (unsigned long long)totals.connections_opened, (unsigned long long)totals.connections_closed,
                 (unsigned long long)totals.idle, (unsigned long long)totals.active);
    if (host->idle != totals.idle)
        sim_fail(sim, "%.*s: %u idle connections counted for the cap, %llu by the workers", STR_ARG(host->url),
                 (unsigned)host->idle, (unsigned long long)totals.idle);
    if ((int64_t)totals.idle < 0 || (int64_t)totals.active < 0 || (int64_t)totals.dialing < 0)
        sim_fail(sim, "%.*s: a count below zero", STR_ARG(host->url));
    check_ledger(sim, host, &totals);
}

static void check_gateway(void *arg)
{
    struct gateway_stage *stage = arg;
    uint64_t idle = 0;

    for (uint32_t i = 0; stage->hosts && i < hosts_count(stage->hosts); i++) {
        check_host(stage->sim, hosts_at(stage->hosts, i));
        idle += hosts_at(stage->hosts, i)->idle;
    }
    if (stage->hosts && *hosts_idle_total(stage->hosts) != idle)
        sim_fail(stage->sim, "the total of idle connections is not their sum");
}

static void load(struct gateway_stage *stage, const char *config)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct service_sources sources = {.path = "scenario.json", .text = config};
    const struct service *service;
    struct report report;

    ASSERT(arena);
    report_init(&report, arena);
    service = service_load(arena, &sources, &report);
    if (service)
        stage->generation = generation_build(arena, service, stage->hosts, &report);
    if (!stage->generation)
        sim_fail(stage->sim, "%.*s", STR_ARG(report_text(&report, arena, false)));
}

static void do_nothing(struct task *task)
{
    (void)task;
}

static void open_worker(struct gateway_stage *stage, unsigned index)
{
    struct gateway_worker *worker = &stage->workers[index];
    struct addr any = {.family = ADDR_IPV6, .port = GATEWAY_PORT};
    struct listen_options listen = {.backlog = 512, .reuse_port = true};
    struct error err = {0};

    worker->loop = sim_loop_new(stage->sim, "gateway");
    worker->resolver = resolver_cache_new(sim_resolver_new(stage->sim, worker->loop));
    ASSERT(worker->resolver);
    worker->pool = pool_new(worker->loop, worker->resolver, stage->hosts, index);
    ASSERT(worker->pool);
    worker->drained.run = do_nothing;
    worker->frontend = frontend_new(&(struct frontend_options){.loop = worker->loop,
                                                               .pool = worker->pool,
                                                               .generation = stage->generation,
                                                               .worker = index,
                                                               .workers = stage->worker_count});
    ASSERT(worker->frontend);
    if (!frontend_listen(worker->frontend, &any, &listen, NULL, &err))
        sim_fail(stage->sim, "listen: %s", err.text);
}

void gateway_open(struct gateway_stage *stage, struct sim *sim, const char *config, unsigned workers)
{
    *stage = (struct gateway_stage){.sim = sim, .worker_count = workers};
    stage->hosts = hosts_new(workers);
    ASSERT(stage->hosts);
    load(stage, config);
    for (unsigned i = 0; i < workers; i++)
        open_worker(stage, i);
    sim_add_check(sim, check_gateway, stage);
}

void gateway_drain(struct gateway_stage *stage, uint64_t window_ns)
{
    for (unsigned i = 0; i < stage->worker_count; i++)
        frontend_drain(stage->workers[i].frontend, window_ns, &stage->workers[i].drained);
}

void gateway_drain_listener(struct gateway_stage *stage, uint64_t window_ns, uint64_t limit_ns)
{
    for (unsigned i = 0; i < stage->worker_count; i++)
        frontend_drain_door(stage->workers[i].frontend, 0, window_ns, limit_ns);
}

bool gateway_is_empty(const struct gateway_stage *stage)
{
    for (unsigned i = 0; i < stage->worker_count; i++)
        if (!frontend_is_empty(stage->workers[i].frontend))
            return false;
    return true;
}

static void check_nothing_is_lent(struct gateway_stage *stage)
{
    for (uint32_t i = 0; i < hosts_count(stage->hosts); i++) {
        struct host_totals totals;

        if (hosts_at(stage->hosts, i)->waiting != 0)
            sim_fail(stage->sim, "%.*s: requests wait, though no client is left",
                     STR_ARG(hosts_at(stage->hosts, i)->url));
        host_totals(hosts_at(stage->hosts, i), &totals);
        if (totals.active != 0 || totals.dialing != totals.warming)
            sim_fail(stage->sim, "%.*s: %llu connections lent and %llu dials under way, though no client is left",
                     STR_ARG(hosts_at(stage->hosts, i)->url), (unsigned long long)totals.active,
                     (unsigned long long)(totals.dialing - totals.warming));
    }
}

static void close_worker(struct gateway_stage *stage, struct gateway_worker *worker)
{
    frontend_free(worker->frontend);
    pool_free(worker->pool);
    resolver_free(worker->resolver);
    task_forget(worker->loop, &worker->drained);
    if (block_pool_out(loop_blocks(worker->loop)) != 0 || slab_out(loop_pages(worker->loop)) != 0)
        sim_fail(stage->sim, "%zu buffers and %zu pages are left over", block_pool_out(loop_blocks(worker->loop)),
                 slab_out(loop_pages(worker->loop)));
    sim_loop_free(stage->sim, worker->loop);
}

void gateway_close(struct gateway_stage *stage)
{
    if (gateway_is_empty(stage))
        check_nothing_is_lent(stage);
    for (unsigned i = 0; i < stage->worker_count; i++)
        pool_end(stage->workers[i].pool);
    for (unsigned i = 0; i < stage->worker_count; i++)
        close_worker(stage, &stage->workers[i]);
    if (sim_files_open(stage->sim, "gateway") != 0)
        sim_fail(stage->sim, "%u descriptors are left over", sim_files_open(stage->sim, "gateway"));
    generation_release(stage->generation);
    hosts_free(stage->hosts);
    stage->hosts = NULL; /* the check of each turn has nothing to look at any more */
}
