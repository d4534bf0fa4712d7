/* connect.c: see the header. A chain of steps on one stream, each of which may wait; a task of its own moves it on and
 * wakes the owner once the outcome is known. Start with move_on. SPDX-License-Identifier: Apache-2.0 */
#include "upstream/connect.h"

#include "base/assert.h"

#include <stdlib.h>

#define TUNNEL_LIMIT_NS UINT64_C(60000000000) /* where neither forward_proxy_timeout nor dialer_timeout says one */

enum connect_state {
    CONNECT_DIAL,      /* no stream yet */
    CONNECT_FIRST,     /* `stream` is connected, and does not have all of `first` yet */
    CONNECT_PROXY,     /* `stream` is TLS with the proxy and not secured yet */
    CONNECT_TUNNEL,    /* `stream` is connected to the proxy */
    CONNECT_HANDSHAKE, /* `stream` is TLS and not secured yet */
    CONNECT_DONE,      /* `stream` is ready */
    CONNECT_FAILED,    /* `failure` tells why */
};

struct connecting {
    struct loop *loop;
    struct connect_options options;
    enum connect_state state;
    struct dial *dial;     /* in DIAL */
    struct tunnel *tunnel; /* in TUNNEL */
    struct stream *stream; /* from FIRST to DONE, until it is taken */
    struct str first;      /* what of options.first has not been written */
    struct task *owner;
    struct task task;
    struct timer limit; /* of the first bytes, the tunnel or a handshake */
    bool greeted;       /* in PROXY and HANDSHAKE: our first flight has left */
    uint64_t step_began_ns;
    struct connect_facts facts;
    struct error failure;
};

static bool is_over(const struct connecting *connecting)
{
    return connecting->state == CONNECT_DONE || connecting->state == CONNECT_FAILED;
}

/* The time since the last step ended. */
static uint64_t lap_ns(struct connecting *connecting)
{
    uint64_t now_ns = loop_now_ns(connecting->loop), began_ns = connecting->step_began_ns;

    connecting->step_began_ns = now_ns;
    return now_ns - began_ns;
}

static enum io end_with(struct connecting *connecting, enum connect_state state)
{
    timer_clear(connecting->loop, &connecting->limit);
    connecting->state = state;
    if (state == CONNECT_DONE && connecting->options.cost)
        dial_cost_note(connecting->options.cost,
                       connecting->facts.dial_ns + connecting->facts.tunnel_ns + connecting->facts.tls_ns);
    if (connecting->stream)
        stream_set_owner(connecting->stream, NULL, false);
    return IO_OK;
}

static enum io fail(struct connecting *connecting)
{
    stream_close(connecting->stream, true);
    connecting->stream = NULL;
    return end_with(connecting, CONNECT_FAILED);
}

static void set_limit(struct connecting *connecting, uint64_t limit_ns)
{
    if (limit_ns > 0)
        timer_set(connecting->loop, &connecting->limit, loop_now_ns(connecting->loop) + limit_ns);
}

/* The stream can carry bytes to the host; TLS is put over it when it has to be. */
static enum io begin_handshake(struct connecting *connecting)
{
    const struct connect_options *options = &connecting->options;
    struct tls_stream_options tls = {
        .profile = options->tls,
        .server_name = options->server_name,
        .protocols = options->protocols,
        .protocol_count = options->protocol_count,
        .sessions = options->sessions,
        .session_scope = options->session_scope,
    };

    if (!options->tls)
        return end_with(connecting, CONNECT_DONE);
    connecting->stream = tls_client_stream(connecting->stream, &tls, &connecting->task, &connecting->failure);
    if (!connecting->stream)
        return fail(connecting);
    connecting->greeted = false;
    set_limit(connecting, options->tls_handshake_limit_ns);
    connecting->state = CONNECT_HANDSHAKE;
    return IO_OK;
}

/* Its own, else what is left of the dial's time, or as long as Go gives it. */
static uint64_t tunnel_limit_ns(const struct connecting *connecting)
{
    uint64_t limit_ns = connecting->options.dial.timeout_ns, used_ns = connecting->facts.dial_ns;

    if (connecting->options.tunnel_limit_ns > 0)
        return connecting->options.tunnel_limit_ns;
    if (limit_ns == 0)
        return TUNNEL_LIMIT_NS;
    return limit_ns > used_ns ? limit_ns - used_ns : 1;
}

static enum io begin_tunnel(struct connecting *connecting)
{
    if (connecting->options.tunnel.target.len == 0)
        return begin_handshake(connecting);
    connecting->tunnel = tunnel_new(&connecting->options.tunnel);
    if (!connecting->tunnel) {
        error_set(&connecting->failure, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a tunnel");
        return fail(connecting);
    }
    stream_set_owner(connecting->stream, &connecting->task, false);
    set_limit(connecting, tunnel_limit_ns(connecting));
    connecting->state = CONNECT_TUNNEL;
    return IO_OK;
}

static enum io tunnel_failed(struct connecting *connecting)
{
    if (connecting->options.counts)
        host_count_add(&connecting->options.counts->proxy_failures, 1);
    return fail(connecting);
}

static enum io tunnel_expired(struct connecting *connecting)
{
    error_set(&connecting->failure, FAULT_UPSTREAM, ERROR_PROXY_TIMEOUT,
              "proxy %.*s: no answer to CONNECT within %llu ms", STR_ARG(connecting->options.tunnel.proxy),
              (unsigned long long)(tunnel_limit_ns(connecting) / 1000000));
    connecting->failure.retry_safe = true;
    return tunnel_failed(connecting);
}

static enum io finish_tunnel(struct connecting *connecting)
{
    enum io io = tunnel_step(connecting->tunnel, &connecting->stream, &connecting->failure);

    if (io == IO_WAIT)
        return connecting->limit.fired ? tunnel_expired(connecting) : IO_WAIT;
    connecting->facts.tunnel_ns += lap_ns(connecting);
    tunnel_free(connecting->tunnel);
    connecting->tunnel = NULL;
    timer_clear(connecting->loop, &connecting->limit);
    return io == IO_OK ? begin_handshake(connecting) : tunnel_failed(connecting);
}

/* An https:// proxy: TLS with it goes below all that is said to it or to the host. */
static enum io begin_proxy(struct connecting *connecting)
{
    const struct connect_options *options = &connecting->options;
    struct tls_stream_options tls = {
        .profile = options->proxy_tls,
        .server_name = options->proxy_name,
        .sessions = options->sessions,
        .session_scope = options->tunnel.proxy,
    };

    if (!options->proxy_tls)
        return begin_tunnel(connecting);
    connecting->stream = tls_client_stream(connecting->stream, &tls, &connecting->task, &connecting->failure);
    if (!connecting->stream)
        return tunnel_failed(connecting);
    connecting->greeted = false;
    set_limit(connecting, options->tls_handshake_limit_ns);
    connecting->state = CONNECT_PROXY;
    return IO_OK;
}

static enum io proxy_failed(struct connecting *connecting)
{
    error_context(&connecting->failure, "TLS with the proxy %.*s", STR_ARG(connecting->options.tunnel.proxy));
    return tunnel_failed(connecting);
}

static void set_handshake_expired(struct connecting *connecting)
{
    error_set(&connecting->failure, FAULT_UPSTREAM, ERROR_TLS_TIMEOUT, "no end of the TLS handshake within %llu ms",
              (unsigned long long)(connecting->options.tls_handshake_limit_ns / 1000000));
    connecting->failure.retry_safe = true;
}

/* The first flight is sent at once, so that the peer can work on it. To check what it answers is much more; when its
 * time is over it is now or never. */
static enum io shake(struct connecting *connecting)
{
    bool may_wait = connecting->greeted && !connecting->limit.fired;

    if (may_wait && !loop_may_be_heavy(connecting->loop, &connecting->task, true))
        return IO_WAIT;
    connecting->greeted = true;
    return tls_handshake(connecting->stream, &connecting->failure);
}

static enum io finish_proxy(struct connecting *connecting)
{
    enum io io = shake(connecting);

    if (io == IO_WAIT && !connecting->limit.fired)
        return IO_WAIT;
    if (io == IO_WAIT)
        set_handshake_expired(connecting);
    connecting->facts.tunnel_ns = lap_ns(connecting);
    timer_clear(connecting->loop, &connecting->limit);
    return io == IO_OK ? begin_tunnel(connecting) : proxy_failed(connecting);
}

static enum io first_expired(struct connecting *connecting)
{
    error_set(&connecting->failure, FAULT_UPSTREAM, ERROR_CONNECT_TIMEOUT, "the PROXY header is not taken");
    connecting->failure.retry_safe = true;
    return fail(connecting);
}

/* It is taken at once unless the peer has no room for a hundred bytes. */
static enum io write_first(struct connecting *connecting)
{
    while (connecting->first.len > 0) {
        struct iovec part = {.iov_base = (char *)(uintptr_t)connecting->first.data, .iov_len = connecting->first.len};
        size_t sent;
        enum io io = stream_writev(connecting->stream, &part, 1, &sent, &connecting->failure);

        if (io == IO_WAIT)
            return connecting->limit.fired ? first_expired(connecting) : IO_WAIT;
        if (io != IO_OK) {
            connecting->failure.fault = FAULT_UPSTREAM;
            connecting->failure.retry_safe = true;
            return fail(connecting);
        }
        connecting->first = str_from_offset(connecting->first, sent);
    }
    timer_clear(connecting->loop, &connecting->limit);
    return begin_proxy(connecting);
}

static enum io begin_first(struct connecting *connecting)
{
    connecting->first = connecting->options.first;
    if (connecting->first.len == 0)
        return begin_proxy(connecting);
    stream_set_owner(connecting->stream, &connecting->task, false);
    set_limit(connecting, tunnel_limit_ns(connecting));
    connecting->state = CONNECT_FIRST;
    return IO_OK;
}

static enum io dial_failed(struct connecting *connecting)
{
    if (connecting->options.tunnel.proxy.len == 0)
        return fail(connecting);
    error_context(&connecting->failure, "proxy %.*s", STR_ARG(connecting->options.tunnel.proxy));
    return tunnel_failed(connecting);
}

static enum io finish_dial(struct connecting *connecting)
{
    enum io io = dial_result(connecting->dial, &connecting->stream, &connecting->failure);

    if (io == IO_WAIT)
        return IO_WAIT;
    connecting->facts.dial_ns = lap_ns(connecting);
    dial_free(connecting->dial);
    connecting->dial = NULL;
    return io == IO_OK ? begin_first(connecting) : dial_failed(connecting);
}

static enum io handshake_failed(struct connecting *connecting)
{
    connecting->facts.tls_ns = lap_ns(connecting);
    if (connecting->options.counts)
        host_count_add(&connecting->options.counts->handshake_failures, 1);
    error_context(&connecting->failure, "TLS with %.*s", STR_ARG(connecting->options.server_name));
    return fail(connecting);
}

static void count_handshake(const struct connecting *connecting)
{
    struct host_counts *counts = connecting->options.counts;

    if (!counts)
        return;
    host_count_add(connecting->facts.resumed ? &counts->handshakes_resumed : &counts->handshakes_full, 1);
    host_count_add(&counts->handshake_ns, (int64_t)connecting->facts.tls_ns);
}

static enum io handshake_expired(struct connecting *connecting)
{
    set_handshake_expired(connecting);
    return handshake_failed(connecting);
}

static enum io finish_handshake(struct connecting *connecting)
{
    enum io io = shake(connecting);
    struct tls_info info;

    if (io == IO_WAIT)
        return connecting->limit.fired ? handshake_expired(connecting) : IO_WAIT;
    if (io != IO_OK)
        return handshake_failed(connecting);
    tls_info(connecting->stream, &info);
    connecting->facts.tls_ns = lap_ns(connecting);
    connecting->facts.resumed = info.resumed;
    count_handshake(connecting);
    return end_with(connecting, CONNECT_DONE);
}

/* IO_OK: the state has moved on. */
static enum io step(struct connecting *connecting)
{
    switch (connecting->state) {
    case CONNECT_DIAL:
        return finish_dial(connecting);
    case CONNECT_FIRST:
        return write_first(connecting);
    case CONNECT_PROXY:
        return finish_proxy(connecting);
    case CONNECT_TUNNEL:
        return finish_tunnel(connecting);
    case CONNECT_HANDSHAKE:
        return finish_handshake(connecting);
    case CONNECT_DONE:
    case CONNECT_FAILED:
        break;
    }
    return IO_WAIT;
}

static void move_on(struct connecting *connecting)
{
    while (!is_over(connecting) && step(connecting) == IO_OK)
        ;
}

static void run_connecting(struct task *task)
{
    struct connecting *connecting = container_of(task, struct connecting, task);

    if (is_over(connecting))
        return;
    move_on(connecting);
    if (is_over(connecting))
        task_wake(connecting->loop, connecting->owner);
}

struct connecting *connect_start(struct loop *loop, struct resolver *resolver, const struct connect_options *options,
                                 struct task *owner)
{
    struct connecting *connecting = malloc(sizeof(*connecting));

    if (!connecting)
        return NULL;
    *connecting =
        (struct connecting){.loop = loop, .options = *options, .owner = owner, .step_began_ns = loop_now_ns(loop)};
    connecting->task.run = run_connecting;
    connecting->limit = (struct timer){.at_ns = TIMER_OFF, .task = &connecting->task};
    connecting->dial = dial_start(loop, resolver, &connecting->options.dial, &connecting->task);
    if (!connecting->dial) {
        free(connecting);
        return NULL;
    }
    return connecting;
}

enum io connect_result(struct connecting *connecting, struct stream **stream, struct error *err)
{
    move_on(connecting);
    if (!is_over(connecting))
        return IO_WAIT;
    if (connecting->state == CONNECT_FAILED) {
        *err = connecting->failure;
        return IO_FAIL;
    }
    ASSERT(connecting->stream);
    *stream = connecting->stream;
    connecting->stream = NULL;
    return IO_OK;
}

void connect_set_owner(struct connecting *connecting, struct task *owner)
{
    connecting->owner = owner;
    if (is_over(connecting))
        task_wake(connecting->loop, owner);
}

const struct connect_facts *connect_facts(const struct connecting *connecting)
{
    return &connecting->facts;
}

void connect_free(struct connecting *connecting)
{
    if (!connecting)
        return;
    dial_free(connecting->dial);
    tunnel_free(connecting->tunnel);
    stream_close(connecting->stream, true);
    timer_clear(connecting->loop, &connecting->limit);
    task_forget(connecting->loop, &connecting->task);
    free(connecting);
}
