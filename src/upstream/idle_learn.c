/* idle_learn.c: what a host's closes and survivals say about its idle limit, and when that has changed. Everything here
 * runs under the limit's lock. Start with idle_learn. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/idle_limit_internal.h"

#include <string.h>

static uint32_t events_of(const struct idle_limit *limit)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < limit->workers; i++)
        sum += load_u32(&limit->tables[i].events);
    return sum;
}

static uint32_t probes_of(const struct idle_limit *limit)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < limit->workers; i++)
        sum += load_u32(&limit->tables[i].probes);
    return sum;
}

static uint32_t past_suspect_of(const struct idle_limit *limit)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < limit->workers; i++)
        sum += load_u32(&limit->tables[i].past_suspect);
    return sum;
}

static void gather(const struct idle_limit *limit, struct idle_evidence *evidence)
{
    idle_tables_sum(limit->tables, limit->workers, load_u32(&limit->epoch), evidence->survived);
    for (unsigned i = 0; i < IDLE_BUCKETS; i++)
        evidence->survived[i] -= (uint32_t)u64_min(evidence->survived[i], limit->forgotten[i]);
    memcpy(evidence->closed, limit->closed, sizeof(evidence->closed));
}

/* The last close of a bucket stays until a thousand survivals speak against it: a busy host has much to tell of young
 * connections and little of old ones. */
static void decay_closed(struct idle_limit *limit)
{
    struct idle_evidence evidence;
    uint64_t at_risk = 0;

    gather(limit, &evidence);
    for (unsigned i = IDLE_BUCKETS; i-- > 0;) {
        at_risk += evidence.survived[i] + evidence.closed[i];
        if (limit->closed[i] > 1 || at_risk > 1000)
            limit->closed[i] /= 2;
    }
}

static void decay(struct idle_limit *limit)
{
    uint32_t events = events_of(limit);

    if (events - limit->decayed_at < IDLE_DECAY_EVENTS)
        return;
    limit->decayed_at = events;
    decay_closed(limit);
    for (unsigned i = 0; i < IDLE_BUCKETS; i++)
        limit->forgotten[i] /= 2;
    atomic_fetch_add_explicit(&limit->epoch, 1, memory_order_relaxed);
}

static void grow(struct idle_limit *limit)
{
    uint32_t probes = probes_of(limit);

    if (probes - limit->probes_before < GROWTH_SURVIVALS)
        return;
    limit->probes_before = probes;
    limit->bound_ns = u64_min(limit->bound_ns + limit->bound_ns / 2, limit->rule.ceiling_ns);
}

/* Buckets are 10 to 21 % wide; the youngest of the closes kept that fall into the wall's or the next one tells more. */
static uint64_t wall_ns(struct idle_limit *limit, unsigned wall)
{
    uint64_t from_ns = idle_bucket_ns(wall), to_ns = idle_bucket_ns(wall + 2 < IDLE_BUCKETS ? wall + 2 : IDLE_BUCKETS);
    uint64_t found_ns = UINT64_MAX;

    for (uint32_t i = 0; i < CLOSES_KEPT; i++) {
        const struct close_record *record = close_last(&limit->history, i);

        if (record && record->class == CLOSE_IDLE && record->idle_ns < to_ns &&
            (record->idle_ns >= from_ns || wall == 0))
            found_ns = u64_min(found_ns, record->idle_ns);
    }
    if (found_ns != UINT64_MAX)
        return found_ns;
    return limit->learned_ns >= from_ns && limit->learned_ns < to_ns ? limit->learned_ns : from_ns;
}

static bool is_hint_trusted(const struct idle_limit *limit)
{
    return limit->hint_ns != HINT_NONE && limit->contradictions < CONTRADICTIONS_MAX;
}

/* The host's limit as far as it is known, by the best source; 0: unknown. */
static uint64_t limit_of(struct idle_limit *limit)
{
    if (limit->learned_ns && limit->learned_ns < limit->hint_ns) {
        limit->kind = IDLE_LIMIT_LEARNED;
        return limit->learned_ns;
    }
    limit->kind = limit->hint_ns != HINT_NONE && (is_hint_trusted(limit) || limit->learned_ns) ? IDLE_LIMIT_HINT
                                                                                               : IDLE_LIMIT_UNKNOWN;
    return limit->kind == IDLE_LIMIT_HINT ? limit->hint_ns : 0;
}

/* How far idempotent requests may go: until the host closes. An end that the host announces is seen before use, and one
 * that crosses a request costs a re-send; to keep off a limit that is known from a few late looks would cost a dial
 * each time. */
static uint64_t eager_ns(const struct idle_limit *limit, uint64_t limit_ns, uint64_t strict_ns)
{
    if (limit->eager && limit->kind == IDLE_LIMIT_LEARNED && limit->margin_ns > limit_ns / 8)
        return limit_ns + EAGER_NS;
    return strict_ns;
}

/* Closes that were taken for a restart, and taught no limit, may have been one of milliseconds: what must not be sent
 * twice keeps well below the youngest of them, until more is known. */
static uint64_t doubtful_ns(const struct idle_limit *limit)
{
    return limit->history.restarting ? limit->history.burst_shortest_ns / 2 : UINT64_MAX;
}

static void publish(struct idle_limit *limit)
{
    uint64_t limit_ns = limit_of(limit);
    uint64_t ceiling_ns = limit->configured_ns ? limit->configured_ns : limit->rule.ceiling_ns;
    uint64_t any_ns, strict_ns, usable_ns, probe_ns = UINT64_MAX;

    if (limit->kind == IDLE_LIMIT_UNKNOWN)
        limit_ns = u64_min(limit->bound_ns, limit->hint_ns);
    limit->margin_ns = idle_margin_ns(limit_ns, idle_tables_rtt_ns(limit->tables, limit->workers),
                                      idle_tables_lag_ns(limit->tables, limit->workers));
    if (limit->kind == IDLE_LIMIT_UNKNOWN) {
        strict_ns = limit_ns; /* which never grows past the ceiling */
        any_ns = u64_max(limit->proven_ns, u64_min(limit->rule.risky_ns, doubtful_ns(limit)));
    } else {
        strict_ns = u64_min(idle_usable_ns(limit_ns, limit->margin_ns), ceiling_ns);
        any_ns = u64_max(limit->proven_ns, u64_min(limit->rule.risky_ns, limit_ns / 2));
    }
    usable_ns = u64_min(eager_ns(limit, limit_ns, strict_ns), ceiling_ns);
    if (limit->kind == IDLE_LIMIT_UNKNOWN && limit->bound_ns < limit->rule.ceiling_ns && !limit->configured_ns)
        probe_ns = limit->bound_ns - limit->bound_ns / 3;
    if (limit->configured_ns) {
        /* The operator vouches for the time; only closes that were seen below it say otherwise. */
        usable_ns = limit->configured_ns;
        if (limit->kind != IDLE_LIMIT_LEARNED)
            strict_ns = any_ns = usable_ns;
        limit->kind = IDLE_LIMIT_CONFIGURED;
    }
    store_u64(&limit->usable_ns, usable_ns);
    store_u64(&limit->refresh_ns, usable_ns > strict_ns ? strict_ns : 0);
    store_u64(&limit->strict_ns, strict_ns);
    store_u64(&limit->any_ns, u64_min(any_ns, strict_ns));
    store_u64(&limit->probe_ns, probe_ns);
    store_u64(&limit->sentinel_until_ns, limit->configured_ns ? 0 : u64_min(4 * limit_ns, limit->rule.ceiling_ns));
}

/* A connection went past the learned request limit: there is none, or a higher one. */
static void check_request_limit(struct idle_limit *limit)
{
    uint32_t max = load_u32(&limit->requests_max);

    for (unsigned i = 0; max && i < limit->workers; i++)
        if (load_u32(&limit->tables[i].requests_most) > max)
            atomic_store_explicit(&limit->requests_max, 0, memory_order_relaxed);
}

void idle_learn(struct idle_limit *limit)
{
    struct idle_evidence evidence;
    unsigned wall;

    decay(limit);
    grow(limit);
    check_request_limit(limit);
    gather(limit, &evidence);
    wall = idle_wall_bucket(&evidence);
    limit->learned_ns = wall < IDLE_BUCKETS ? wall_ns(limit, wall) : 0;
    limit->proven_ns = idle_proven_ns(&evidence, wall);
    publish(limit);
}

void idle_learn_try(struct idle_limit *limit)
{
    if (pthread_mutex_trylock(&limit->lock) != 0)
        return;
    idle_learn(limit);
    pthread_mutex_unlock(&limit->lock);
}

/* The host closes earlier than it did: survivals beyond, and later closes, tell of its past. */
static void forget_older(struct idle_limit *limit, uint64_t idle_ns)
{
    unsigned bucket = idle_bucket(idle_ns);
    uint32_t survived[IDLE_BUCKETS];

    idle_tables_sum(limit->tables, limit->workers, load_u32(&limit->epoch), survived);
    memcpy(&limit->forgotten[bucket], &survived[bucket], (IDLE_BUCKETS - bucket) * sizeof(*survived));
    for (unsigned i = bucket + 2; i < IDLE_BUCKETS; i++)
        limit->closed[i] = 0;
}

static void drop_suspect(struct idle_limit *limit)
{
    limit->suspect = (struct idle_suspect){0};
    store_u64(&limit->suspect_ns, UINT64_MAX);
}

static void suspect(struct idle_limit *limit, uint64_t idle_ns)
{
    struct idle_suspect *suspect = &limit->suspect;
    uint32_t past = past_suspect_of(limit);

    if (suspect->closes && idle_ns >= suspect->idle_ns - suspect->idle_ns / 5 &&
        idle_ns <= suspect->idle_ns + suspect->idle_ns / 4) {
        suspect->closes++;
        suspect->idle_ns = u64_min(suspect->idle_ns, idle_ns);
    } else {
        *suspect = (struct idle_suspect){.idle_ns = idle_ns, .closes = 1, .past_before = past};
        store_u64(&limit->suspect_ns, idle_ns);
    }
    if (suspect->closes < SUSPECT_CLOSES)
        return;
    if (idle_hazard_exceeds(suspect->closes, suspect->closes + (past - suspect->past_before), 1e-3))
        forget_older(limit, suspect->idle_ns);
    drop_suspect(limit);
}

/* The host keeps connections for longer than it did: closes below tell of its past. */
static void forget_younger(struct idle_limit *limit, uint64_t idle_ns)
{
    unsigned bucket = idle_bucket(idle_ns);

    memset(limit->closed, 0, bucket * sizeof(*limit->closed));
    limit->bound_ns = u64_max(limit->bound_ns, u64_min(idle_ns, limit->rule.ceiling_ns));
    limit->outlived = 0;
}

/* An idle period went to idle_ns. Did it outlive the limit, and so many before it that the limit must have moved? */
static void outlive(struct idle_limit *limit, uint64_t idle_ns)
{
    struct idle_evidence evidence;
    unsigned wall;

    if (!limit->learned_ns || idle_ns <= limit->learned_ns + limit->learned_ns / 4)
        return;
    gather(limit, &evidence);
    wall = idle_wall_bucket(&evidence);
    limit->outlived_min_ns = limit->outlived ? u64_min(limit->outlived_min_ns, idle_ns) : idle_ns;
    limit->outlived++;
    if (wall < IDLE_BUCKETS && limit->outlived >= idle_outlived_needed(&evidence, wall))
        forget_younger(limit, limit->outlived_min_ns);
}

void idle_learn_close(struct idle_limit *limit, const struct close_facts *facts)
{
    if (is_hint_trusted(limit) && facts->idle_ns < limit->hint_ns - limit->hint_ns / 10)
        limit->contradictions++;
    limit->closed[idle_bucket(facts->idle_ns)]++;
    if (!limit->learned_ns || facts->idle_ns < limit->learned_ns - limit->learned_ns / 10)
        suspect(limit, facts->idle_ns);
    if (limit->learned_ns && facts->idle_ns <= limit->learned_ns + limit->learned_ns / 4)
        limit->outlived = 0;
    outlive(limit, facts->idle_ns);
}

void idle_learn_sentinel(struct idle_limit *limit, uint64_t idle_ns)
{
    outlive(limit, idle_ns);
    if (!limit->learned_ns && idle_ns >= 2 * limit->bound_ns)
        limit->probes_before -= SENTINEL_WORTH;
    idle_learn(limit);
}
