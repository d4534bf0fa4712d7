/* clock.c: the server role's clocks. One timer serves them all: it is set for the earliest, and what is up is worked
 * out anew when it fires. SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

static uint64_t after(uint64_t since_ns, uint64_t timeout_ns)
{
    uint64_t at_ns;

    return timeout_ns > 0 && add_ok(&at_ns, since_ns, timeout_ns) ? at_ns : TIMER_OFF;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

static uint64_t write_deadline(const struct h1_conn *conn)
{
    return after(conn->head_end_ns, conn->options.write_timeout_ns);
}

static bool is_waiting(const struct h1_conn *conn)
{
    return !conn->stream_open && !conn->stream_waits;
}

/* For the first byte of a request. The first request of all has until the end of its head, from accept on. */
static uint64_t idle_deadline(const struct h1_conn *conn)
{
    if (conn->messages == 0 && conn->options.head_timeout_ns > 0)
        return after(conn->opened_ns, conn->options.head_timeout_ns);
    if (conn->options.idle_timeout_ns == 0)
        return TIMER_OFF;
    return after(conn->last_used_ns, conn->options.idle_timeout_ns + conn->options.idle_grace_ns);
}

static uint64_t head_deadline(const struct h1_conn *conn)
{
    uint64_t since_ns = conn->messages == 0 ? conn->opened_ns : conn->since_ns;

    return earlier(after(since_ns, conn->options.head_timeout_ns),
                   after(conn->since_ns, conn->options.read_timeout_ns));
}

static uint64_t body_deadline(const struct h1_conn *conn)
{
    uint64_t at_ns = after(conn->since_ns, conn->options.read_timeout_ns);

    return conn->quiet_ns > 0 ? earlier(at_ns, after(conn->quiet_ns, conn->options.body_gap_ns)) : at_ns;
}

static uint64_t waiting_deadline(const struct h1_conn *conn)
{
    if (conn->since_ns > 0)
        return head_deadline(conn);
    return conn->out.size > 0 ? write_deadline(conn) : idle_deadline(conn);
}

static uint64_t serving_deadline(const struct h1_conn *conn)
{
    uint64_t at_ns = TIMER_OFF;

    if (h1_is_in_body(conn))
        at_ns = body_deadline(conn);
    if (conn->send != H1_SEND_END || conn->out.size > 0)
        at_ns = earlier(at_ns, write_deadline(conn));
    return at_ns;
}

uint64_t h1_server_deadline(const struct h1_conn *conn)
{
    if (conn->broken)
        return TIMER_OFF;
    switch ((enum h1_phase)conn->phase) {
    case H1_LIVE:
        return is_waiting(conn) ? waiting_deadline(conn) : serving_deadline(conn);
    case H1_FINISH:
        return write_deadline(conn);
    case H1_SKIP:
    case H1_LINGER:
        return conn->until_ns;
    case H1_OVER:
        return TIMER_OFF;
    }
    return TIMER_OFF;
}

static void break_slow_writer(struct h1_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_CLIENT, ERROR_WRITE_TIMEOUT, "the response was not taken in time");
    h1_set_unfit(conn, HTTP_UNFIT_TIMEOUT);
    conn->close_by_reset = true;
    h1_break(conn, &err);
}

static void fail_slow_body(struct h1_conn *conn)
{
    struct error err;

    error_set(&err, FAULT_CLIENT, ERROR_BODY_TIMEOUT, "the body did not come in time");
    h1_set_unfit(conn, HTTP_UNFIT_TIMEOUT);
    h1_fail_receive(conn, &err);
    h1_wake_stream(conn);
}

/* A part of a head is answered (408); silence is not, since nothing was asked (RFC 9110 15.5.9). */
static void expire_waiting(struct h1_conn *conn)
{
    if (conn->out.size > 0 && conn->since_ns == 0)
        break_slow_writer(conn);
    else if (conn->in.size == 0)
        h1_server_enter(conn, H1_FINISH);
    else
        h1_server_refuse(conn, ERROR_HEAD_TIMEOUT);
}

static void expire_serving(struct h1_conn *conn, uint64_t now_ns)
{
    if ((conn->send != H1_SEND_END || conn->out.size > 0) && now_ns >= write_deadline(conn))
        break_slow_writer(conn);
    else
        fail_slow_body(conn);
}

void h1_server_expire(struct h1_conn *conn)
{
    uint64_t now_ns = h1_now(conn);

    if (!h1_is_server(conn) || now_ns < h1_server_deadline(conn))
        return;
    switch ((enum h1_phase)conn->phase) {
    case H1_LIVE:
        if (is_waiting(conn))
            expire_waiting(conn);
        else
            expire_serving(conn, now_ns);
        return;
    case H1_SKIP:
        h1_server_enter(conn, H1_FINISH);
        return;
    case H1_FINISH:
        break_slow_writer(conn);
        return;
    case H1_LINGER:
        h1_server_enter(conn, H1_OVER);
        return;
    case H1_OVER:
        return;
    }
}
