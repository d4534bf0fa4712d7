/* fetch_connect.c: how a fetch comes by its connection: an idle one, a place on one in use (shared.h), one of another
 * worker, one to another host (coalesce.h), one from the queue at the host's cap, or a dial, its own or that of others,
 * which races with what becomes idle. Start with fetch_connect. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/fetch_internal.h"
#include "upstream/introduce.h"
#include "upstream/pool_room.h"
#include "upstream/watch.h"

#define DIAL_LOOK_NS 30000000u

static void end_dial(struct fetch *fetch, enum dial_end end)
{
    connect_free(fetch->search->dial);
    fetch->search->dial = NULL;
    pool_dial_ended(fetch->options.pool, fetch->options.host, end);
}

/* Would a connection do that has been used before? */
static bool may_be_kept(const struct fetch *fetch)
{
    return !fetch->fresh_only && !fetch->options.transport->disable_keep_alives;
}

static bool is_turn(const struct fetch *fetch)
{
    const struct dial_gate *gate = pool_gate(fetch->options.pool);

    return fetch->search ? gate_is_turn(gate, fetch->options.host, &fetch->search->gate_waiter)
                         : !gate_is_waited_for(gate, fetch->options.host);
}

/* One that carries other requests now. After a failure only one that was made later will do. */
static struct pooled *take_shared(const struct fetch *fetch)
{
    const struct fetch_options *options = &fetch->options;
    struct shared_pick pick = {
        .since_ns = fetch->fresh_only ? fetch->fresh_since_ns : 0,
        .unlike = fetch->refused_by,
    };

    return host_multiplexes(options->host) ? pool_take_shared(options->pool, options->host, options->transport, &pick)
                                           : NULL;
}

static bool take_idle(struct fetch *fetch)
{
    const struct fetch_options *options = &fetch->options;

    fetch->pooled = take_shared(fetch);
    if (!fetch->pooled && may_be_kept(fetch))
        fetch->pooled = !fetch->repeatable && pool_is_stretched(options->pool, options->host)
                            ? pool_take_any(options->pool, options->host, options->transport)
                            : pool_take(options->pool, options->host, options->transport, fetch->repeatable);
    if (fetch->pooled)
        fetch->state = FETCH_GIVE;
    return fetch->pooled;
}

/* One that is bound to this request's client connection. */
static bool take_private(struct fetch *fetch)
{
    if (may_be_kept(fetch))
        fetch->pooled = private_take(fetch->options.privates, fetch->options.host);
    if (fetch->pooled)
        fetch->state = FETCH_GIVE;
    return fetch->pooled;
}

/* The host takes no requests for now, which a connection more would not change. One that must be fresh is made all the
 * same. */
static bool is_paused(const struct fetch *fetch)
{
    return host_multiplexes(fetch->options.host) && !fetch->fresh_only &&
           pool_is_paused(fetch->options.pool, fetch->options.host);
}

/* What carries many does not move, but makes room at the host's cap. */
static bool ask_others(struct fetch *fetch)
{
    bool of_use = !host_multiplexes(fetch->options.host) || (fetch->state == FETCH_QUEUE && !is_paused(fetch));

    fetch->search->wish.task = fetch->waiter;
    return may_be_kept(fetch) && of_use &&
           pool_ask(fetch->options.pool, fetch->options.host, &fetch->search->wish, fetch->repeatable);
}

/* Until it has a connection it is among those who are woken when one becomes idle. Without memory it is not. */
static void join_race(struct fetch *fetch)
{
    fetch->search->race_waiter.task = fetch->waiter;
    if ((may_be_kept(fetch) || host_multiplexes(fetch->options.host)) &&
        !list_holds(&fetch->search->race_waiter.node) &&
        gate_wait(pool_racers(fetch->options.pool), fetch->options.host, &fetch->search->race_waiter))
        host_count_add(&fetch_counts(fetch)->racing, 1);
}

static void leave_race(struct fetch *fetch)
{
    if (!list_holds(&fetch->search->race_waiter.node))
        return;
    gate_quit(pool_racers(fetch->options.pool), fetch->options.host, &fetch->search->race_waiter);
    host_count_add(&fetch_counts(fetch)->racing, -1);
}

/* In the race: takes what has become idle, when it is our turn. */
static bool win_race(struct fetch *fetch)
{
    if (!list_holds(&fetch->search->race_waiter.node) ||
        !gate_is_turn(pool_racers(fetch->options.pool), fetch->options.host, &fetch->search->race_waiter) ||
        !take_idle(fetch))
        return false;
    leave_race(fetch);
    pool_stop_asking(fetch->options.pool, &fetch->search->wish);
    return true;
}

/* A dial that takes long is left to the pool when the host is found silent meanwhile and others can have the request.
 */
static void begin_dial_doubt(struct fetch *fetch)
{
    const struct host *host = fetch->options.host;
    uint64_t now_ns = loop_now_ns(fetch_loop(fetch));
    uint64_t look_at_ns =
        path_dial_begin(&host->path, &fetch->search->dial_doubt, dial_cost_patience_ns(&host->dial_cost), now_ns);

    fetch->search->dial_began_ns = now_ns;
    if (!fetch_has_others(fetch))
        return;
    timer_set(fetch_loop(fetch), &fetch->search->queue_timer, look_at_ns);
    flight_dial_begin(pool_flights(fetch->options.pool), &fetch->search->dial_flight, host, fetch->waiter);
}

static void end_dial_doubt(struct fetch *fetch, bool connected)
{
    flight_dial_over(pool_flights(fetch->options.pool), &fetch->search->dial_flight);
    timer_clear(fetch_loop(fetch), &fetch->search->queue_timer);
    path_over(&fetch->options.host->path, &fetch->search->dial_doubt, connected, loop_now_ns(fetch_loop(fetch)));
}

static enum io fail_memory(struct fetch *fetch, struct error *err)
{
    struct error failure;

    error_set(&failure, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to dial %.*s", STR_ARG(fetch->options.host->url));
    return fetch_fail(fetch, &failure, err);
}

static enum io start_dial(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;
    struct str first = introduction(fetch->arena, options->host->proxy_header, options->client, options->client_stream);

    /* The connection that died under it is explained by the re-send: its note is used up too. */
    fetch->reason = pool_explain(options->pool, options->host, options->transport);
    if (fetch->resends > 0)
        fetch->reason = REASON_RESEND;
    if (first.data)
        fetch->search->dial = pool_dial(options->pool, options->host, options->transport, first, fetch->waiter);
    else
        gate_leave(pool_gate(options->pool), options->host);
    fetch->state = FETCH_DIAL;
    if (fetch->search->dial) {
        begin_dial_doubt(fetch);
        join_race(fetch);
        return IO_OK;
    }
    leave_race(fetch);
    return fail_memory(fetch, err);
}

/* A slot for a new connection. IO_WAIT: the host is at its cap or takes no requests, or there is a lack of descriptors
 * or ports, or others came first. */
static enum io dial_own(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;

    if (!is_turn(fetch) || pool_owes_turn(options->pool, options->host) || is_paused(fetch))
        return IO_WAIT;
    fetch->search->lack = pool_make_room(options->pool, options->host,
                                         fetch->state == FETCH_QUEUE || options->transport->queue_timeout_ns <= 0);
    if (fetch->search->lack != ERROR_NONE || !gate_enter(options->host, options->transport->max_connections_per_host))
        return IO_WAIT;
    return start_dial(fetch, err);
}

/* Who has not asked for a connection stands behind others who did, and lacks what they lack. */
static void note_lack(struct fetch *fetch)
{
    if (fetch->search->lack == ERROR_NONE && fetch->options.transport->max_connections_per_host <= 0)
        fetch->search->lack = pool_lack(fetch->options.pool);
}

static enum io queue_failed(struct fetch *fetch, struct error *err)
{
    struct error failure;

    if (is_paused(fetch)) {
        error_set(&failure, FAULT_UPSTREAM, ERROR_NO_STREAMS,
                  "%.*s: takes no requests (SETTINGS_MAX_CONCURRENT_STREAMS is 0)", STR_ARG(fetch->options.host->url));
        failure.retry_safe = true;
        return fetch_fail(fetch, &failure, err);
    }
    note_lack(fetch);
    if (fetch->search->lack != ERROR_NONE) {
        error_set(&failure, FAULT_SYSTEM, fetch->search->lack, "%.*s: no %s for a new connection",
                  STR_ARG(fetch->options.host->url),
                  fetch->search->lack == ERROR_PRESSURE_FD ? "descriptor is left" : "local port is left");
        pool_shed(fetch->options.host, fetch->search->lack);
    } else {
        error_set(&failure, FAULT_UPSTREAM, ERROR_QUEUE_TIMEOUT, "%.*s: all %lld connections are in use",
                  STR_ARG(fetch->options.host->url), (long long)fetch->options.transport->max_connections_per_host);
    }
    failure.retry_safe = true;
    return fetch_fail(fetch, &failure, err);
}

static void look_again_soon(struct fetch *fetch)
{
    uint64_t at_ns = loop_now_ns(fetch_loop(fetch)) + GATE_RETRY_NS;

    timer_set(fetch_loop(fetch), &fetch->search->queue_timer,
              at_ns < fetch->search->queue_end_ns ? at_ns : fetch->search->queue_end_ns);
}

/* For other workers: who has one to spare sends it here. */
static void count_waiting(struct fetch *fetch, int change)
{
    host_count_add(&fetch_counts(fetch)->waiting, change);
    atomic_fetch_add_explicit(&fetch->options.host->waiting, (uint32_t)change, memory_order_relaxed);
}

static void leave_queue(struct fetch *fetch)
{
    uint64_t began_ns = fetch->search->queue_end_ns - (uint64_t)fetch->options.transport->queue_timeout_ns;

    timer_clear(fetch_loop(fetch), &fetch->search->queue_timer);
    if (!list_holds(&fetch->search->gate_waiter.node))
        return;
    watch_time(fetch->options.pool, fetch->options.host, DWELL_QUEUE, loop_now_ns(fetch_loop(fetch)) - began_ns);
    gate_quit(pool_gate(fetch->options.pool), fetch->options.host, &fetch->search->gate_waiter);
    count_waiting(fetch, -1);
}

/* Nothing idle is at hand. */
static enum io dial_or_queue(struct fetch *fetch, struct error *err)
{
    int64_t timeout_ns = fetch->options.transport->queue_timeout_ns;
    enum io io = dial_own(fetch, err);

    if (io != IO_WAIT)
        return io;
    leave_race(fetch);
    if (!is_paused(fetch))
        note_lack(fetch); /* at the end of its time the others may be gone, and what they lacked is here again */
    fetch->search->gate_waiter.task = fetch->waiter;
    if (timeout_ns <= 0 || !gate_wait(pool_gate(fetch->options.pool), fetch->options.host, &fetch->search->gate_waiter))
        return queue_failed(fetch, err);
    count_waiting(fetch, 1);
    if (fetch->search->queue_end_ns == 0) /* else it is back after a dial that the system refused */
        fetch->search->queue_end_ns = loop_now_ns(fetch_loop(fetch)) + (uint64_t)timeout_ns;
    fetch->state = FETCH_QUEUE;
    look_again_soon(fetch);
    return IO_WAIT;
}

/* Others dial, and what they make is for this request too. */
static bool join(struct fetch *fetch)
{
    const struct fetch_options *options = &fetch->options;

    if (options->transport->disable_keep_alives || !pool_dials_suffice(options->pool, options->host))
        return false;
    join_race(fetch);
    if (!list_holds(&fetch->search->race_waiter.node) ||
        !pool_join(options->pool, options->host, &fetch->search->joining))
        return false;
    fetch->state = FETCH_JOIN;
    begin_dial_doubt(fetch);
    return true;
}

/* Will one that is in use come back, at a host whose idle connections die within milliseconds? One more than is needed
 * now is lost by the time when it would be. */
static bool is_short_lived(const struct fetch *fetch)
{
    return may_be_kept(fetch) && idle_limit_refresh_ns(fetch->options.host->idle_limit) > 0 &&
           atomic_load_explicit(&fetch_counts(fetch)->active, memory_order_relaxed) > 0;
}

/* No connection to the host is at hand, nor will one be that others make. */
static enum io look_further(struct fetch *fetch, struct error *err)
{
    const struct dial_cost *cost = &fetch->options.host->dial_cost;
    uint64_t wait_ns;

    demand_miss(fetch->options.host, loop_now_ns(fetch_loop(fetch)));
    fetch->search->wish.letters = 0;
    if (!is_turn(fetch))
        return dial_or_queue(fetch, err);
    wait_ns = ask_others(fetch) ? dial_cost_patience_ns(cost) : is_short_lived(fetch) ? dial_cost_delay_ns(cost) : 0;
    if (wait_ns == 0)
        return dial_or_queue(fetch, err);
    fetch->state = FETCH_ASK;
    timer_set(fetch_loop(fetch), &fetch->search->queue_timer, loop_clock_ns(fetch_loop(fetch)) + wait_ns);
    join_race(fetch);
    return IO_WAIT;
}

/* The host's addresses are known now, or asked for: does a connection to another host lead to one of them? */
static enum io coalesce(struct fetch *fetch, struct error *err)
{
    if (!coalesce_is_ready(fetch->search->coalescing)) {
        fetch->state = FETCH_LOOKUP;
        return IO_WAIT;
    }
    if (!is_turn(fetch) || !take_idle(fetch))
        fetch->pooled = coalesce_take(fetch->search->coalescing, fetch->repeatable);
    fetch->search->coalescing = NULL;
    if (!fetch->pooled)
        return look_further(fetch, err);
    fetch->state = FETCH_GIVE;
    return IO_OK;
}

/* False: no memory. */
static bool begin_search(struct fetch *fetch)
{
    if (fetch->search)
        return true;
    fetch->search = arena_make(fetch->arena, struct fetch_search);
    if (fetch->search)
        fetch->search->queue_timer = (struct timer){.at_ns = TIMER_OFF, .task = fetch->waiter};
    return fetch->search;
}

static enum io pick(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;

    if (take_private(fetch) || (is_turn(fetch) && take_idle(fetch)))
        return IO_OK;
    if (!begin_search(fetch))
        return fail_memory(fetch, err);
    if (is_turn(fetch) && join(fetch))
        return IO_WAIT;
    if (UNLIKELY(options->transport->coalesce) && may_be_kept(fetch))
        fetch->search->coalescing =
            coalesce_begin(options->pool, options->host, options->transport, fetch->arena, fetch->waiter);
    return fetch->search->coalescing ? coalesce(fetch, err) : look_further(fetch, err);
}

/* Another host can have it: nothing has left. */
static enum io leave_silent_host(struct fetch *fetch, struct error *err)
{
    struct host *host = fetch->options.host;
    struct error failure;

    leave_race(fetch);
    (void)eject_failed(&host->health, &fetch->options.transport->eject, 1, loop_now_ns(fetch_loop(fetch)));
    error_set(&failure, FAULT_UPSTREAM, ERROR_DEAD_PATH, "%.*s: the path is silent", STR_ARG(host->url));
    failure.retry_safe = true;
    return fetch_fail(fetch, &failure, err);
}

static bool joined_in_vain(const struct fetch *fetch)
{
    return fetch_has_others(fetch) &&
           path_gives_dial_up(&fetch->options.host->path, &fetch->search->dial_doubt, loop_now_ns(fetch_loop(fetch)));
}

static void leave_joined(struct fetch *fetch)
{
    end_dial_doubt(fetch, false);
    pool_leave_dials(fetch->options.pool, fetch->options.host, &fetch->search->joining);
}

/* A dial of another has ended, or a connection in use has room. */
static enum io await_dial(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;
    struct error failure;
    enum join_news news;

    if (win_race(fetch)) {
        leave_joined(fetch);
        return IO_OK;
    }
    news = pool_join_news(options->pool, options->host, &fetch->search->joining, &failure);
    if (news == JOIN_WAIT && !joined_in_vain(fetch))
        return IO_WAIT;
    leave_joined(fetch);
    if (news == JOIN_WAIT)
        return leave_silent_host(fetch, err);
    if (news == JOIN_DIAL) {
        demand_miss(options->host, loop_now_ns(fetch_loop(fetch)));
        return dial_or_queue(fetch, err);
    }
    leave_race(fetch);
    return fetch_fail(fetch, &failure, err);
}

/* A letter is under way, or one goes to the next worker: other requests may have been faster. */
static bool goes_on_asking(struct fetch *fetch)
{
    return fetch->search->wish.letter || (fetch->search->wish.letters < WISH_LETTERS_MAX && ask_others(fetch));
}

/* Without a letter it waits for what comes back here. One may come too late; what it brings then is for whoever waits.
 */
static enum io await_answer(struct fetch *fetch, struct error *err)
{
    if (win_race(fetch)) {
        timer_clear(fetch_loop(fetch), &fetch->search->queue_timer);
        return IO_OK;
    }
    if (!fetch->search->queue_timer.fired && (fetch->search->wish.letters == 0 || goes_on_asking(fetch)))
        return IO_WAIT;
    timer_clear(fetch_loop(fetch), &fetch->search->queue_timer);
    return dial_or_queue(fetch, err);
}

/* Others may have become idle elsewhere since the last look; a letter at each wake would be too many. */
static enum io look_again(struct fetch *fetch, struct error *err)
{
    if (is_turn(fetch)) {
        if (take_idle(fetch))
            return IO_OK;
        fetch->search->wish.refuser = 0; /* it was long ago */
        if (fetch->search->queue_timer.fired)
            (void)!ask_others(fetch);
    }
    return dial_own(fetch, err);
}

static enum io wait_in_queue(struct fetch *fetch, struct error *err)
{
    enum io io = look_again(fetch, err);

    if (io != IO_WAIT) {
        leave_queue(fetch);
        return io;
    }
    if (loop_now_ns(fetch_loop(fetch)) >= fetch->search->queue_end_ns) {
        leave_queue(fetch);
        return queue_failed(fetch, err);
    }
    if (fetch->search->queue_timer.fired)
        look_again_soon(fetch);
    return IO_WAIT;
}

/* Nobody waits for the dial any more: it goes on for the pool. */
static enum io leave_dial(struct fetch *fetch)
{
    const struct fetch_options *options = &fetch->options;

    if (options->host->proxy_header > 0)
        end_dial(fetch, DIAL_GIVEN_UP); /* it names this client, so it is of use to nobody else */
    else
        pool_keep_dial(options->pool, options->host, options->transport, fetch->search->dial);
    fetch->search->dial = NULL;
    end_dial_doubt(fetch, false);
    return IO_OK;
}

/* For want of descriptors or ports: the queue is the place to wait for them. */
static enum io dial_failed(struct fetch *fetch, const struct error *failure, struct error *err)
{
    if (take_idle(fetch))
        return IO_OK;
    if (!pool_dial_refused(fetch->options.pool, fetch->options.host, failure))
        return fetch_fail(fetch, failure, err);
    fetch->state = FETCH_PICK;
    return IO_OK;
}

static enum io doubt_dial(struct fetch *fetch, struct error *err)
{
    struct host *host = fetch->options.host;
    uint64_t now_ns = loop_now_ns(fetch_loop(fetch));

    if (!fetch_has_others(fetch) || !(fetch->search->queue_timer.fired || path_is_suspect(&host->path, now_ns)))
        return IO_WAIT;
    if (path_look_at_dial(&host->path, &fetch->search->dial_doubt, fetch->search->dial_began_ns,
                          flight_host_answered_ns(host), now_ns) != PATH_DEAD) {
        if (fetch->search->queue_timer.fired)
            timer_set(fetch_loop(fetch), &fetch->search->queue_timer, now_ns + DIAL_LOOK_NS);
        return IO_WAIT;
    }
    flights_tell(fetch->options.pool, host);
    pool_stop_asking(fetch->options.pool, &fetch->search->wish);
    (void)leave_dial(fetch);
    return leave_silent_host(fetch, err);
}

static enum io finish_dial(struct fetch *fetch, struct error *err)
{
    const struct fetch_options *options = &fetch->options;
    struct stream *stream = NULL;
    struct error failure;
    enum io io = connect_result(fetch->search->dial, &stream, &failure);

    if (io == IO_WAIT)
        return win_race(fetch) ? leave_dial(fetch) : doubt_dial(fetch, err);
    end_dial_doubt(fetch, io == IO_OK);
    if (io == IO_OK) {
        watch_connected(options->pool, options->host, connect_facts(fetch->search->dial));
        fetch->pooled = pool_adopt(options->pool, options->host, options->transport, stream, &failure);
    }
    if (!fetch->pooled)
        pool_note_failed_dial(options->pool, options->host, &failure);
    end_dial(fetch, io != IO_OK ? DIAL_FAILED : fetch->pooled ? DIAL_ADOPTED : DIAL_GIVEN_UP);
    leave_race(fetch);
    pool_stop_asking(options->pool, &fetch->search->wish);
    if (!fetch->pooled)
        return dial_failed(fetch, &failure, err);
    fetch->state = FETCH_GIVE;
    return IO_OK;
}

enum io fetch_connect(struct fetch *fetch, struct error *err)
{
    switch (fetch->state) {
    case FETCH_PICK:
        return pick(fetch, err);
    case FETCH_LOOKUP:
        return coalesce(fetch, err);
    case FETCH_ASK:
        return await_answer(fetch, err);
    case FETCH_QUEUE:
        return wait_in_queue(fetch, err);
    case FETCH_JOIN:
        return await_dial(fetch, err);
    case FETCH_DIAL:
        return finish_dial(fetch, err);
    case FETCH_GIVE:
    case FETCH_PROOF:
    case FETCH_PAUSE:
    case FETCH_SENT:
    case FETCH_ANSWER:
    case FETCH_OVER:
    case FETCH_FAILED:
        break;
    }
    return IO_OK;
}

void fetch_stop_connecting(struct fetch *fetch, enum dial_end end)
{
    if (!fetch->search)
        return;
    end_dial_doubt(fetch, false);
    /* Whoever asked has gone: the next request may have it. */
    if (fetch->search->dial && end == DIAL_GIVEN_UP && may_be_kept(fetch))
        (void)leave_dial(fetch);
    else if (fetch->search->dial)
        end_dial(fetch, end);
    leave_queue(fetch);
    leave_race(fetch);
    pool_leave_dials(fetch->options.pool, fetch->options.host, &fetch->search->joining);
    coalesce_end(fetch->search->coalescing);
    fetch->search->coalescing = NULL;
    pool_stop_asking(fetch->options.pool, &fetch->search->wish);
}
