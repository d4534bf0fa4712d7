/* coalesce.c: see the header. Start with coalesce_take. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/coalesce.h"

#include "net/resolve.h"
#include "tls/stream.h"
#include "upstream/pool_internal.h"
#include "upstream/shared.h"

struct coalescing {
    struct pool *pool;
    struct host *host; /* that is asked for */
    const struct transport *transport;
    struct resolve_query query;
};

static bool may_be_guest(const struct pool *pool, const struct host *host, const struct transport *transport)
{
    return transport->coalesce && !transport->disable_keep_alives && pool->resolver && host->tls && !host->forward &&
           host->proxy_header == 0 && host_multiplexes(host) &&
           !atomic_load_explicit(&host->apart, memory_order_relaxed);
}

/* Do their connections differ in nothing but whom they are to? */
static bool is_alike(const struct host *host, const struct host *other)
{
    return host != other && other->tls && !other->forward && other->proxy_header == 0 && host->port == other->port &&
           host->protocol == other->protocol && str_eq(host->pool, other->pool) &&
           addr_eq(&host->source, &other->source) && packet_marks_eq(&host->marks, &other->marks) &&
           memcmp(tls_profile_identity(host->tls), tls_profile_identity(other->tls), sizeof(struct tls_digest)) == 0;
}

/* The next one, from index *at on, that this worker has had connections to which may do. NULL: there is no other. */
static struct host *next_alike(const struct pool *pool, const struct host *host, uint32_t *at)
{
    while (*at < pool->shared.count) {
        struct host *other = shared_host(pool, (*at)++);

        if (other && is_alike(host, other))
            return other;
    }
    return NULL;
}

static bool has_connections(const struct pool *pool, const struct host *host)
{
    const struct host_counts *counts = &host->counts[pool->worker];

    return atomic_load_explicit(&counts->idle, memory_order_relaxed) > 0 ||
           atomic_load_explicit(&counts->active, memory_order_relaxed) > 0;
}

static bool is_worth_asking(const struct pool *pool, const struct host *host)
{
    uint32_t at = 0;

    for (const struct host *other; (other = next_alike(pool, host, &at));)
        if (has_connections(pool, other))
            return true;
    return false;
}

struct coalescing *coalesce_begin(struct pool *pool, struct host *host, const struct transport *transport,
                                  struct arena *arena, struct task *waiter)
{
    struct coalescing *coalescing;

    if (!may_be_guest(pool, host, transport) || !is_worth_asking(pool, host))
        return NULL;
    coalescing = arena_make(arena, struct coalescing);
    if (!coalescing)
        return NULL;
    *coalescing = (struct coalescing){
        .pool = pool, .host = host, .transport = transport, .query = {.name = host->name, .task = waiter}};
    resolve_start(pool->resolver, &coalescing->query);
    return coalescing;
}

bool coalesce_is_ready(const struct coalescing *coalescing)
{
    return coalescing->query.done;
}

void coalesce_end(struct coalescing *coalescing)
{
    if (coalescing && !coalescing->query.done)
        resolve_cancel(coalescing->pool->resolver, &coalescing->query);
}

/* Answers have no ports; those of the hosts are alike. */
static bool leads_to(const struct resolved *answer, const struct addr *peer)
{
    for (unsigned i = 0; i < answer->count; i++) {
        struct addr addr = answer->addrs[i];

        addr.port = peer->port;
        if (addr_eq(&addr, peer))
            return true;
    }
    return false;
}

bool coalesce_fits(const struct coalescing *coalescing, const struct pooled *pooled)
{
    return pooled->conn->multiplexed && !pooled->bound && !pooled->sentinel &&
           leads_to(&coalescing->query.answer, &pooled->conn->stream->peer) &&
           tls_is_for(pooled->conn->stream, coalescing->host->name);
}

/* One look for each host: what was found dead tells enough. */
static struct pooled *take_idle(const struct coalescing *coalescing, struct host *other, bool repeatable)
{
    struct list *stack = pool_stack(coalescing->pool, other);

    for (struct list_node *node = stack ? list_first(stack) : NULL; node; node = list_next(stack, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);

        if (coalesce_fits(coalescing, pooled))
            return pool_take_this(pooled, repeatable);
    }
    return NULL;
}

static struct pooled *take_of(const struct coalescing *coalescing, struct host *other, bool repeatable)
{
    struct shared_pick pick = {.guest = coalescing};
    struct pooled *pooled = pool_take_shared(coalescing->pool, other, coalescing->transport, &pick);

    return pooled ? pooled : take_idle(coalescing, other, repeatable);
}

struct pooled *coalesce_take(const struct coalescing *coalescing, bool repeatable)
{
    struct pooled *pooled = NULL;
    struct host *other;
    uint32_t at = 0;

    ASSERT(coalescing->query.done);
    if (coalescing->query.err.fault != FAULT_NONE)
        return NULL;
    while (!pooled && (other = next_alike(coalescing->pool, coalescing->host, &at)))
        pooled = take_of(coalescing, other, repeatable);
    if (!pooled)
        return NULL;
    pooled->guests++;
    host_count_add(&pool_counts(coalescing->pool, coalescing->host)->requests_coalesced, 1);
    return pooled;
}

void coalesce_unlearn(struct host *host)
{
    atomic_store_explicit(&host->apart, true, memory_order_relaxed);
}
