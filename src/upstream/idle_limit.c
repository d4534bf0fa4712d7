/* idle_limit.c: decisions about idle connections, and the events that they are learned from. Not here: what is
 * concluded (idle_learn.c). Start with idle_limit_may_use. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/idle_limit.h"

#include "base/assert.h"
#include "upstream/idle_limit_internal.h"

#include <stdlib.h>
#include <string.h>

#define STALE_AGAIN_NS 1000000000 /* a second stale hit so soon: the host has probably restarted. A guess, no limit */

enum idle_use idle_limit_may_use(const struct idle_limit *limit, const struct idle_pick *pick)
{
    if (pick->idle_ns >= load_u64(&limit->usable_ns))
        return IDLE_USE_RETIRE;
    if (pick->idempotent)
        return IDLE_USE_YES;
    if (pick->generation != load_u32(&limit->generation) && pick->idle_ns >= load_u64(&limit->herd_ns))
        return IDLE_USE_HERD;
    if (pick->idle_ns < load_u64(&limit->any_ns) ||
        (pick->idle_ns <= pick->survived_ns && pick->idle_ns < load_u64(&limit->strict_ns)))
        return IDLE_USE_YES;
    return IDLE_USE_NO;
}

static const struct idle_rule preset = {IDLE_CEILING_NS, IDLE_UNKNOWN_REPLAY_NS, IDLE_UNKNOWN_ANY_NS,
                                        IDLE_SENTINELS_MAX};

struct idle_limit *idle_limit_new(unsigned workers)
{
    size_t size = sizeof(struct idle_limit) + workers * sizeof(struct idle_table);
    struct idle_limit *limit = aligned_alloc(_Alignof(struct idle_limit), size);

    ASSERT(workers >= 1);
    if (!limit)
        return NULL;
    memset(limit, 0, size);
    if (pthread_mutex_init(&limit->lock, NULL) != 0) {
        free(limit);
        return NULL;
    }
    limit->workers = workers;
    limit->hint_ns = HINT_NONE;
    atomic_store(&limit->hint_s, -1);
    store_u64(&limit->herd_ns, UINT64_MAX);
    store_u64(&limit->suspect_ns, UINT64_MAX);
    idle_limit_obey(limit, &preset);
    return limit;
}

void idle_limit_free(struct idle_limit *limit)
{
    if (!limit)
        return;
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

void idle_limit_configure(struct idle_limit *limit, const struct idle_limit_options *options)
{
    pthread_mutex_lock(&limit->lock);
    limit->configured_ns = options->timeout_ns;
    limit->eager = options->eager;
    idle_learn(limit);
    pthread_mutex_unlock(&limit->lock);
}

static bool has_seen_nothing(const struct idle_limit *limit)
{
    for (unsigned i = 0; i < limit->workers; i++)
        if (load_u32(&limit->tables[i].events) > 0)
            return false;
    return limit->closes == 0 && limit->stale_hits == 0;
}

void idle_limit_prior(struct idle_limit *limit, uint64_t limit_ns)
{
    uint64_t usable_ns = idle_usable_ns(limit_ns, idle_margin_ns(limit_ns, 0, 0));

    pthread_mutex_lock(&limit->lock);
    if (has_seen_nothing(limit)) {
        limit->bound_ns = u64_min(usable_ns, limit->rule.ceiling_ns);
        idle_learn(limit);
    }
    pthread_mutex_unlock(&limit->lock);
}

/* A bound that has grown is kept. */
void idle_limit_obey(struct idle_limit *limit, const struct idle_rule *rule)
{
    pthread_mutex_lock(&limit->lock);
    if (limit->bound_ns == limit->rule.start_ns)
        limit->bound_ns = rule->start_ns;
    limit->bound_ns = u64_min(limit->bound_ns, rule->ceiling_ns);
    limit->rule = *rule;
    atomic_store_explicit(&limit->sentinels_max, rule->sentinels_max, memory_order_relaxed);
    idle_learn(limit);
    pthread_mutex_unlock(&limit->lock);
}

static struct idle_table *table_of(struct idle_limit *limit, unsigned worker)
{
    ASSERT(worker < limit->workers);
    return &limit->tables[worker];
}

/* Every survival counts against a suspected new limit; those at the edge of what is allowed let it grow. */
static void count_survival(struct idle_limit *limit, struct idle_table *table, uint64_t idle_ns)
{
    idle_table_survived(table, load_u32(&limit->epoch), idle_ns);
    if (UNLIKELY(idle_ns >= load_u64(&limit->suspect_ns)))
        idle_count_add(&table->past_suspect, 1);
}

void idle_limit_survived(struct idle_limit *limit, const struct idle_end *end)
{
    struct idle_table *table = table_of(limit, end->worker);
    bool look = false;

    count_survival(limit, table, end->idle_ns);
    if (UNLIKELY(end->requests >= load_u32(&table->requests_most)))
        atomic_store_explicit(&table->requests_most, end->requests + 1, memory_order_relaxed);
    if (end->age_ns > load_u64(&table->age_most_ns))
        store_u64(&table->age_most_ns, end->age_ns);
    if (UNLIKELY(end->idle_ns >= load_u64(&limit->probe_ns))) {
        idle_count_add(&table->probes, 1);
        look = true;
    }
    if (UNLIKELY(look || load_u32(&table->events) % SETTLE_EVENTS == 0))
        idle_learn_try(limit);
}

static void leave_sentinel_place(struct idle_limit *limit, const struct idle_end *end)
{
    if (end->sentinel)
        ASSERT(atomic_fetch_sub_explicit(&limit->sentinels, 1, memory_order_relaxed) > 0);
}

void idle_limit_retired(struct idle_limit *limit, const struct idle_end *end)
{
    count_survival(limit, table_of(limit, end->worker), end->idle_ns);
    if (!end->sentinel)
        return;
    leave_sentinel_place(limit, end);
    pthread_mutex_lock(&limit->lock);
    idle_learn_sentinel(limit, end->idle_ns);
    pthread_mutex_unlock(&limit->lock);
}

static struct close_refuters refuters_of(const struct idle_limit *limit)
{
    struct close_refuters most = {0};

    for (unsigned i = 0; i < limit->workers; i++) {
        uint32_t requests = load_u32(&limit->tables[i].requests_most);
        uint64_t age_ns = load_u64(&limit->tables[i].age_most_ns);

        most.requests_most = requests > most.requests_most ? requests : most.requests_most;
        most.age_most_ns = age_ns > most.age_most_ns ? age_ns : most.age_most_ns;
    }
    return most;
}

/* Older generations are barred for what is not idempotent, from herd_ns on. */
static void begin_generation(struct idle_limit *limit, uint64_t herd_ns)
{
    store_u64(&limit->herd_ns, herd_ns);
    atomic_fetch_add_explicit(&limit->generation, 1, memory_order_relaxed);
}

static void forget_withdrawn(struct idle_limit *limit, const struct close_withdrawn *withdrawn)
{
    for (uint32_t i = 0; i < withdrawn->count; i++) {
        uint32_t *closed = &limit->closed[idle_bucket(withdrawn->idle_ns[i])];

        *closed -= *closed > 0;
    }
}

/* A close that fits what is believed says that it is so. Were it counted for the most that it may have been, a busy
 * second would make the limit look longer than it is. */
static uint64_t idle_age(const struct idle_limit *limit, const struct idle_end *end)
{
    uint64_t least_ns = end->idle_ns - u64_min(end->doubt_ns, end->idle_ns);

    if (limit->learned_ns == 0 || limit->learned_ns >= end->idle_ns)
        return end->idle_ns;
    return u64_max(limit->learned_ns, least_ns);
}

static struct close_facts facts_of(const struct idle_limit *limit, const struct idle_end *end)
{
    return (struct close_facts){
        .now_ns = end->now_ns,
        .idle_ns = idle_age(limit, end),
        .age_ns = end->age_ns,
        .requests = end->requests,
        .idle_conns = end->idle_conns,
        .announced = end->announced,
    };
}

static void take_class(struct idle_limit *limit, enum close_class class, const struct close_facts *facts)
{
    switch (class) {
    case CLOSE_IDLE:
        idle_learn_close(limit, facts);
        break;
    case CLOSE_RESTART:
        if (limit->restarts != limit->history.restarts)
            begin_generation(limit, 0);
        limit->restarts = limit->history.restarts;
        break;
    case CLOSE_REQUESTS:
        atomic_store_explicit(&limit->requests_max, facts->requests, memory_order_relaxed);
        break;
    case CLOSE_AGE:
    case CLOSE_ANNOUNCED:
        break;
    }
}

/* A host that closes thousands in a second says the same thing thousands of times: once much is known, only what might
 * change it is looked into at once. */
static bool is_news(const struct idle_limit *limit, const struct close_facts *facts, uint32_t withdrawn)
{
    return withdrawn || limit->closes < CLOSES_KEPT || limit->closes % LEARN_CLOSES == 0 || !limit->learned_ns ||
           facts->idle_ns < limit->learned_ns;
}

enum close_class idle_limit_closed(struct idle_limit *limit, const struct idle_end *end)
{
    struct close_facts facts;
    struct close_refuters most = refuters_of(limit);
    struct close_withdrawn withdrawn;
    enum close_class class;

    leave_sentinel_place(limit, end);
    pthread_mutex_lock(&limit->lock);
    facts = facts_of(limit, end);
    class = close_classify(&limit->history, &facts, &most, &withdrawn);
    forget_withdrawn(limit, &withdrawn);
    limit->closes++;
    take_class(limit, class, &facts);
    if (is_news(limit, &facts, withdrawn.count))
        idle_learn(limit);
    pthread_mutex_unlock(&limit->lock);
    return class;
}

/* Idle connections that are as old as the one that was found closed may be closed too. */
static void bar_herd(struct idle_limit *limit, const struct idle_end *end)
{
    uint64_t herd_ns = end->idle_ns > limit->margin_ns ? end->idle_ns - limit->margin_ns : 0;
    uint64_t since_ns = limit->stale_hits ? end->now_ns - limit->stale_at_ns : UINT64_MAX;

    /* Within a ceiling's time there may be connections from before the last hit: they stay barred too. */
    if (since_ns < limit->rule.ceiling_ns && load_u64(&limit->herd_ns) < herd_ns)
        herd_ns = load_u64(&limit->herd_ns);
    begin_generation(limit, since_ns <= STALE_AGAIN_NS ? 0 : herd_ns);
    limit->stale_hits++;
    limit->stale_at_ns = end->now_ns;
}

void idle_limit_stale(struct idle_limit *limit, const struct idle_end *end)
{
    struct close_facts facts;

    pthread_mutex_lock(&limit->lock);
    facts = facts_of(limit, end);
    if (end->idle_ns < load_u64(&limit->strict_ns))
        bar_herd(limit, end);
    else
        limit->stale_hits++;
    close_remember(&limit->history, &facts, CLOSE_IDLE);
    idle_learn_close(limit, &facts);
    idle_learn(limit);
    pthread_mutex_unlock(&limit->lock);
}

void idle_limit_suspect(struct idle_limit *limit)
{
    pthread_mutex_lock(&limit->lock);
    begin_generation(limit, 0);
    pthread_mutex_unlock(&limit->lock);
}

/* A hint of 2 h means as much as a longer one: no ceiling is higher. */
static uint64_t hint_of(int64_t timeout_s)
{
    return timeout_s > 7200 ? UINT64_C(7200000000000) : (uint64_t)timeout_s * 1000000000;
}

static void take_hint(struct idle_limit *limit, int64_t timeout_s)
{
    uint64_t hint_ns = hint_of(timeout_s);

    if (limit->hint_ns != HINT_NONE && hint_ns > limit->hint_ns && ++limit->hint_raises < HINT_RAISES)
        return;
    /* A host that promised too much is trusted again when it promises less. */
    if (hint_ns < limit->hint_ns)
        limit->contradictions = 0;
    limit->hint_ns = hint_ns;
    limit->hint_raises = 0;
    atomic_store_explicit(&limit->hint_s, timeout_s, memory_order_relaxed);
    idle_learn(limit);
}

bool idle_limit_hint(struct idle_limit *limit, int64_t timeout_s, int64_t requests_left)
{
    if (UNLIKELY(timeout_s >= 0 && timeout_s != atomic_load_explicit(&limit->hint_s, memory_order_relaxed))) {
        pthread_mutex_lock(&limit->lock);
        take_hint(limit, timeout_s);
        pthread_mutex_unlock(&limit->lock);
    }
    return timeout_s != 0 && requests_left != 0;
}

bool idle_limit_is_unknown(const struct idle_limit *limit)
{
    return load_u64(&limit->probe_ns) != UINT64_MAX;
}

void idle_limit_rtt(struct idle_limit *limit, unsigned worker, uint64_t rtt_ns)
{
    struct idle_table *table = table_of(limit, worker);

    idle_table_delay(table->rtt, &table->rtt_count, rtt_ns);
}

void idle_limit_lag(struct idle_limit *limit, unsigned worker, uint64_t lag_ns)
{
    struct idle_table *table = table_of(limit, worker);

    idle_table_delay(table->lag, &table->lag_count, lag_ns);
}

uint64_t idle_limit_retire_after_ns(const struct idle_limit *limit)
{
    return load_u64(&limit->usable_ns);
}

uint64_t idle_limit_refresh_ns(const struct idle_limit *limit)
{
    return load_u64(&limit->refresh_ns);
}

uint64_t idle_limit_sentinel_until_ns(const struct idle_limit *limit)
{
    return load_u64(&limit->sentinel_until_ns);
}

bool idle_limit_wants_sentinel(struct idle_limit *limit)
{
    uint32_t now = load_u32(&limit->sentinels);

    if (load_u64(&limit->usable_ns) >= load_u64(&limit->sentinel_until_ns))
        return false;
    while (now < load_u32(&limit->sentinels_max))
        if (atomic_compare_exchange_weak_explicit(&limit->sentinels, &now, now + 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool idle_limit_is_spent(struct idle_limit *limit, unsigned worker, uint32_t requests)
{
    uint32_t max = load_u32(&limit->requests_max);

    return max && requests >= max && load_u32(&table_of(limit, worker)->events) % REQUESTS_PROBE != 0;
}

uint32_t idle_limit_generation(const struct idle_limit *limit)
{
    return load_u32(&limit->generation);
}

void idle_limit_view(struct idle_limit *limit, struct idle_limit_view *view)
{
    pthread_mutex_lock(&limit->lock);
    *view = (struct idle_limit_view){
        .kind = limit->kind,
        .learned_ns = limit->learned_ns,
        .proven_ns = limit->proven_ns,
        .margin_ns = limit->margin_ns,
        .usable_ns = load_u64(&limit->usable_ns),
        .any_ns = load_u64(&limit->any_ns),
        .hint_ns = limit->hint_ns,
        .hint_trusted = limit->hint_ns != HINT_NONE && limit->contradictions < CONTRADICTIONS_MAX,
        .contradictions = limit->contradictions,
        .generation = load_u32(&limit->generation),
        .sentinels = load_u32(&limit->sentinels),
        .requests_max = load_u32(&limit->requests_max),
        .closes = limit->closes,
        .stale_hits = limit->stale_hits,
        .restarts = limit->restarts,
    };
    for (unsigned i = 0; i < limit->workers; i++)
        view->survivals += load_u32(&limit->tables[i].events);
    pthread_mutex_unlock(&limit->lock);
}
