/* pulse.c: see the header. Start with run_pulse. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/pulse.h"

#include "base/log.h"
#include "http/h2/h2.h"
#include "upstream/pool_internal.h"
#include "upstream/shared.h"

#include <stdlib.h>

enum {
    DOUBLINGS_MAX = 10, /* of the time between PINGs: three and a half days */
    BARE_MAX = 2,       /* PINGs to a server of gRPC that no HEADERS or DATA of it follow */
};
/* Servers of gRPC end a connection at the third PING that came within five minutes of the one before, unless they sent
 * HEADERS or DATA in between (gRFC A8). Their clock may be slower than ours. */
#define GRPC_INTERVAL_NS UINT64_C(303000000000)
/* Pace: ping_after, ping_interval and ping_timeout are the limits. */
#define WEAK_AFTER_NS UINT64_C(5000000000)
#define LOOK_AGAIN_NS UINT64_C(1000000000)

static uint64_t or_preset(int64_t setting_ns, int64_t preset_ns)
{
    return (uint64_t)(setting_ns > 0 ? setting_ns : preset_ns);
}

struct pulse *pulse_new(struct pooled *pooled, const struct transport *transport)
{
    struct pulse *pulse = calloc(1, sizeof(*pulse));

    if (!pulse)
        return NULL;
    pulse->pooled = pooled;
    pulse->heard_ns = loop_now_ns(pooled->pool->loop);
    pulse->after_ns = or_preset(transport->ping_after_ns, 0);
    pulse->interval_ns = or_preset(transport->ping_interval_ns, TRANSPORT_PING_INTERVAL_NS);
    pulse->timeout_ns = or_preset(transport->ping_timeout_ns, TRANSPORT_PING_TIMEOUT_NS);
    return pulse;
}

static void leave(struct pulse *pulse)
{
    if (list_holds(&pulse->node))
        list_remove(&pulse->pooled->pool->pulses, &pulse->node);
}

void pulse_free(struct pooled *pooled)
{
    if (pooled->pulse)
        leave(pooled->pulse);
    free(pooled->pulse);
    pooled->pulse = NULL;
}

static uint64_t add_ns(uint64_t at_ns, uint64_t more_ns)
{
    uint64_t sum_ns;

    return add_ok(&sum_ns, at_ns, more_ns) ? sum_ns : TIMER_OFF;
}

static bool is_borne_no_longer(const struct h2_client_facts *facts)
{
    return facts->grpc && facts->pings_bare >= BARE_MAX;
}

static uint64_t interval_ns(const struct pulse *pulse, const struct h2_client_facts *facts)
{
    if (is_borne_no_longer(facts) && pulse->interval_ns < GRPC_INTERVAL_NS)
        return GRPC_INTERVAL_NS;
    return pulse->interval_ns;
}

/* To a host that found it too much, twice as long each time, and as long before the first one (keepalive G.6 121).
 * Servers of gRPC count from when it came: no later than its answer left. */
static uint64_t allowed_ns(const struct pulse *pulse, const struct h2_client_facts *facts)
{
    const struct pooled *pooled = pulse->pooled;
    uint32_t doublings = atomic_load_explicit(&pooled->host->ping_doublings, memory_order_relaxed);
    uint64_t every_ns = interval_ns(pulse, facts), last_ns = pulse->pinged_ns;

    for (uint32_t i = 0; i < doublings && i < DOUBLINGS_MAX && every_ns < TIMER_OFF / 2; i++)
        every_ns *= 2;
    if (pulse->pinged_ns == 0)
        return doublings == 0 ? 0 : add_ns(pooled->conn->opened_ns, every_ns);
    if (facts->grpc && facts->ping_answered_ns > last_ns)
        last_ns = facts->ping_answered_ns;
    return add_ns(last_ns, every_ns);
}

/* How long it may be silent before it is asked. */
static uint64_t patience_ns(const struct pulse *pulse)
{
    const struct pooled *pooled = pulse->pooled;
    uint64_t wall_ns = path_idle_max_ns(&pooled->host->path, loop_now_ns(pooled->pool->loop));
    uint64_t most_ns = wall_ns > PULSE_AFTER_MIN_NS ? wall_ns : PULSE_AFTER_MIN_NS;

    return u64_min(pulse->after_ns, most_ns);
}

static bool is_asked(const struct h2_client_facts *facts)
{
    return facts->ping_sent_ns > facts->ping_answered_ns;
}

/* Silence since the host's last byte, or since there are requests: one more each second is no answer. */
static uint64_t due_ns(const struct pulse *pulse, const struct h2_client_facts *facts)
{
    uint64_t since_ns = facts->heard_ns > pulse->heard_ns ? facts->heard_ns : pulse->heard_ns;
    uint64_t at_ns = add_ns(since_ns, patience_ns(pulse)), allowed = allowed_ns(pulse, facts);

    if (pulse->after_ns == 0 || pulse->pooled->streams == 0)
        return TIMER_OFF;
    return at_ns > allowed ? at_ns : allowed;
}

/* Whatever else came meanwhile is life too: then it has to be silent anew. */
static uint64_t end_ns(const struct pulse *pulse, const struct h2_client_facts *facts)
{
    uint64_t anew_ns = pulse->after_ns > 0 ? pulse->after_ns : PULSE_AFTER_MIN_NS;

    if (facts->heard_ns <= facts->ping_sent_ns)
        return add_ns(facts->ping_sent_ns, pulse->timeout_ns);
    return add_ns(add_ns(facts->heard_ns, anew_ns), pulse->timeout_ns);
}

static void arm(struct pool *pool, uint64_t at_ns)
{
    struct timer *timer = &pool->pulse_timer;

    if (at_ns != TIMER_OFF && (timer->at_ns == TIMER_OFF || timer->fired || timer->at_ns > at_ns))
        timer_set(pool->loop, timer, at_ns);
}

static void ask(struct pulse *pulse)
{
    struct pooled *pooled = pulse->pooled;

    if (!h2_client_ping(pooled->conn))
        return;
    pulse->pinged_ns = loop_now_ns(pooled->pool->loop);
    host_count_add(&pool_counts(pooled->pool, pooled->host)->pings, 1);
}

/* Its requests fail, and with the last of them it is closed; an idle one at once. */
static void give_up(struct pulse *pulse)
{
    struct pooled *pooled = pulse->pooled;
    struct host *host = pooled->host;
    struct error err;

    LOG(LOG_DEBUG, "upstream", "%.*s: no answer to a PING: connection %u is given up", STR_ARG(host->url), pooled->id);
    host_count_add(&pool_counts(pooled->pool, host)->ping_timeouts, 1);
    if (pooled->streams == 0) {
        pool_retire(pooled, REASON_PING_TIMEOUT);
        return;
    }
    error_set(&err, FAULT_UPSTREAM, ERROR_DEAD_PATH, "%.*s: no answer to a PING", STR_ARG(host->url));
    pool_withdraw(pooled, REASON_PING_TIMEOUT, SIDE_OURS);
    leave(pulse);
    h2_client_give_up(pooled->conn, &err);
}

/* What the host sends may let a PING leave earlier than it is due by now. */
static uint64_t next_look_ns(const struct pulse *pulse, const struct h2_client_facts *facts, uint64_t now_ns)
{
    uint64_t at_ns = due_ns(pulse, facts);

    if (at_ns == TIMER_OFF || !is_borne_no_longer(facts))
        return at_ns;
    return u64_min(at_ns, add_ns(now_ns, patience_ns(pulse)));
}

/* When it is to be looked at again; TIMER_OFF: it needs no more looks, and may be gone. */
static uint64_t look_at(struct pulse *pulse, uint64_t now_ns)
{
    const struct pooled *pooled = pulse->pooled;
    struct h2_client_facts facts;

    h2_client_facts(pooled->conn, &facts);
    if (is_asked(&facts) && now_ns >= end_ns(pulse, &facts)) {
        give_up(pulse);
        return TIMER_OFF;
    }
    if (!is_asked(&facts) && now_ns >= due_ns(pulse, &facts)) {
        ask(pulse);
        h2_client_facts(pooled->conn, &facts);
    }
    if (is_asked(&facts))
        return end_ns(pulse, &facts);
    if (pooled->streams == 0)
        leave(pulse);
    return next_look_ns(pulse, &facts, now_ns);
}

static void run_pulse(struct task *task)
{
    struct pool *pool = container_of(task, struct pool, pulse_task);
    uint64_t now_ns = loop_now_ns(pool->loop), next_ns = TIMER_OFF;
    struct list_node *next;

    timer_clear(pool->loop, &pool->pulse_timer);
    for (struct list_node *node = list_first(&pool->pulses); node; node = next) {
        next = list_next(&pool->pulses, node);
        next_ns = u64_min(next_ns, look_at(container_of(node, struct pulse, node), now_ns));
    }
    /* One that is at its end takes no PING, and will be gone soon. */
    arm(pool, next_ns > now_ns ? next_ns : now_ns + LOOK_AGAIN_NS);
}

void pulse_open(struct pool *pool)
{
    list_init(&pool->pulses);
    pool->pulse_task.run = run_pulse;
    pool->pulse_timer = (struct timer){.at_ns = TIMER_OFF, .task = &pool->pulse_task};
}

void pulse_close(struct pool *pool)
{
    ASSERT(list_is_empty(&pool->pulses));
    timer_clear(pool->loop, &pool->pulse_timer);
    task_forget(pool->loop, &pool->pulse_task);
}

void pulse_begin(struct pooled *pooled)
{
    struct pulse *pulse = pooled->pulse;

    if (!pulse)
        return;
    pulse->heard_ns = loop_now_ns(pooled->pool->loop);
    if (pooled->bound)
        return;
    if (!list_holds(&pulse->node))
        list_push_back(&pooled->pool->pulses, &pulse->node);
    if (pulse->after_ns > 0)
        arm(pooled->pool, add_ns(pulse->heard_ns, patience_ns(pulse)));
}

void pulse_heard(struct pooled *pooled)
{
    if (pooled->pulse)
        pooled->pulse->heard_ns = loop_now_ns(pooled->pool->loop);
}

uint64_t pulse_heard_ns(const struct pooled *pooled)
{
    return pooled->pulse ? pooled->pulse->heard_ns : pooled->conn->opened_ns;
}

/* An answer may take its time. Where no answer has shown yet that the path bears so long a silence, a PING goes along:
 * never without a request, and never more often than servers bear. */
void pulse_prove(struct pooled *pooled)
{
    struct pulse *pulse = pooled->pulse;
    uint64_t now_ns = loop_now_ns(pooled->pool->loop);
    struct h2_client_facts facts;

    if (!pulse || pooled->used_at_idle_ns < PULSE_AFTER_MIN_NS || pooled->used_at_idle_ns <= pooled->survived_ns)
        return;
    h2_client_facts(pooled->conn, &facts);
    /* It comes in front of the request: to an idle server of gRPC even one in two hours is too many. */
    if (is_borne_no_longer(&facts) || now_ns < allowed_ns(pulse, &facts))
        return;
    ask(pulse);
    if (!pooled->bound)
        arm(pooled->pool, add_ns(now_ns, pulse->timeout_ns));
}

bool pulse_is_weak(const struct pooled *pooled, uint64_t now_ns)
{
    const struct pulse *pulse = pooled->pulse;
    struct h2_client_facts facts;

    if (!pulse || pulse->pinged_ns == 0 || now_ns - pulse->pinged_ns < u64_min(WEAK_AFTER_NS, pulse->timeout_ns))
        return false;
    h2_client_facts(pooled->conn, &facts);
    return facts.heard_ns < facts.ping_sent_ns && is_asked(&facts);
}
