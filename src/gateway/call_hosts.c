/* call_hosts.c: which host of its backend an exchange asks, and which one after that has failed it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange_internal.h"

/* IO_WAIT: the name of the hosts is being looked up. IO_FAIL: no memory. */
static enum io find_set(struct exchange *x, const struct host_set **set)
{
    const struct backend *backend = x->call.backend;

    *set = backend->set;
    if (backend->set->host_count > 0 || !backend->discovery)
        return IO_OK;
    if (!x->call.waiter)
        x->call.waiter = arena_make(x->arena, struct discovery_waiter);
    if (!x->call.waiter)
        return IO_FAIL;
    x->call.waiter->task = &x->task;
    return discover(pool_discoveries(x->client->frontend->pool), backend->discovery, x->call.waiter, set);
}

static struct balance_input input_of(const struct exchange *x)
{
    struct loop *loop = exchange_loop(x);

    return (struct balance_input){
        .worker = pool_worker(x->client->frontend->pool),
        .now_ns = loop_now_ns(loop),
        .probe_ns = x->call.backend->transport->eject.probe_ns,
        .rng = loop_rng(loop),
        .tried = x->tried,
        .tried_count = x->call.tried_count,
    };
}

/* NULL: there is none, or none is left. */
static struct host *pick(struct exchange *x, const struct host_set *set)
{
    struct balance_input input = input_of(x);

    /* The only host never rests: there would be nothing to gain. */
    x->call.eject_after = set->host_count > 1 ? (uint32_t)x->call.backend->transport->eject_after : 0;
    x->call.others =
        x->call.tried_count < x->call.backend->transport->failovers_max && x->call.tried_count + 1 < set->host_count;
    return balance_pick(x->call.backend->balance, set, &input);
}

/* For as long as the request goes on. False: no memory. */
static bool ask(struct exchange *x, struct host *host)
{
    if (!host_hold(x->holds, x->arena, x->client->frontend->pool, host))
        return false;
    x->call.host = host;
    return true;
}

static enum io no_memory(struct exchange *x)
{
    error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to look up hosts");
    return IO_FAIL;
}

enum io call_pick_host(struct exchange *x)
{
    const struct host_set *set = NULL;
    enum io io = find_set(x, &set);
    struct host *host;

    if (io != IO_OK)
        return io == IO_FAIL ? no_memory(x) : io;
    host = pick(x, set);
    if (host)
        return ask(x, host) ? IO_OK : no_memory(x);
    x->call.host = NULL;
    error_set(&x->error, FAULT_UPSTREAM, ERROR_NO_HOSTS, "no hosts available");
    return IO_FAIL;
}

/* For what a host may have read. */
static bool take_budget(struct exchange *x, const struct host_set *set)
{
    struct resend_budget *budget = &x->call.backend->balance->failover_budget;
    const struct resend_budget_rule *rule = &x->call.backend->transport->resend_budget;

    if (resend_budget_take(budget, rule, balance_requests(set), loop_now_ns(exchange_loop(x))))
        return true;
    host_count_add(&pool_counts(x->client->frontend->pool, x->call.host)->failovers_refused, 1);
    return false;
}

static bool may_fail_over(struct exchange *x, const struct host_set *set)
{
    enum failover decision;

    if (x->error.fault == FAULT_CLIENT)
        return false;
    decision = fetch_hand_over(x->call.fetch, &x->request_body);
    return decision == FAILOVER_NEVER_SENT || (decision == FAILOVER_SENT && take_budget(x, set));
}

/* Where none is left nothing is taken from the budget. */
static bool has_next(struct exchange *x, const struct host_set *set)
{
    struct balance_input input;

    if (x->call.tried_count >= x->call.backend->transport->failovers_max || set->host_count < 2)
        return false;
    x->tried[x->call.tried_count++] = x->call.host;
    input = input_of(x);
    return balance_has_untried(set, &input);
}

bool call_next_host(struct exchange *x)
{
    struct host *failed = x->call.host, *next;
    const struct host_set *set = NULL;

    if (find_set(x, &set) != IO_OK || !has_next(x, set) || !may_fail_over(x, set))
        return false;
    next = pick(x, set);
    if (!next || !ask(x, next))
        return false;
    host_count_add(&pool_counts(x->client->frontend->pool, failed)->failovers, 1);
    return true;
}
