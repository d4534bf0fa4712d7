/* drain.c: how a worker's client connections end without a failed request: all of them, or those of one listener.
 *
 * While the window lasts connections are told, a few at each step: the next answer of a told one says Connection:
 * close. Telling is over at three quarters of the window, so that each that is in use has time to hear it; what is idle
 * at the end of the window is closed then, but for those whose first request must still be on its way. Who comes during
 * the drain is told with the first answer.
 *
 * When all ends, listeners stay open for the window: health says that others are to be asked, and until everybody knows
 * newcomers are served. It is over when nobody is left; a hard limit is the caller's. A listener that goes alone takes
 * nobody any more from the beginning, as nothing but its closed port can tell; who waits in its queue then is served.
 * Its limit is kept here. Start with run_drain. SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "gateway/exchange_internal.h"
#include "gateway/frontend_internal.h"

#include <stdlib.h>

#define STEPS       200
#define STEP_MIN_NS UINT64_C(10000000)
/* How long who has connected may take to begin its first request before it is idle: over any path that is one round
 * trip, and a second is as long as TCP itself waits for a lost segment of a new connection (RFC 6298 2.1). That is
 * TCP's, so there is no setting. */
#define FRESH_NS UINT64_C(1000000000)
enum { LEFT_TOLD_MAX = 20 }; /* of those who are cut, told one by one */

static struct client *client_of(struct list_node *node)
{
    return container_of(node, struct client, node);
}

static uint64_t elapsed_ns(const struct drain *drain)
{
    return loop_now_ns(drain->frontend->loop) - drain->started_ns;
}

static bool concerns(const struct drain *drain, const struct client *client)
{
    return drain->door == DRAIN_ALL || drain->door == client->door;
}

static bool is_untold(const struct drain *drain, const struct client *client)
{
    return concerns(drain, client) && client->told == HTTP_END_NONE;
}

/* How many need not have been told by now. */
static uint64_t untold_max(const struct drain *drain)
{
    uint64_t telling_ns = drain->window_ns / 4 * 3, now_elapsed_ns = elapsed_ns(drain);

    if (now_elapsed_ns >= telling_ns)
        return 0;
    return (uint64_t)((double)drain->clients * (1.0 - (double)now_elapsed_ns / (double)telling_ns));
}

static void tell_some(struct drain *drain)
{
    struct list *clients = &drain->frontend->clients;
    uint64_t left = untold_max(drain), untold = 0;

    for (struct list_node *node = list_first(clients); node; node = list_next(clients, node))
        untold += is_untold(drain, client_of(node));
    for (struct list_node *node = list_first(clients); node && untold > left; node = list_next(clients, node)) {
        if (!is_untold(drain, client_of(node)))
            continue;
        client_tell(client_of(node), HTTP_END_DRAIN);
        client_leave(client_of(node));
        untold--;
    }
}

static void close_doors(struct drain *drain)
{
    if (drain->door == DRAIN_ALL) {
        frontend_accept_all(drain->frontend);
        frontend_close_doors(drain->frontend);
    } else if (!drain->closed) {
        drain->closed = frontend_close_door(drain->frontend, drain->door, !drain->windowed);
    }
}

/* Until when it is too early to close it: it has come just now, and its request is on its way. 0: long past. */
static uint64_t fresh_until_ns(const struct client *client)
{
    struct http_conn_facts facts;

    http_facts(client->conn, &facts);
    return facts.messages == 0 ? facts.opened_ns + FRESH_NS : 0;
}

/* All but those who came just now; they have their turn when the last of them has been here for long enough. */
static void close_idle(struct drain *drain)
{
    struct list *clients = &drain->frontend->clients;
    uint64_t now_ns = loop_now_ns(drain->frontend->loop), until_ns;

    drain->fresh_until_ns = 0;
    for (struct list_node *node = list_first(clients); node; node = list_next(clients, node)) {
        if (!concerns(drain, client_of(node)))
            continue;
        until_ns = fresh_until_ns(client_of(node));
        if (until_ns <= now_ns)
            (void)http_close_idle(client_of(node)->conn, HTTP_END_DRAIN);
        else if (until_ns > drain->fresh_until_ns)
            drain->fresh_until_ns = until_ns;
    }
}

static void end_window(struct drain *drain)
{
    struct list *clients = &drain->frontend->clients;

    drain->windowed = false;
    close_doors(drain);
    for (struct list_node *node = list_first(clients); node; node = list_next(clients, node)) {
        if (!concerns(drain, client_of(node)))
            continue;
        client_tell(client_of(node), HTTP_END_DRAIN);
        client_leave(client_of(node));
    }
    close_idle(drain);
}

static bool is_past_limit(const struct drain *drain)
{
    return drain->limit_ns > 0 && elapsed_ns(drain) >= drain->limit_ns;
}

/* The endpoint of its first request that is under way. */
static struct str route_of(const struct client *client)
{
    struct list_node *node = ring_first(&client->exchanges);
    const struct exchange *x = node ? container_of(node, struct exchange, node) : NULL;

    if (x)
        return x->endpoint ? x->endpoint->label : STR("a request that is not routed yet");
    return ring_is_empty(&client->tunnels) ? STR("nothing that is whole") : STR("a tunnel");
}

void drain_tell_left(const struct client *client)
{
    const struct frontend *frontend = client->frontend;
    char text[ADDR_TEXT_BYTES];
    struct http_conn_facts facts;

    http_facts(client->conn, &facts);
    LOG(LOG_WARNING, "SERVICE: HTTP Server",
        "left at the drain limit: listener %.*s, peer %.*s, age %llu s, requests %u, under way: %.*s",
        STR_ARG(frontend_server(frontend)->listeners[client->door].listen), STR_ARG(addr_format(client->peer, text)),
        (unsigned long long)((loop_now_ns(frontend->loop) - facts.opened_ns) / 1000000000u), facts.messages,
        STR_ARG(route_of(client)));
}

static void tell_all_left(const struct drain *drain)
{
    const struct list *clients = &drain->frontend->clients;
    unsigned told = 0;

    for (struct list_node *node = list_first(clients); node && told < LEFT_TOLD_MAX; node = list_next(clients, node)) {
        if (!concerns(drain, client_of(node)))
            continue;
        drain_tell_left(client_of(node));
        told++;
    }
}

void frontend_tell_left(const struct frontend *frontend)
{
    tell_all_left(&frontend->drain);
}

static void cut(struct drain *drain)
{
    struct list *clients = &drain->frontend->clients;
    unsigned count = 0;

    tell_all_left(drain);

    for (struct list_node *node = list_first(clients), *next; node; node = next) {
        next = list_next(clients, node);
        if (!concerns(drain, client_of(node)))
            continue;
        client_cut(client_of(node), HTTP_END_CUT);
        count++;
    }
    if (count > 0)
        LOG(LOG_WARNING, "SERVICE: HTTP Server", "drain limit of listener %.*s reached, %u connections were cut",
            STR_ARG(frontend_server(drain->frontend)->listeners[drain->door].listen), count);
}

/* The last ones in the kernel's queue would be reset with the listener. */
static void end_if_empty(struct drain *drain)
{
    struct frontend *frontend = drain->frontend;

    if (frontend_is_empty(frontend))
        frontend_accept_all(frontend);
    if (!frontend_is_empty(frontend))
        return;
    frontend_close_doors(frontend);
    task_wake(frontend->loop, drain->ended);
}

static uint64_t next_step_ns(const struct drain *drain)
{
    uint64_t step_ns = drain->window_ns / STEPS, end_ns = drain->started_ns + drain->window_ns;
    uint64_t at_ns = loop_now_ns(drain->frontend->loop) + (step_ns > STEP_MIN_NS ? step_ns : STEP_MIN_NS);

    return at_ns < end_ns ? at_ns : end_ns;
}

static void set_timer(struct drain *drain)
{
    uint64_t at_ns = TIMER_OFF;

    if (drain->windowed)
        at_ns = next_step_ns(drain);
    else if (drain->limit_ns > 0 && !is_past_limit(drain))
        at_ns = drain->started_ns + drain->limit_ns;
    if (drain->fresh_until_ns > 0)
        at_ns = u64_min(at_ns, drain->fresh_until_ns);
    timer_set(drain->frontend->loop, &drain->timer, at_ns);
}

static void run_drain(struct task *task)
{
    struct drain *drain = container_of(task, struct drain, task);

    if (!drain->begun)
        return;
    if (drain->windowed && elapsed_ns(drain) >= drain->window_ns)
        end_window(drain);
    else if (drain->windowed)
        tell_some(drain);
    else if (drain->fresh_until_ns > 0 && loop_now_ns(drain->frontend->loop) >= drain->fresh_until_ns)
        close_idle(drain);
    if (drain->door != DRAIN_ALL)
        close_doors(drain);
    if (is_past_limit(drain))
        cut(drain);
    set_timer(drain);
    if (drain->door == DRAIN_ALL)
        end_if_empty(drain);
}

static void init(struct drain *drain, struct frontend *frontend, int door)
{
    *drain = (struct drain){.frontend = frontend, .task.run = run_drain, .door = door};
    drain->timer = (struct timer){.at_ns = TIMER_OFF, .task = &drain->task};
}

bool drain_init(struct frontend *frontend, size_t doors)
{
    init(&frontend->drain, frontend, DRAIN_ALL);
    frontend->door_drains = calloc(doors, sizeof(*frontend->door_drains));
    for (size_t i = 0; frontend->door_drains && i < doors; i++)
        init(&frontend->door_drains[i], frontend, (int)i);
    return frontend->door_drains != NULL;
}

static void clear(struct drain *drain)
{
    timer_clear(drain->frontend->loop, &drain->timer);
    task_forget(drain->frontend->loop, &drain->task);
}

void drain_free(struct frontend *frontend, size_t doors)
{
    clear(&frontend->drain);
    for (size_t i = 0; frontend->door_drains && i < doors; i++)
        clear(&frontend->door_drains[i]);
    free(frontend->door_drains);
}

static bool is_past_window(const struct drain *drain)
{
    return drain->begun && !drain->windowed;
}

/* It was greeted, or on its way from another worker, when the window ended. */
static void await_request(struct drain *drain, const struct client *client)
{
    if (!is_past_window(drain))
        return;
    drain->fresh_until_ns = u64_max(drain->fresh_until_ns, fresh_until_ns(client));
    set_timer(drain);
}

/* Behind the limit of its listener it is cut: nobody is to be left there. */
void drain_welcome(struct frontend *frontend, struct client *client)
{
    struct drain *drain = &frontend->door_drains[client->door];

    if (frontend->drain.begun || drain->begun)
        client_tell(client, HTTP_END_DRAIN);
    await_request(&frontend->drain, client);
    await_request(drain, client);
    if (drain->begun && is_past_limit(drain))
        task_wake(frontend->loop, &drain->task);
}

void drain_notice_end(struct frontend *frontend)
{
    if (frontend->drain.begun && frontend_is_empty(frontend))
        task_wake(frontend->loop, &frontend->drain.task);
}

bool drain_is_past_window(const struct frontend *frontend, uint16_t door)
{
    return is_past_window(&frontend->drain) || is_past_window(&frontend->door_drains[door]);
}

static uint64_t count_clients(const struct drain *drain)
{
    struct list *clients = &drain->frontend->clients;
    uint64_t count = 0;

    for (struct list_node *node = list_first(clients); node; node = list_next(clients, node))
        count += concerns(drain, client_of(node));
    return count;
}

static void begin(struct drain *drain, uint64_t window_ns)
{
    drain->begun = drain->windowed = true;
    drain->window_ns = window_ns;
    drain->started_ns = loop_now_ns(drain->frontend->loop);
    drain->clients = count_clients(drain);
    task_wake(drain->frontend->loop, &drain->task);
}

void frontend_drain(struct frontend *frontend, uint64_t window_ns, struct task *ended)
{
    frontend->drain.ended = ended;
    begin(&frontend->drain, window_ns);
    watches_wake(frontend);
}

void frontend_drain_door(struct frontend *frontend, uint16_t number, uint64_t window_ns, uint64_t limit_ns)
{
    struct drain *drain = &frontend->door_drains[number];

    if (drain->begun)
        return;
    drain->limit_ns = limit_ns;
    begin(drain, window_ns);
    watches_wake(frontend);
}
