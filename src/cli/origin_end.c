/* origin_end.c: when a test origin ends a connection by itself, and how. Start with visit_set_limit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cli/origin_stream.h"
#include "cli/origin_visit_internal.h"

#define FIRST_REQUEST_NS UINT64_C(60000000000) /* patience with a connection that has not carried any request */
#define HALF_CLOSED_NS   UINT64_C(2000000000)  /* and with one that gets no answer any more */
#define FLUSH_CHECK_NS   UINT64_C(1000000)

static uint64_t idle_end_ns(const struct visit *visit, uint64_t now_ns)
{
    const struct origin_span *idle = &visit->house->options.close_idle_after;
    uint64_t idle_ns;

    if (idle->max_ns == 0)
        return TIMER_OFF;
    idle_ns = origin_span_pick(idle, loop_rng(visit->house->loop));
    return now_ns + (visit->requests == 0 && idle_ns < FIRST_REQUEST_NS ? FIRST_REQUEST_NS : idle_ns);
}

static uint64_t age_end_ns(struct visit *visit, uint64_t now_ns)
{
    const struct origin_span *age = &visit->house->options.close_age;

    if (age->max_ns == 0)
        return TIMER_OFF;
    if (visit->age_end_ns == 0)
        visit->age_end_ns = now_ns + origin_span_pick(age, loop_rng(visit->house->loop));
    return visit->age_end_ns;
}

/* An announced end is the connection's own business. */
static bool had_its_requests(const struct visit *visit)
{
    const struct origin_options *options = &visit->house->options;

    return options->unannounced && options->close_after_requests > 0 &&
           visit->requests >= options->close_after_requests;
}

void visit_set_limit(struct visit *visit)
{
    uint64_t now_ns = loop_now_ns(visit->house->loop);
    uint64_t at_ns = u64_min(idle_end_ns(visit, now_ns), age_end_ns(visit, now_ns));

    if (visit->half_closed)
        return;
    if (had_its_requests(visit))
        at_ns = now_ns;
    timer_set(visit->house->loop, &visit->limit, at_ns);
}

static bool is_flushed(const struct visit *visit)
{
    struct http_conn_facts facts;

    http_facts(visit->conn, &facts);
    return facts.bytes_out >= visit->bytes_given;
}

/* A second time: for good. */
static void leave_half(struct visit *visit)
{
    struct loop *loop = visit->house->loop;

    if (visit->half_closed) {
        visit_close(visit);
    } else if (visit->state == VISIT_IDLE) {
        visit->half_closed = true;
        stream_shutdown_write(visit->conn->stream);
        timer_set(loop, &visit->limit, loop_now_ns(loop) + HALF_CLOSED_NS);
    } else {
        visit_end_request(visit); /* with an unfinished answer: the conn sends FIN and lingers */
    }
}

void visit_leave(struct visit *visit)
{
    switch (visit->house->options.close_by) {
    case ORIGIN_END_RESET:
        origin_stream_reset_at_close(visit->conn->stream);
        visit_close(visit);
        return;
    case ORIGIN_END_CLOSE:
        visit_close(visit);
        return;
    case ORIGIN_END_HALF:
        leave_half(visit);
        return;
    }
}

void visit_limit_is_up(struct visit *visit)
{
    struct loop *loop = visit->house->loop;

    timer_clear(loop, &visit->limit);
    if (visit->half_closed)
        visit_close(visit);
    else if (visit->state == VISIT_IDLE && is_flushed(visit))
        visit_leave(visit);
    else if (visit->state == VISIT_IDLE)
        timer_set(loop, &visit->limit, loop_now_ns(loop) + FLUSH_CHECK_NS);
}
