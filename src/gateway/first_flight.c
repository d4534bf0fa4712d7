/* first_flight.c: a call is bound late to its host and its connection (ADR 21): when the first flight of the request's
 * body is here, so that no pooled connection is held while the client is awaited, and the look before use stands right
 * before the write.
 *
 * A body that is known to fit is awaited whole, as long as the client's clocks and the endpoint's deadline allow. Of
 * any other the first flight is awaited, for a short time only: its client may want to hear something before it says
 * more. Start with first_flight_begin. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange_internal.h"

static const struct transport *transport_of(const struct exchange *x)
{
    return x->call.backend->transport;
}

/* Its length is known, and all of it is one flight. */
static bool fits(const struct exchange *x)
{
    return x->request->body_bytes >= 0 && x->request->body_bytes <= transport_of(x)->first_flight_bytes;
}

/* Who expects 100 sends nothing before somebody has answered: the host, if it is given time to. Otherwise we do, as
 * soon as the body is read. */
static bool asks_the_host(const struct exchange *x)
{
    return x->request->expect_continue && transport_of(x)->expect_continue_timeout_ns > 0;
}

/* Tunnels and gRPC talk in both directions at once, and so may streams, unless their request is known to be small. */
static bool is_worthwhile(const struct exchange *x)
{
    const struct transport *transport = transport_of(x);

    if (asks_the_host(x) || x->upgrade || x->grpc)
        return false;
    if (fits(x))
        return true;
    return transport->traffic == CLASS_SHORT && transport->first_flight_bytes > 0 &&
           transport->first_flight_timeout_ns > 0;
}

static bool is_here(const struct exchange *x)
{
    int64_t wanted = fits(x) ? x->request->body_bytes : transport_of(x)->first_flight_bytes;

    return x->request_body.size >= (uint64_t)wanted;
}

/* Without memory for its clock a body is not awaited: the request goes its way all the same. */
static bool has_time(struct exchange *x)
{
    if (fits(x))
        return true;
    if (x->patience)
        return !x->patience->fired;
    x->patience = arena_make(x->arena, struct timer);
    if (!x->patience)
        return false;
    *x->patience = (struct timer){.at_ns = TIMER_OFF, .task = &x->task};
    timer_set(exchange_loop(x), x->patience,
              loop_now_ns(exchange_loop(x)) + (uint64_t)transport_of(x)->first_flight_timeout_ns);
    return !x->patience->fired;
}

enum progress first_flight_begin(struct exchange *x)
{
    return go_to(x, is_worthwhile(x) ? EXCHANGE_FLIGHT : EXCHANGE_CALL);
}

enum progress first_flight_run(struct exchange *x)
{
    enum io io = IO_OK;

    /* Of a body that has bytes the end is not taken note of: whoever passes it on meets it again, with its trailers. */
    while (io == IO_OK && !is_here(x))
        io = exchange_recv_body(x);
    if (io == IO_FAIL)
        return exchange_fail(x);
    if (io == IO_WAIT && has_time(x))
        return PAUSE;
    x->request_ended = io == IO_END && x->request_body.size == 0;
    if (x->request_ended && !call_take_trailers(x))
        return exchange_fail(x);
    first_flight_end(x);
    return go_to(x, EXCHANGE_CALL);
}

void first_flight_end(struct exchange *x)
{
    if (x->patience)
        timer_clear(exchange_loop(x), x->patience);
}
