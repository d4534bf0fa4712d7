/* drain.c: how a worker's client connections end without a failed request.
 *
 * While the window lasts, listeners stay open and connections are told, a few at each step: the next answer of a told
 * one says Connection: close. Telling is over at three quarters of the window, so that each that is in use has time to
 * hear it; what is idle at the end of the window is closed then, and no one is listened for any more. Who comes during
 * the drain is told with the first answer. It is over when nobody is left; a hard limit is the caller's.
 * Start with run_drain. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/frontend_internal.h"

#define STEPS       200
#define STEP_MIN_NS UINT64_C(10000000)

static struct client *client_of(struct list_node *node)
{
    return container_of(node, struct client, node);
}

static uint64_t elapsed_ns(const struct frontend *frontend)
{
    return loop_now_ns(frontend->loop) - frontend->drain.started_ns;
}

/* Those who have been told stand behind those who have not. */
static void tell(struct frontend *frontend, struct client *client)
{
    list_remove(&frontend->clients, &client->node);
    list_push_back(&frontend->clients, &client->node);
    client_tell(client, HTTP_END_DRAIN);
    client_leave(client);
}

/* How many need not have been told by now. */
static uint64_t untold_max(const struct drain *drain, uint64_t now_elapsed_ns)
{
    uint64_t telling_ns = drain->window_ns / 4 * 3;

    if (now_elapsed_ns >= telling_ns)
        return 0;
    return (uint64_t)((double)drain->clients * (1.0 - (double)now_elapsed_ns / (double)telling_ns));
}

static void tell_some(struct frontend *frontend)
{
    struct drain *drain = &frontend->drain;
    uint64_t left = untold_max(drain, elapsed_ns(frontend)), untold = 0;

    for (struct list_node *node = list_first(&frontend->clients); node; node = list_next(&frontend->clients, node))
        untold += client_of(node)->told == HTTP_END_NONE;
    for (struct list_node *first; untold > left && (first = list_first(&frontend->clients)); untold--)
        tell(frontend, client_of(first));
}

/* Nobody is asked to leave who came just now: a request of theirs is on its way. */
static void end_window(struct frontend *frontend)
{
    for (struct list_node *node = list_first(&frontend->clients); node; node = list_next(&frontend->clients, node)) {
        client_tell(client_of(node), HTTP_END_DRAIN);
        client_leave(client_of(node));
        (void)http_close_idle(client_of(node)->conn, HTTP_END_DRAIN);
    }
    frontend_accept_all(frontend);
    frontend_close_doors(frontend);
    frontend->drain.windowed = false;
}

/* The last ones in the kernel's queue would be reset with the listener. */
static void end_if_empty(struct frontend *frontend)
{
    if (frontend_is_empty(frontend))
        frontend_accept_all(frontend);
    if (!frontend_is_empty(frontend))
        return;
    frontend_close_doors(frontend);
    task_wake(frontend->loop, frontend->drain.ended);
}

static uint64_t next_step_ns(const struct frontend *frontend)
{
    const struct drain *drain = &frontend->drain;
    uint64_t step_ns = drain->window_ns / STEPS, end_ns = drain->started_ns + drain->window_ns;
    uint64_t at_ns = loop_now_ns(frontend->loop) + (step_ns > STEP_MIN_NS ? step_ns : STEP_MIN_NS);

    return at_ns < end_ns ? at_ns : end_ns;
}

static void run_drain(struct task *task)
{
    struct frontend *frontend = container_of(task, struct frontend, drain.task);
    struct drain *drain = &frontend->drain;

    if (!frontend->draining)
        return;
    if (drain->windowed && elapsed_ns(frontend) >= drain->window_ns) {
        end_window(frontend);
    } else if (drain->windowed) {
        tell_some(frontend);
        timer_set(frontend->loop, &drain->timer, next_step_ns(frontend));
    }
    end_if_empty(frontend);
}

void drain_init(struct frontend *frontend)
{
    frontend->drain.task.run = run_drain;
    frontend->drain.timer = (struct timer){.at_ns = TIMER_OFF, .task = &frontend->drain.task};
}

void drain_free(struct frontend *frontend)
{
    timer_clear(frontend->loop, &frontend->drain.timer);
    task_forget(frontend->loop, &frontend->drain.task);
}

void drain_welcome(struct frontend *frontend, struct client *client)
{
    if (frontend->draining)
        client_tell(client, HTTP_END_DRAIN);
}

void drain_notice_end(struct frontend *frontend)
{
    if (frontend->draining && frontend_is_empty(frontend))
        task_wake(frontend->loop, &frontend->drain.task);
}

void frontend_drain(struct frontend *frontend, uint64_t window_ns, struct task *ended)
{
    struct drain *drain = &frontend->drain;

    frontend->draining = true;
    drain->ended = ended;
    drain->window_ns = window_ns;
    drain->started_ns = loop_now_ns(frontend->loop);
    drain->clients = frontend->clients.count;
    drain->windowed = true;
    task_wake(frontend->loop, &drain->task);
}
