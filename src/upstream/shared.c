/* shared.c: see the header. Start with pool_take_shared, then shared_consider.
 * SPDX-License-Identifier: Apache-2.0 */
#include "upstream/shared.h"

#include "http/h2/h2.h"
#include "upstream/addresses.h"
#include "upstream/coalesce.h"
#include "upstream/pool_internal.h"
#include "upstream/pulse.h"

#include <stdlib.h>

enum { DIALS_LOST_MAX = 2 };               /* so many failed dials of others, and a request fails with them */
#define YIELD_TURN_NS  (3 * GATE_RETRY_NS) /* by then the other worker has looked */
#define YIELD_AFTER_NS 100000000u /* a connection that another worker waits for serves this one so long at least */

/* Of one host, in one worker. */
struct shared {
    struct host *host;
    struct list offer;    /* connections in use that had room when last seen; the next to be used is first */
    uint64_t joined;      /* requests that wait for dials of others */
    uint64_t paused;      /* connections on which it takes none for now */
    uint64_t failures;    /* dials that failed, ever */
    uint64_t yielded_ns;  /* when one went for the sake of another worker; 0: none has */
    struct error failure; /* of the last one */
};

static struct shared *find(const struct pool *pool, const struct host *host)
{
    return slots_at(&pool->shared, host->index);
}

/* NULL: no memory. */
static struct shared *find_or_make(struct pool *pool, struct host *host)
{
    struct shared *shared = find(pool, host);
    void **place = shared ? NULL : slots_place(&pool->shared, host->index);

    if (!place)
        return shared;
    *place = shared = calloc(1, sizeof(*shared));
    if (shared) {
        shared->host = host;
        list_init(&shared->offer);
    }
    return shared;
}

struct host *shared_host(const struct pool *pool, uint32_t index)
{
    const struct shared *shared = slots_at(&pool->shared, index);

    return shared ? shared->host : NULL;
}

static void drop(struct pool *pool, uint32_t index)
{
    struct shared *shared = slots_at(&pool->shared, index);

    if (!shared)
        return;
    ASSERT(list_is_empty(&shared->offer));
    ASSERT(shared->joined == 0);
    pool->shared.items[index] = NULL;
    free(shared);
}

void shared_drop(struct pool *pool, const struct host *host)
{
    drop(pool, host->index);
}

void shared_free(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->shared.count; i++)
        drop(pool, i);
    slots_clear(&pool->shared);
}

static void leave_offer(struct pooled *pooled)
{
    if (pooled->offered)
        list_remove(&find(pooled->pool, pooled->host)->offer, &pooled->by_host);
    pooled->offered = false;
}

/* Those who wait for a connection may have a stream of this one. */
static void tell_waiters(struct pooled *pooled)
{
    gate_wake(pooled->pool->gate, pooled->host);
    gate_wake(pooled->pool->racers, pooled->host);
}

static void set_paused(struct pooled *pooled, bool paused)
{
    struct shared *shared = paused != pooled->paused ? find_or_make(pooled->pool, pooled->host) : NULL;

    if (!shared)
        return; /* as it was, or without memory */
    pooled->paused = paused;
    shared->paused = paused ? shared->paused + 1 : shared->paused - 1;
    if (!paused)
        tell_waiters(pooled);
}

/* One that ends, or stands for one client, keeps nobody from dialing. */
static bool may_pause(const struct pooled *pooled)
{
    struct http_conn_facts facts;

    http_facts(pooled->conn, &facts);
    return facts.unfit == HTTP_FIT && !pooled->withdrawn && !pooled->bound;
}

/* What the host says of itself holds for its next connection too; that it takes nothing, for this one. */
static void learn(struct pooled *pooled)
{
    struct h2_client_facts facts;

    h2_client_facts(pooled->conn, &facts);
    set_paused(pooled, facts.met && facts.streams_max == 0 && may_pause(pooled));
    if (facts.met && facts.streams_max > 0)
        atomic_store_explicit(&pooled->host->streams_max, facts.streams_max, memory_order_relaxed);
    if (facts.too_many_pings && !pooled->scolded)
        atomic_fetch_add_explicit(&pooled->host->ping_doublings, 1, memory_order_relaxed);
    pooled->scolded |= facts.too_many_pings;
}

bool shared_note_pause(struct pooled *pooled)
{
    if (!pooled->conn->multiplexed)
        return false;
    if (pooled->paused || http_room(pooled->conn) == 0)
        learn(pooled);
    return pooled->paused;
}

bool pool_pauses(struct pooled *pooled)
{
    return shared_note_pause(pooled);
}

struct list_node *shared_first_awake(const struct list *stack)
{
    for (struct list_node *node = list_first(stack); node; node = list_next(stack, node)) {
        const struct pooled *pooled = container_of(node, struct pooled, by_host);

        if (!pooled->paused && !pooled->sentinel)
            return node;
    }
    return NULL;
}

bool pool_is_paused(const struct pool *pool, const struct host *host)
{
    const struct shared *shared = find(pool, host);

    return shared && shared->paused > 0;
}

/* An active one: it stands in the offer if it has room and nothing is known to be against it. */
void shared_consider(struct pooled *pooled)
{
    struct shared *shared;

    learn(pooled);
    if (http_room(pooled->conn) == 0 || pooled->withdrawn || pooled->bound) {
        leave_offer(pooled);
        return;
    }
    shared = pooled->offered ? NULL : find_or_make(pooled->pool, pooled->host);
    if (shared)
        list_push_front(&shared->offer, &pooled->by_host);
    pooled->offered |= shared != NULL;
    tell_waiters(pooled);
}

static void add_stream(struct pooled *pooled)
{
    struct host_counts *counts = pool_counts(pooled->pool, pooled->host);

    host_count_add(&counts->streams, 1);
    if (pooled->streams++ > 0)
        host_count_add(&counts->beside, 1);
}

static void drop_stream(struct pooled *pooled)
{
    struct host_counts *counts = pool_counts(pooled->pool, pooled->host);

    ASSERT(pooled->streams > 0);
    host_count_add(&counts->streams, -1);
    if (--pooled->streams > 0)
        host_count_add(&counts->beside, -1);
}

void pool_heard(struct pooled *pooled)
{
    pooled->lossy = false;
    if (UNLIKELY(pooled->conn->multiplexed))
        pulse_heard(pooled);
}

void shared_begin(struct pooled *pooled)
{
    ASSERT(pooled->streams == 0);
    add_stream(pooled);
    shared_consider(pooled);
    pulse_begin(pooled);
}

bool shared_end_stream(struct pooled *pooled)
{
    drop_stream(pooled);
    if (pooled->streams > 0)
        shared_consider(pooled);
    else
        leave_offer(pooled);
    return pooled->streams > 0;
}

/* The place that one has left is for whom it left. */
static void note_yield(struct pooled *pooled)
{
    struct shared *shared = find_or_make(pooled->pool, pooled->host);

    if (shared)
        shared->yielded_ns = loop_now_ns(pooled->pool->loop);
}

void shared_forget(struct pooled *pooled, enum reason reason)
{
    if (pooled->conn->multiplexed)
        learn(pooled); /* an idle one that ends is not considered any more */
    set_paused(pooled, false);
    pulse_free(pooled);
    leave_offer(pooled);
    ASSERT(pooled->streams <= 1);
    if (pooled->streams > 0)
        drop_stream(pooled);
    if (reason == REASON_YIELDED)
        note_yield(pooled);
}

static bool others_wait(const struct pool *pool, const struct host *host)
{
    uint64_t own = atomic_load_explicit(&host->counts[pool->worker].waiting, memory_order_relaxed);

    return atomic_load_explicit(&host->waiting, memory_order_relaxed) > own;
}

bool pool_owes_turn(const struct pool *pool, const struct host *host)
{
    const struct shared *shared = find(pool, host);

    return shared && shared->yielded_ns > 0 && loop_now_ns(pool->loop) - shared->yielded_ns < YIELD_TURN_NS &&
           others_wait(pool, host);
}

void pool_withdraw(struct pooled *pooled, enum reason reason, enum side side)
{
    ASSERT(pooled->conn->multiplexed);
    leave_offer(pooled);
    if (pooled->withdrawn)
        return;
    pooled->withdrawn = true;
    set_paused(pooled, false);
    pooled->left_for = (uint8_t)reason;
    pooled->left_side = (uint8_t)side;
}

/* It went wrong, so it will not do for others either: not only that it is full, or told us that it ends. */
static bool is_over(const struct pooled *pooled)
{
    struct http_conn_facts facts;

    http_facts(pooled->conn, &facts);
    return facts.unfit != HTTP_FIT && facts.unfit != HTTP_UNFIT_GOAWAY && facts.unfit != HTTP_UNFIT_OURS &&
           facts.unfit != HTTP_UNFIT_USED_UP;
}

bool pool_is_alive(const struct pooled *pooled)
{
    struct http_conn_facts facts;

    http_facts(pooled->conn, &facts);
    return pooled->conn->multiplexed && facts.unfit == HTTP_FIT;
}

void pool_let_go(struct pooled *pooled, const struct transport *transport, enum reason reason, enum side side)
{
    if (!pooled->conn->multiplexed || pooled->bound) {
        pool_discard(pooled, reason, side);
        return;
    }
    if (reason == REASON_MIDDLEBOX || is_over(pooled))
        pool_withdraw(pooled, reason, side);
    pool_return(pooled, transport);
}

/* Other workers wait at the host's cap: connections that cannot move would leave them out for ever. */
static bool must_yield(const struct pooled *pooled)
{
    return others_wait(pooled->pool, pooled->host) && pool_age_ns(pooled) >= YIELD_AFTER_NS;
}

/* Why no other request should be given to it, though it has room; REASONS: nothing. */
static enum reason objection(const struct pooled *pooled, const struct transport *transport)
{
    uint64_t now_ns = loop_now_ns(pooled->pool->loop);

    if (pool_is_old(pooled))
        return REASON_AGE;
    if (pool_is_used_up(pooled, transport))
        return REASON_COUNT;
    if (addresses_has_left(pooled))
        return REASON_ADDRESS_GONE;
    if (quarantine_holds(&pooled->host->quarantine, now_ns))
        return REASON_QUARANTINE;
    if (path_forbids(&pooled->host->path, pulse_heard_ns(pooled), now_ns))
        return REASON_MIDDLEBOX;
    if (pulse_is_weak(pooled, now_ns))
        return REASON_PING_TIMEOUT;
    return transport->max_connections_per_host > 0 && must_yield(pooled) ? REASON_YIELDED : REASONS;
}

/* False: it is out of the offer now. */
static bool stays_offered(struct pooled *pooled, const struct transport *transport)
{
    enum reason reason = objection(pooled, transport);

    if (reason != REASONS)
        pool_withdraw(pooled, reason, SIDE_OURS);
    else if (http_room(pooled->conn) == 0)
        leave_offer(pooled);
    return pooled->offered;
}

/* Bodies that wait for the window of the whole connection would hold up the next one too, and so does what TCP has to
 * send again: another connection does better. And before the host has said how many it takes, it takes as many as it
 * did the last time. */
static bool is_held_up(const struct pooled *pooled)
{
    uint32_t most = atomic_load_explicit(&pooled->host->streams_max, memory_order_relaxed);
    struct h2_client_facts facts;

    h2_client_facts(pooled->conn, &facts);
    return pooled->lossy || facts.window_shut || (!facts.met && most > 0 && pooled->streams >= most);
}

static bool will_do(const struct pooled *pooled, const struct shared_pick *pick)
{
    return pooled->id != pick->unlike && pooled->conn->opened_ns >= pick->since_ns && !is_held_up(pooled) &&
           (!pick->guest || coalesce_fits(pick->guest, pooled));
}

static struct pooled *lend(struct pooled *pooled)
{
    pooled->lent_ns = loop_now_ns(pooled->pool->loop);
    pooled->uses++;
    add_stream(pooled);
    return pooled;
}

struct pooled *pool_take_shared(struct pool *pool, struct host *host, const struct transport *transport,
                                const struct shared_pick *pick)
{
    struct shared *shared = find(pool, host);
    struct list_node *node = shared && !transport->disable_keep_alives ? list_first(&shared->offer) : NULL;

    for (struct list_node *next; node; node = next) {
        struct pooled *pooled = container_of(node, struct pooled, by_host);

        next = list_next(&shared->offer, node);
        if (stays_offered(pooled, transport) && will_do(pooled, pick))
            return lend(pooled);
    }
    return NULL;
}

bool shared_is_full(const struct pool *pool, const struct host *host)
{
    return host_multiplexes(host) &&
           atomic_load_explicit(&host->counts[pool->worker].streams, memory_order_relaxed) > 0;
}

void shared_flush(struct pool *pool)
{
    for (struct list_node *node = list_first(&pool->lent_conns); node; node = list_next(&pool->lent_conns, node)) {
        struct pooled *pooled = container_of(node, struct pooled, by_age);

        if (pooled->conn->multiplexed)
            pool_withdraw(pooled, REASON_DRAIN, SIDE_OURS);
    }
}

/* Before anything is known of it a host's first connection is for all who come; then for as many as the last one took.
 * Whoever dials has a stream of it himself. */
static bool is_enough_for(const struct pool *pool, const struct host *host, uint64_t joined)
{
    uint64_t dialing = atomic_load_explicit(&host->counts[pool->worker].dialing, memory_order_relaxed);
    uint64_t streams = atomic_load_explicit(&host->streams_max, memory_order_relaxed);

    return host_multiplexes(host) && host->proxy_header == 0 && dialing > 0 &&
           (streams == 0 || joined <= dialing * (streams - 1));
}

bool pool_dials_suffice(const struct pool *pool, const struct host *host)
{
    const struct shared *shared = find(pool, host);

    return is_enough_for(pool, host, (shared ? shared->joined : 0) + 1);
}

bool pool_join(struct pool *pool, struct host *host, struct pool_joining *joining)
{
    struct shared *shared = find_or_make(pool, host);

    if (!shared)
        return false;
    joining->joined = true;
    joining->failures = shared->failures;
    shared->joined++;
    host_count_add(&pool_counts(pool, host)->beside, 1);
    return true;
}

void pool_leave_dials(struct pool *pool, struct host *host, struct pool_joining *joining)
{
    struct shared *shared = find(pool, host);

    if (!joining->joined)
        return;
    ASSERT(shared);
    shared->joined--;
    host_count_add(&pool_counts(pool, host)->beside, -1);
    joining->joined = false;
}

enum join_news pool_join_news(struct pool *pool, const struct host *host, struct pool_joining *joining,
                              struct error *err)
{
    const struct shared *shared = find(pool, host);

    ASSERT(shared); /* pool_join made it */
    if (joining->failures != shared->failures)
        joining->lost++;
    joining->failures = shared->failures;
    if (joining->lost >= DIALS_LOST_MAX) {
        *err = shared->failure;
        return JOIN_FAIL;
    }
    return is_enough_for(pool, host, shared->joined) ? JOIN_WAIT : JOIN_DIAL;
}

void pool_note_failed_dial(struct pool *pool, const struct host *host, const struct error *failure)
{
    struct shared *shared = find(pool, host);

    if (!shared)
        return;
    shared->failures++;
    shared->failure = *failure;
}
