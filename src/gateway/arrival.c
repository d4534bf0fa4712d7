/* arrival.c: see the header. A worker takes few steps of handshakes in one turn of its loop: each is a large piece of
 * arithmetic, and connections that are served already do not wait for a flood of new ones. Start with run_arrival.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/arrival.h"

#include "base/log.h"
#include "gateway/frontend_internal.h"
#include "gateway/greeting.h"

#include <stdlib.h>

enum { STEPS_PER_TURN = 8 };
#define REFUSED_NS UINT64_C(1000000000) /* how long a refused client may go on talking, so that it sees why */

struct arrival {
    struct frontend *frontend;
    struct stream *stream;
    struct door_options door;
    struct task task;
    struct timer timer;
    uint64_t until_ns;     /* TIMER_OFF: no limit */
    struct list_node node; /* in the frontend's arrivals, oldest first */
    bool refused;          /* told that this port speaks TLS: what still comes is thrown away */
};

static const struct tls_server_tuning *tuning_of(const struct frontend *frontend)
{
    return &generation_service(frontend->generation)->tls_tuning;
}

static void arrival_free(struct arrival *arrival)
{
    struct frontend *frontend = arrival->frontend;

    timer_clear(frontend->loop, &arrival->timer);
    task_forget(frontend->loop, &arrival->task);
    list_remove(&frontend->arrivals, &arrival->node);
    free(arrival);
}

static void arrival_close(struct arrival *arrival)
{
    struct frontend *frontend = arrival->frontend;
    bool was_full = frontend_is_full(frontend);

    greeting_leave(frontend, &arrival->stream->peer);
    stream_close(arrival->stream, false);
    arrival_free(arrival);
    frontend_resume_doors(frontend, was_full);
    drain_notice_end(frontend);
}

static bool is_late(const struct arrival *arrival)
{
    return loop_now_ns(arrival->frontend->loop) >= arrival->until_ns;
}

/* May this one take a step in this turn? Else it is its turn in the next. */
static bool may_step(struct arrival *arrival)
{
    struct frontend *frontend = arrival->frontend;
    uint64_t turn = loop_stats(frontend->loop)->turns;

    if (frontend->step_turn != turn) {
        frontend->step_turn = turn;
        frontend->steps = 0;
    }
    if (frontend->steps < STEPS_PER_TURN) {
        frontend->steps++;
        timer_set(frontend->loop, &arrival->timer, arrival->until_ns);
        return true;
    }
    timer_set(frontend->loop, &arrival->timer, loop_now_ns(frontend->loop));
    return false;
}

static enum io fail(const struct arrival *arrival, const struct error *err)
{
    char text[ADDR_TEXT_BYTES];

    LOG(LOG_DEBUG, "SERVICE: TLS", "handshake with %.*s: %s", STR_ARG(addr_format(&arrival->stream->peer, text)),
        err->text);
    return IO_FAIL;
}

/* As Go's server answers it. */
static enum io refuse_plain(struct arrival *arrival)
{
    static char answer[] = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    struct iovec part = {answer, sizeof(answer) - 1};
    struct frontend *frontend = arrival->frontend;
    struct error err;
    size_t sent;

    arrival->stream = tls_server_unwrap(arrival->stream);
    arrival->refused = true;
    arrival->until_ns = loop_now_ns(frontend->loop) + REFUSED_NS;
    timer_set(frontend->loop, &arrival->timer, arrival->until_ns);
    if (stream_writev(arrival->stream, &part, 1, &sent, &err) == IO_FAIL)
        return fail(arrival, &err);
    stream_shutdown_write(arrival->stream);
    return IO_WAIT;
}

/* Closing with bytes unread would send a reset, which could overtake the answer. */
static enum io throw_away(struct arrival *arrival)
{
    char bytes[4096];
    struct iovec part = {bytes, sizeof(bytes)};
    struct error err;
    size_t got;
    enum io io = IO_OK;

    while (io == IO_OK)
        io = stream_readv(arrival->stream, &part, 1, &got, &err);
    return io == IO_WAIT && !is_late(arrival) ? IO_WAIT : IO_FAIL;
}

static enum io shake(struct arrival *arrival)
{
    struct error err;
    enum io io;

    if (!may_step(arrival))
        return IO_WAIT;
    io = tls_server_handshake(arrival->stream, &err);
    if (io == IO_FAIL)
        return tls_client_spoke_http(arrival->stream) ? refuse_plain(arrival) : fail(arrival, &err);
    if (io == IO_OK || !is_late(arrival))
        return io;
    tls_count_failed(&arrival->frontend->tls_counts, TLS_FAILED_TIMEOUT);
    error_set(&err, FAULT_CLIENT, ERROR_TLS_HANDSHAKE, "was not done in time");
    return fail(arrival, &err);
}

static void run_arrival(struct task *task)
{
    struct arrival *arrival = container_of(task, struct arrival, task);
    struct frontend *frontend = arrival->frontend;
    struct stream *stream = arrival->stream;
    enum io io = arrival->refused ? throw_away(arrival) : shake(arrival);
    struct door_options door;

    if (io == IO_FAIL)
        arrival_close(arrival);
    if (io != IO_OK)
        return;
    stream_set_owner(stream, NULL, false);
    door = arrival->door;
    arrival_free(arrival);
    client_new(frontend, stream, &door);
}

/* The oldest has had its time, and a new one may be quicker. */
static void make_room(struct frontend *frontend)
{
    int64_t max = tuning_of(frontend)->max_handshakes;

    if (max == 0 || frontend->arrivals.count < (size_t)max)
        return;
    tls_count_failed(&frontend->tls_counts, TLS_FAILED_CROWDED);
    arrival_close(container_of(list_first(&frontend->arrivals), struct arrival, node));
}

void arrival_new(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    int64_t timeout_ns = tuning_of(frontend)->handshake_timeout_ns;
    struct arrival *arrival = calloc(1, sizeof(*arrival));
    struct addr peer = stream->peer;
    struct error err;

    make_room(frontend);
    if (!arrival) {
        greeting_leave(frontend, &peer);
        stream_close(stream, true);
        return;
    }
    arrival->task.run = run_arrival;
    arrival->stream =
        tls_server_stream(stream, door->tls, &frontend->tls_common, &frontend->tls_counts, &arrival->task, &err);
    if (!arrival->stream) {
        LOG(LOG_WARNING, "SERVICE: TLS", "a connection was refused: %s", err.text);
        greeting_leave(frontend, &peer);
        free(arrival);
        return;
    }
    arrival->frontend = frontend;
    arrival->door = *door;
    arrival->until_ns = timeout_ns > 0 ? loop_now_ns(frontend->loop) + (uint64_t)timeout_ns : TIMER_OFF;
    arrival->timer = (struct timer){.at_ns = TIMER_OFF, .task = &arrival->task};
    timer_set(frontend->loop, &arrival->timer, arrival->until_ns);
    list_push_back(&frontend->arrivals, &arrival->node);
    task_wake(frontend->loop, &arrival->task);
}

void arrivals_cut(struct frontend *frontend)
{
    for (struct list_node *node; (node = list_first(&frontend->arrivals));)
        arrival_close(container_of(node, struct arrival, node));
}
