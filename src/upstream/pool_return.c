/* pool_return.c: what becomes of a connection that was lent: idle again, within the caps of the process and as long as
 * its host keeps it, or closed, with the reason. Start with pool_return. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "upstream/addresses.h"
#include "upstream/pool_cap.h"
#include "upstream/pool_internal.h"
#include "upstream/watch.h"

enum { RTT_EVERY_USES = 1024, LAG_EVERY_USES = 64 };

#define IDLE_UNSURE_MAX_NS 20000000u /* a host, or a worker, that is later than this is stuck, not busy */
#define FAR_RTT_NS         500000u

/* A part of a millisecond counts as one. */
static uint32_t limit_ms(int64_t limit_ns)
{
    return pool_whole_ms((uint64_t)limit_ns + 999999);
}

static uint32_t idle_limit_ms(const struct transport *transport)
{
    if (transport->idle_connection_timeout_ns > 0)
        return limit_ms(transport->idle_connection_timeout_ns);
    switch (transport->idle_policy) {
    case IDLE_FIXED:
        return limit_ms(transport->idle_limit_ns);
    case IDLE_NEVER:
        return POOLED_NEVER;
    case IDLE_LEARNED:
        break;
    }
    return limit_ms(TRANSPORT_IDLE_DEFAULT_NS); /* learn: false */
}

static bool learns(const struct transport *transport)
{
    return transport->idle_connection_timeout_ns <= 0 && transport->idle_policy == IDLE_LEARNED &&
           !transport->ignore_learned;
}

/* An idle connection that is in the lists: who waits may have it. */
static void announce(struct pooled *pooled)
{
    struct pool *pool = pooled->pool;

    host_count_add(&pool_counts(pool, pooled->host)->idle, 1);
    pool_tell_oldest(pool, pooled->host);
    http_set_idle(pooled->conn, &pooled->task);
    gate_wake(pool->gate, pooled->host);
    gate_wake(pool->racers, pooled->host);
    if (pool->expiry.at_ns == TIMER_OFF || pool->expiry.fired || pool->expiry.at_ns > pool_expires_ns(pooled))
        timer_set(pool->loop, &pool->expiry, pool_expires_ns(pooled));
}

/* When did the host begin to count? Not before it had the request, which went when the connection was lent; but hosts
 * take the time once for all they do in a turn, and a busy one answers late in it, as we read late in ours. One that
 * never had a request was not there yet when this loop was told of news before. */
static uint32_t unsure_ns(const struct pooled *pooled)
{
    uint64_t from_ns = pooled->uses > 0 ? pooled->lent_ns : loop_told_ns(pooled->pool->loop);

    return from_ns >= pooled->idle_since_ns ? 0
                                            : (uint32_t)u64_min(pooled->idle_since_ns - from_ns, IDLE_UNSURE_MAX_NS);
}

void pool_begin_idle(struct pooled *pooled, const struct transport *transport)
{
    struct pool *pool = pooled->pool;

    pooled->idle_since_ns = loop_now_ns(pool->loop);
    pooled->unsure_ns = unsure_ns(pooled);
    pooled->idle_turn = (uint32_t)loop_stats(pool->loop)->turns;
    pooled->idle_limit_ms = idle_limit_ms(transport);
    pooled->learned = learns(transport);
    pooled->generation = idle_limit_generation(pooled->host->idle_limit);
}

static void make_idle(struct pooled *pooled, struct list *stack, const struct transport *transport)
{
    pool_begin_idle(pooled, transport);
    list_push_front(stack, &pooled->by_host);
    list_push_back(&pooled->pool->by_age, &pooled->by_age);
    announce(pooled);
}

/* It is most often the oldest of all, so its place is looked for from there. */
void pool_link(struct pooled *pooled, struct list *stack)
{
    struct list *by_age = &pooled->pool->by_age;
    struct list_node *older = by_age->head.next, *newer = stack->head.prev;

    while (older != &by_age->head && container_of(older, struct pooled, by_age)->idle_since_ns < pooled->idle_since_ns)
        older = older->next;
    list_insert_after(by_age, older->prev, &pooled->by_age);
    while (newer != &stack->head && container_of(newer, struct pooled, by_host)->idle_since_ns < pooled->idle_since_ns)
        newer = newer->prev;
    list_insert_after(stack, newer, &pooled->by_host);
    announce(pooled);
}

static void take_back(struct pooled *pooled)
{
    ASSERT(pooled->pool->lent > 0);
    pooled->pool->lent--;
    list_remove(&pooled->pool->lent_conns, &pooled->by_age);
    host_count_add(&pool_counts(pooled->pool, pooled->host)->active, -1);
}

bool pool_is_used_up(const struct pooled *pooled, const struct transport *transport)
{
    return transport->max_requests_per_connection > 0 &&
           pooled->uses >= (uint64_t)transport->max_requests_per_connection;
}

/* What the host has told, or was seen to do: is there a point in keeping it? */
static bool host_keeps_it(const struct pooled *pooled, const struct transport *transport)
{
    struct idle_limit *limit = pooled->host->idle_limit;
    struct http_conn_facts facts;

    if (!learns(transport))
        return true;
    http_facts(pooled->conn, &facts);
    if (!transport->ignore_hints && (facts.hint_timeout_s >= 0 || facts.hint_max >= 0) &&
        !idle_limit_hint(limit, facts.hint_timeout_s, facts.hint_max))
        return false;
    return idle_limit_retire_after_ns(limit) > 0 && !idle_limit_is_spent(limit, pooled->pool->worker, pooled->uses);
}

/* Why a connection that cannot carry another request goes. */
static enum reason reason_of(const struct pooled *pooled, const struct transport *transport, bool wanted,
                             enum side *side)
{
    struct http_conn_facts facts;

    http_facts(pooled->conn, &facts);
    if (pooled->withdrawn) {
        *side = (enum side)pooled->left_side;
        return (enum reason)pooled->left_for;
    }
    *side = SIDE_PEER;
    switch (facts.unfit) {
    case HTTP_UNFIT_PEER:
    case HTTP_UNFIT_VERSION:
    case HTTP_UNFIT_CLOSED:
        return REASON_PEER_CLOSE_ANNOUNCED;
    case HTTP_UNFIT_GOAWAY:
        return REASON_GOAWAY;
    case HTTP_UNFIT_NO_LENGTH:
        return REASON_NO_LENGTH;
    case HTTP_UNFIT_FRAMING:
        return REASON_BAD_FRAMING;
    case HTTP_UNFIT_SURPLUS:
        return REASON_STRAY_BYTES;
    case HTTP_UNFIT_BLANK:
        return REASON_STRAY_CRLF;
    case HTTP_UNFIT_UNFINISHED:
        return REASON_EARLY_RESPONSE;
    case HTTP_UNFIT_TIMEOUT:
        return REASON_ANSWER_FAILED;
    case HTTP_UNFIT_TUNNEL:
        return REASON_TUNNEL;
    case HTTP_UNFIT_OURS:
    case HTTP_UNFIT_USED_UP:
    case HTTP_FIT:
        break;
    }
    *side = SIDE_OURS;
    if (pool_is_old(pooled))
        return REASON_AGE;
    if (facts.unfit == HTTP_UNFIT_USED_UP || pool_is_used_up(pooled, transport))
        return REASON_COUNT;
    if (transport->disable_keep_alives)
        return REASON_KEEP_ALIVE_OFF;
    if (addresses_has_left(pooled))
        return REASON_ADDRESS_GONE;
    if (pooled->uneven)
        return REASON_REBALANCED;
    if (quarantine_holds(&pooled->host->quarantine, loop_now_ns(pooled->pool->loop)))
        return REASON_QUARANTINE;
    return wanted ? REASON_CAP_EVICTED : REASON_LEARNED_EXPIRED;
}

enum reason pool_reason_of_stray(const struct pooled *pooled)
{
    struct http_conn_facts facts;

    http_facts(pooled->conn, &facts);
    return facts.unfit == HTTP_UNFIT_BLANK ? REASON_STRAY_CRLF : REASON_STRAY_BYTES;
}

void pool_sample_stray(const struct pooled *pooled, struct stray_sample *sample)
{
    const struct pool *pool = pooled->pool;
    struct http_conn_facts facts;

    if (pool->said_by == pooled->id) {
        *sample = pool->said;
        return;
    }
    http_facts(pooled->conn, &facts);
    *sample = (struct stray_sample){0};
    stray_sample_take(sample, facts.surplus);
}

void pool_note_said(const struct pooled *pooled, struct str bytes)
{
    stray_sample_take(&pooled->pool->said, bytes);
    pooled->pool->said_by = pooled->id;
}

void pool_note_stray(struct pooled *pooled, enum stray stray)
{
    const struct host *host = pooled->host;
    struct host_rules rules = hosts_rules(pooled->pool->hosts);
    char text[STRAY_SAMPLE_TEXT];
    struct stray_sample sample;

    if (!quarantine_note(&pooled->host->quarantine, &rules.quarantine, stray, loop_now_ns(pooled->pool->loop)))
        return;
    pool_sample_stray(pooled, &sample);
    LOG(LOG_WARNING, "upstream",
        "%.*s: bytes that nobody asked for, on connection %u behind %u requests: its connections carry one request "
        "each "
        "for %llu s. The first bytes: \"%s\"",
        STR_ARG(host->url), pooled->id, pooled->uses,
        (unsigned long long)(atomic_load_explicit(&host->quarantine.length_ns, memory_order_relaxed) / 1000000000),
        stray_sample_text(&sample, text));
}

bool pool_is_worth_keeping(struct pooled *pooled, const struct transport *transport)
{
    bool has_room = http_room(pooled->conn) > 0 || shared_note_pause(pooled);

    return !transport->disable_keep_alives && has_room && !pool_is_old(pooled) && !pool_is_used_up(pooled, transport) &&
           !pooled->withdrawn && !pooled->uneven && !addresses_has_left(pooled) &&
           !quarantine_holds(&pooled->host->quarantine, loop_now_ns(pooled->pool->loop)) &&
           host_keeps_it(pooled, transport);
}

void pool_settle(struct pooled *pooled, const struct transport *transport)
{
    struct list *stack = pool_stack(pooled->pool, pooled->host);
    bool wanted = pool_is_worth_keeping(pooled, transport);
    enum reason reason;
    enum side side;

    if (wanted)
        watch_returned(pooled);
    if (stack && wanted && pool_admit(pooled->pool, pooled->host, transport)) {
        make_idle(pooled, stack, transport);
        if (UNLIKELY(atomic_load_explicit(&pooled->host->waiting, memory_order_relaxed) > 0))
            pool_share(pooled);
        return;
    }
    reason = reason_of(pooled, transport, wanted, &side);
    if (reason == REASON_STRAY_BYTES || reason == REASON_STRAY_CRLF)
        pool_note_stray(pooled, STRAY_BEHIND_ANSWER);
    pool_destroy(pooled, reason, side);
}

/* On the shortest ways bytes cross no request: there the kernels are done with each other before we could look. How
 * long a host under load takes to acknowledge makes no way longer. */
static bool is_far(const struct tcp_facts *facts)
{
    return (facts->rtt_least_ns > 0 ? facts->rtt_least_ns : facts->rtt_ns) >= FAR_RTT_NS;
}

/* Now and then the kernel is asked for the round trip to the host: the learner's margin depends on it. */
static void sample_rtt(struct pooled *pooled)
{
    struct tcp_facts facts;

    if (pooled->uses % RTT_EVERY_USES != 1 || !stream_facts(pooled->conn->stream, &facts) || facts.rtt_ns == 0)
        return;
    pooled->far = is_far(&facts);
    pooled->rtt_us = facts.rtt_ns / 1000 < UINT32_MAX ? (uint32_t)(facts.rtt_ns / 1000) : UINT32_MAX;
    idle_limit_rtt(pooled->host->idle_limit, pooled->pool->worker, facts.rtt_ns);
    path_note_rtt(&pooled->host->path, facts.rtt_ns);
}

/* ... and the clock for how long a request waits between the look at its connection and the write: so much older the
 * connection is when the bytes leave. */
void pool_sent(struct pooled *pooled)
{
    if (pooled->uses % LAG_EVERY_USES == 1 && pooled->streams <= 1)
        idle_limit_lag(pooled->host->idle_limit, pooled->pool->worker,
                       loop_clock_ns(pooled->pool->loop) - pooled->lent_ns);
}

void pool_return(struct pooled *pooled, const struct transport *transport)
{
    sample_rtt(pooled);
    if (pooled->conn->multiplexed && shared_end_stream(pooled))
        return;
    take_back(pooled);
    pool_settle(pooled, transport);
}

void pool_discard(struct pooled *pooled, enum reason reason, enum side side)
{
    take_back(pooled);
    pool_destroy(pooled, reason, side);
}

void pool_flush(struct pool *pool)
{
    pool_end_warm_dials(pool);
    shared_flush(pool);
    for (struct list_node *node; (node = list_first(&pool->by_age));)
        pool_retire(container_of(node, struct pooled, by_age), REASON_DRAIN);
}
