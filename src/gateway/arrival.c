/* arrival.c: see the header. A step of a handshake is a large piece of arithmetic: it is taken as a heavy one of the
 * loop, so that connections that are served already do not wait for a flood of new ones. Start with run_arrival.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/arrival.h"

#include "base/log.h"
#include "gateway/frontend_internal.h"
#include "gateway/greeting.h"

#include <stdlib.h>

#define REFUSED_NS UINT64_C(1000000000) /* how long a refused client may go on talking, so that it sees why */
#define SHAKE_NS   UINT64_C(2000000000) /* ... and how long its handshake may take, at most */

struct arrival {
    struct frontend *frontend;
    struct stream *stream;
    struct door_options door; /* whose TLS has begun, and is not asked any more */
    struct task task;
    struct timer timer;
    struct voucher *voucher; /* the client's to be */
    uint64_t until_ns;       /* TIMER_OFF: no limit */
    struct list_node node;   /* in the frontend's arrivals, oldest first */
    bool unwanted;           /* it is secured only to hear that it is refused, and is in no crowd */
    bool refused;            /* it was told so, or that this port speaks TLS: what still comes is thrown away */
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
    frontend->refused -= arrival->unwanted;
    free(arrival->voucher);
    free(arrival);
}

static void arrival_close(struct arrival *arrival)
{
    struct frontend *frontend = arrival->frontend;
    bool was_full = frontend_is_full(frontend);

    if (!arrival->unwanted)
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

static enum io fail(const struct arrival *arrival, const struct error *err)
{
    char text[ADDR_TEXT_BYTES];

    LOG(LOG_DEBUG, "SERVICE: TLS", "handshake with %.*s: %s", STR_ARG(addr_format(&arrival->stream->peer, text)),
        err->text);
    return IO_FAIL;
}

static enum io tell(struct arrival *arrival, struct iovec part)
{
    struct frontend *frontend = arrival->frontend;
    struct error err;
    size_t sent;

    arrival->refused = true;
    arrival->until_ns = loop_now_ns(frontend->loop) + REFUSED_NS;
    timer_set(frontend->loop, &arrival->timer, arrival->until_ns);
    if (stream_writev(arrival->stream, &part, 1, &sent, &err) == IO_FAIL)
        return fail(arrival, &err);
    stream_shutdown_write(arrival->stream);
    return IO_WAIT;
}

/* As Go's server answers it. */
static enum io refuse_plain(struct arrival *arrival)
{
    static char answer[] = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

    arrival->stream = tls_server_unwrap(arrival->stream);
    return tell(arrival, (struct iovec){answer, sizeof(answer) - 1});
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

/* What it has sent already is read and dropped, or closing would send a reset over the answer. */
static enum io refuse_secured(struct arrival *arrival)
{
    bool h2 = str_eq(tls_server_protocol(arrival->stream), STR("h2"));
    enum io io = tell(arrival, greeting_refusal(h2));

    return io == IO_WAIT ? throw_away(arrival) : io;
}

/* A step of the handshake. What is late has its last at once, or is not begun any more: its client has gone, or will
 * have by the time it is done. */
static enum io step(struct arrival *arrival, struct error *err)
{
    bool begun = tls_server_has_begun(arrival->stream);

    if (is_late(arrival) ? !begun : !loop_may_be_heavy(arrival->frontend->loop, &arrival->task, begun))
        return IO_WAIT;
    return tls_server_handshake(arrival->stream, err);
}

static enum io shake(struct arrival *arrival)
{
    struct error err;
    enum io io = step(arrival, &err);

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
    struct voucher *voucher = arrival->voucher;
    struct door_options door;

    if (io == IO_OK && arrival->unwanted)
        io = refuse_secured(arrival);
    if (io == IO_FAIL)
        arrival_close(arrival);
    if (io != IO_OK)
        return;
    stream_set_owner(stream, NULL, false);
    door = arrival->door;
    arrival->voucher = NULL;
    arrival_free(arrival);
    client_new(frontend, stream, &door, voucher);
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

static uint64_t shake_until_ns(const struct frontend *frontend, bool unwanted)
{
    int64_t timeout_ns = tuning_of(frontend)->handshake_timeout_ns;

    if (unwanted && (timeout_ns <= 0 || (uint64_t)timeout_ns > SHAKE_NS))
        return loop_now_ns(frontend->loop) + SHAKE_NS;
    return timeout_ns > 0 ? loop_now_ns(frontend->loop) + (uint64_t)timeout_ns : TIMER_OFF;
}

/* Over TLS, with `arrival` for its owner. False: there is no stream any more. */
static bool wrap(struct arrival *arrival, struct stream *stream, const struct door_options *door)
{
    struct frontend *frontend = arrival->frontend;
    struct error err;

    arrival->stream =
        tls_server_stream(stream, door->tls, &frontend->tls_common, &frontend->tls_counts, &arrival->task, &err);
    if (!arrival->stream)
        LOG(LOG_WARNING, "SERVICE: TLS", "a connection was refused: %s", err.text);
    return arrival->stream;
}

/* NULL: no memory, and the stream is closed. */
static struct arrival *begin(struct frontend *frontend, struct stream *stream, const struct door_options *door,
                             bool unwanted)
{
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    if (!arrival) {
        stream_close(stream, true);
        return NULL;
    }
    *arrival = (struct arrival){.frontend = frontend, .task.run = run_arrival, .door = *door, .unwanted = unwanted};
    if (!wrap(arrival, stream, door)) {
        free(arrival);
        return NULL;
    }
    frontend->refused += unwanted;
    arrival->until_ns = shake_until_ns(frontend, unwanted);
    arrival->timer = (struct timer){.at_ns = TIMER_OFF, .task = &arrival->task};
    timer_set(frontend->loop, &arrival->timer, arrival->until_ns);
    list_push_back(&frontend->arrivals, &arrival->node);
    task_wake(frontend->loop, &arrival->task);
    return arrival;
}

void arrival_new(struct frontend *frontend, struct stream *stream, const struct door_options *door,
                 struct voucher *voucher)
{
    struct addr peer = stream->peer;
    struct arrival *arrival;

    make_room(frontend);
    arrival = begin(frontend, stream, door, false);
    if (arrival) {
        arrival->voucher = voucher;
        return;
    }
    free(voucher);
    greeting_leave(frontend, &peer);
}

void arrival_refuse(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    (void)begin(frontend, stream, door, true);
}

void arrivals_cut(struct frontend *frontend)
{
    for (struct list_node *node; (node = list_first(&frontend->arrivals));)
        arrival_close(container_of(node, struct arrival, node));
}
