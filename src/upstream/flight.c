/* flight.c: see the header. Start with run_looks. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/flight.h"

#include "base/assert.h"
#include "base/log.h"
#include "upstream/handoff.h"

#include <stdlib.h>

static void leave(struct flight *flight)
{
    if (flight->list)
        list_remove(flight->list, &flight->node);
    flight->list = NULL;
}

static void enter(struct flight *flight, struct list *list)
{
    leave(flight);
    list_push_back(list, &flight->node);
    flight->list = list;
}

static void tell(const struct flight *flight, const struct path_flight *look)
{
    LOG(LOG_WARNING, "upstream",
        "%.*s: the path is silent: nothing acknowledged for %llu ms, %u time-outs, after %llu s idle",
        STR_ARG(flight->pooled->host->url), (unsigned long long)((look->now_ns - look->sent_at_ns) / 1000000),
        (unsigned)look->facts.retransmits, (unsigned long long)(look->idle_ns / 1000000000));
}

/* The latest moment at which any worker got an answer. */
uint64_t flight_host_answered_ns(const struct host *host)
{
    uint64_t latest_ns = 0;

    for (unsigned i = 0; i < host->workers; i++) {
        uint64_t at_ns = atomic_load_explicit(&host->counts[i].progress_ns, memory_order_relaxed);

        latest_ns = at_ns > latest_ns ? at_ns : latest_ns;
    }
    return latest_ns;
}

static void look_at(struct flights *flights, struct flight *flight)
{
    struct path_flight look = {
        .now_ns = loop_now_ns(flights->loop),
        .sent_at_ns = flight->sent_at_ns,
        .idle_ns = flight->idle_ns,
        .answered_ns = flight_host_answered_ns(flight->pooled->host),
    };

    if (!stream_facts(flight->pooled->conn->stream, &look.facts)) {
        leave(flight);
        return;
    }
    switch (path_look(&flight->pooled->host->path, &flight->doubt, &look, &flight->look_at_ns)) {
    case PATH_FINE:
        flight->pooled->lossy = false;
        leave(flight);
        break;
    case PATH_WAIT:
        flight->pooled->lossy |= flight->doubt.since_ns > 0;
        enter(flight, &flights->looked);
        break;
    case PATH_DEAD:
        tell(flight, &look);
        leave(flight);
        flight->dead = true;
        task_wake(flights->loop, flight->task);
        flights_tell(flight->pooled->pool, flight->pooled->host);
        break;
    }
}

static void look_at_fresh(struct flights *flights)
{
    for (struct list_node *node; (node = list_first(&flights->fresh));) {
        struct flight *flight = container_of(node, struct flight, node);

        if (flight->look_at_ns > loop_now_ns(flights->loop))
            return;
        look_at(flights, flight);
    }
}

/* Those that are looked at go to the end of the list, or out of it. */
static void look_at_others(struct flights *flights)
{
    struct list_node *last = list_last(&flights->looked), *node = list_first(&flights->looked), *next;

    for (bool more = node; more; node = next) {
        struct flight *flight = container_of(node, struct flight, node);

        more = node != last;
        next = more ? list_next(&flights->looked, node) : NULL;
        if (flight->look_at_ns <= loop_now_ns(flights->loop))
            look_at(flights, flight);
    }
}

static uint64_t next_look_ns(const struct flights *flights)
{
    struct list_node *first = list_first(&flights->fresh);
    uint64_t next_ns = first ? container_of(first, struct flight, node)->look_at_ns : TIMER_OFF;

    for (struct list_node *node = list_first(&flights->looked); node; node = list_next(&flights->looked, node)) {
        uint64_t at_ns = container_of(node, struct flight, node)->look_at_ns;

        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    return next_ns;
}

static void run_looks(struct task *task)
{
    struct flights *flights = container_of(task, struct flights, task);

    look_at_others(flights);
    look_at_fresh(flights);
    timer_set(flights->loop, &flights->timer, next_look_ns(flights));
}

void flights_init(struct flights *flights, struct loop *loop)
{
    *flights = (struct flights){.loop = loop, .task = {.run = run_looks}};
    flights->timer = (struct timer){.at_ns = TIMER_OFF, .task = &flights->task};
    list_init(&flights->fresh);
    list_init(&flights->looked);
    list_init(&flights->dials);
}

void flights_end(struct flights *flights)
{
    ASSERT(list_is_empty(&flights->fresh));
    ASSERT(list_is_empty(&flights->looked));
    ASSERT(list_is_empty(&flights->dials));
    timer_clear(flights->loop, &flights->timer);
    task_forget(flights->loop, &flights->task);
}

void flight_begin(struct flights *flights, struct flight *flight, struct pooled *pooled, struct task *task)
{
    ASSERT(!flight->pooled);
    flight->pooled = pooled;
    flight->task = task;
    flight->sent_at_ns = loop_now_ns(flights->loop);
    flight->idle_ns = pooled_was_idle(pooled) && pooled->streams <= 1 ? pooled->used_at_idle_ns : 0;
    flight->look_at_ns = flight->sent_at_ns + PATH_FIRST_LOOK_NS;
    enter(flight, &flights->fresh);
    /* As a rule it stands for another that is due before. */
    if (flights->timer.at_ns > flight->look_at_ns || flights->timer.fired)
        timer_set(flights->loop, &flights->timer, flight->look_at_ns);
}

void flight_over(struct flights *flights, struct flight *flight, bool heard)
{
    if (!flight->pooled)
        return;
    path_over(&flight->pooled->host->path, &flight->doubt, heard, loop_now_ns(flights->loop));
    leave(flight);
    *flight = (struct flight){0};
}

void flight_dial_begin(struct flights *flights, struct flight_dial *dial, const struct host *host, struct task *task)
{
    dial->host = host;
    dial->task = task;
    if (!list_holds(&dial->node))
        list_push_back(&flights->dials, &dial->node);
}

void flight_dial_over(struct flights *flights, struct flight_dial *dial)
{
    if (list_holds(&dial->node))
        list_remove(&flights->dials, &dial->node);
}

/* Those not looked at yet go to the list where the order of times does not matter. */
static bool hurry(struct flights *flights, struct list *list, const struct host *host)
{
    bool any = false;

    for (struct list_node *node = list_first(list), *next; node; node = next) {
        struct flight *flight = container_of(node, struct flight, node);

        next = list_next(list, node);
        if (flight->pooled->host != host)
            continue;
        flight->look_at_ns = loop_now_ns(flights->loop);
        if (list == &flights->fresh)
            enter(flight, &flights->looked);
        any = true;
    }
    return any;
}

void flights_hurry(struct flights *flights, const struct host *host)
{
    bool looked = hurry(flights, &flights->looked, host), fresh = hurry(flights, &flights->fresh, host);

    if (looked || fresh)
        timer_set(flights->loop, &flights->timer, loop_now_ns(flights->loop));
    for (struct list_node *node = list_first(&flights->dials); node; node = list_next(&flights->dials, node)) {
        const struct flight_dial *dial = container_of(node, struct flight_dial, node);

        if (dial->host == host)
            task_wake(flights->loop, dial->task);
    }
}

struct news {
    struct pool_errand errand;
    const struct host *host; /* not to be looked into */
};

static void run_news(struct pool_errand *errand, struct pool *pool)
{
    struct news *news = container_of(errand, struct news, errand);

    flights_hurry(pool_flights(pool), news->host);
    free(news);
}

/* The host may be forgotten before that is read, which only compares it. Without memory they find out by themselves. */
static void send_news(struct pool *pool, const struct host *host)
{
    struct news *news = malloc(sizeof(*news));

    if (!news)
        return;
    *news = (struct news){.errand = {.run = run_news}, .host = host};
    if (!pool_send_errand(pool, &news->errand))
        free(news);
}

void flights_tell(struct pool *pool, struct host *host)
{
    if (LIKELY(!path_take_news(&host->path)))
        return;
    flights_hurry(pool_flights(pool), host);
    for (unsigned i = 0; i < host->workers; i++) {
        struct pool *other = i == pool_worker(pool) ? NULL : hosts_pool(pool_hosts(pool), i);

        if (other)
            send_news(other, host);
    }
}
