/* greeting.c: see the header. What a listener expects is fixed: no header is guessed from bytes. With "require" every
 * connection has one, and who is not in proxy_protocol_from is refused; with "accept" those in proxy_protocol_from have
 * one, and nobody else. Start with greeting_new. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/greeting.h"

#include "base/log.h"
#include "gateway/arrival.h"
#include "gateway/crowd.h"
#include "gateway/frontend_internal.h"
#include "gateway/network.h"
#include "gateway/voucher.h"
#include "net/proxy_protocol.h"

#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
/* How long a refused client may go on talking, so that it sees why. A courtesy to who is not served: no setting; what
 * it costs refuse_with and refuse_handshakes say. */
#define REFUSED_NS SECOND_NS
enum { REFUSED_MAX = 64 }; /* who get that time; others are reset */

struct greeting {
    struct frontend *frontend;
    struct stream *stream;
    struct door_options door; /* its TLS is held */
    struct task task;
    struct timer timer;
    struct list_node node;       /* in the frontend's greetings */
    struct proxy_reader *reader; /* NULL: it is refused, and what still comes is thrown away */
};

static const struct client_rules *rules_of(const struct frontend *frontend)
{
    return &frontend_server(frontend)->clients;
}

/* Refused ones are opened and closed too, so that the numbers add up. */
static void count_refused(struct frontend *frontend, const struct addr *peer, uint16_t door, enum http_end end)
{
    uint64_t now_ns = loop_now_ns(frontend->loop);

    client_log_note(
        &frontend->closed,
        &(struct client_closed){.id = now_ns, .closed_ns = now_ns, .peer = *peer, .door = door, .end = (uint8_t)end});
    host_count_add(&frontend->counts.connections_opened, 1);
    frontend_count_close(frontend, door, end);
    host_count_add(&frontend->counts.connections_closed, 1);
}

static void greeting_free(struct greeting *greeting)
{
    struct frontend *frontend = greeting->frontend;

    timer_clear(frontend->loop, &greeting->timer);
    task_forget(frontend->loop, &greeting->task);
    list_remove(&frontend->greetings, &greeting->node);
    free(greeting->reader);
    tls_server_release(greeting->door.tls);
    free(greeting);
}

static void greeting_close(struct greeting *greeting, bool reset)
{
    struct frontend *frontend = greeting->frontend;
    bool was_full = frontend_is_full(frontend);

    stream_close(greeting->stream, reset);
    greeting_free(greeting);
    frontend_resume_doors(frontend, was_full);
    drain_notice_end(frontend);
}

/* A Unix socket's other end is a process of this machine: it has no address, and its connections are not counted. */
struct addr greeting_address(const struct frontend *frontend, const struct addr *peer)
{
    const struct client_rules *rules = rules_of(frontend);
    struct addr plain = network_unmapped(peer);

    if (plain.family == ADDR_IPV4)
        return network_of(&plain, (unsigned)rules->ipv4_prefix_bits);
    if (plain.family == ADDR_IPV6)
        return network_of(&plain, (unsigned)rules->ipv6_prefix_bits);
    return (struct addr){.family = ADDR_NONE};
}

static bool has_room(struct frontend *frontend, const struct addr *peer)
{
    struct addr addr;

    if (!frontend->crowd)
        return true;
    addr = greeting_address(frontend, peer);
    return addr.family == ADDR_NONE ||
           crowd_enter(frontend->crowd, &addr, (uint32_t)rules_of(frontend)->max_per_address);
}

void greeting_leave(struct frontend *frontend, const struct addr *peer)
{
    struct addr addr;

    if (!frontend->crowd)
        return;
    addr = greeting_address(frontend, peer);
    if (addr.family != ADDR_NONE)
        crowd_leave(frontend->crowd, &addr);
}

static void run_greeting(struct task *task);

/* NULL: no memory, and the stream is closed. */
static struct greeting *make(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    struct greeting *greeting = calloc(1, sizeof(*greeting));

    if (!greeting) {
        stream_close(stream, true);
        return NULL;
    }
    *greeting = (struct greeting){.frontend = frontend, .stream = stream, .door = *door, .task.run = run_greeting};
    greeting->timer = (struct timer){.at_ns = TIMER_OFF, .task = &greeting->task};
    (void)tls_server_hold(greeting->door.tls);
    list_push_back(&frontend->greetings, &greeting->node);
    stream_set_owner(stream, &greeting->task, false);
    task_wake(frontend->loop, &greeting->task);
    return greeting;
}

struct iovec greeting_refusal(bool h2)
{
    static char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
                           "Content-Length: 45\r\nConnection: close\r\n\r\n"
                           "503 Service Unavailable: too_many_connections"; /* the form of all our refusals */
    static char frames[] = "\0\0\0\4\0\0\0\0\0"                             /* SETTINGS */
                           "\0\0\x1c\7\0\0\0\0\0\0\0\0\0\0\0\0\x0b"         /* GOAWAY: ENHANCE_YOUR_CALM */
                           "too many connections";

    return h2 ? (struct iovec){frames, sizeof(frames) - 1} : (struct iovec){answer, sizeof(answer) - 1};
}

/* A handshake costs us more than it costs the client, so only so many are done for nothing: a second's worth at once,
 * then evenly. Those who may stay have half of max_handshakes for themselves. */
static bool may_shake_for_nothing(struct frontend *frontend)
{
    uint64_t now_ns = loop_now_ns(frontend->loop), step_ns;
    uint64_t each_second = (uint64_t)rules_of(frontend)->refuse_handshakes;
    int64_t max = generation_service(frontend->generation)->tls_tuning.max_handshakes;

    each_second = each_second / frontend->workers + (each_second % frontend->workers > 0);
    if (each_second == 0 || (max > 0 && 2 * frontend->arrivals.count >= (size_t)max))
        return false;
    step_ns = SECOND_NS / each_second;
    if (frontend->refuse_from_ns < now_ns)
        frontend->refuse_from_ns = now_ns;
    if (frontend->refuse_from_ns - now_ns + step_ns > SECOND_NS)
        return false;
    frontend->refuse_from_ns += step_ns;
    return true;
}

static void refuse_crowd(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    struct iovec part = greeting_refusal(false);
    struct greeting *greeting;
    struct error err;
    size_t sent;

    count_refused(frontend, &stream->peer, door->number, HTTP_END_CROWD);
    if (rules_of(frontend)->refusal == REFUSE_BY_RESET || frontend->refused >= REFUSED_MAX ||
        (door->tls && !may_shake_for_nothing(frontend))) {
        stream_close(stream, true);
        return;
    }
    if (door->tls) {
        arrival_refuse(frontend, stream, door);
        return;
    }
    greeting = make(frontend, stream, door);
    if (!greeting)
        return;
    frontend->refused++;
    timer_set(frontend->loop, &greeting->timer, loop_now_ns(frontend->loop) + REFUSED_NS);
    if (stream_writev(stream, &part, 1, &sent, &err) == IO_OK)
        stream_shutdown_write(stream);
}

static void go_on(struct frontend *frontend, struct stream *stream, const struct door_options *door,
                  struct voucher *voucher)
{
    if (!has_room(frontend, &stream->peer)) {
        free(voucher);
        refuse_crowd(frontend, stream, door);
    } else if (door->tls) {
        arrival_new(frontend, stream, door, voucher);
    } else {
        client_new(frontend, stream, door, voucher);
    }
}

/* Closing with bytes unread would send a reset, which could overtake the answer. */
static void throw_away(struct greeting *greeting)
{
    char bytes[4096];
    struct iovec part = {bytes, sizeof(bytes)};
    struct error err;
    enum io io = IO_OK;
    size_t got;

    while (io == IO_OK)
        io = stream_readv(greeting->stream, &part, 1, &got, &err);
    if (io == IO_WAIT && !greeting->timer.fired)
        return;
    greeting->frontend->refused--;
    greeting_close(greeting, false);
}

/* IO_OK: the header is whole. */
static enum io read_header(struct greeting *greeting, struct error *err)
{
    struct proxy_reader *reader = greeting->reader;

    for (size_t wants; (wants = proxy_reader_wants(reader)) > 0;) {
        struct iovec part = {reader->bytes + reader->size, wants};
        size_t got;
        enum io io = stream_readv(greeting->stream, &part, 1, &got, err);

        if (io == IO_WAIT && greeting->timer.fired) {
            error_set(err, FAULT_CLIENT, ERROR_HEAD_TIMEOUT, "the PROXY header did not come in time");
            return IO_FAIL;
        }
        if (io != IO_OK)
            return io;
        proxy_reader_got(reader, got);
    }
    return IO_OK;
}

/* Checks of health connect and say nothing: no news. */
static void give_up(struct greeting *greeting, const struct error *err)
{
    char text[ADDR_TEXT_BYTES];

    LOG(LOG_DEBUG, "SERVICE: HTTP Server", "connection from %.*s refused: %s",
        STR_ARG(addr_format(&greeting->stream->peer, text)), err->text);
    count_refused(greeting->frontend, &greeting->stream->peer, greeting->door.number, HTTP_END_PROXY);
    greeting_close(greeting, true);
}

static void use_header(struct greeting *greeting)
{
    struct frontend *frontend = greeting->frontend;
    struct proxy_reader *reader = greeting->reader;
    struct stream *stream = greeting->stream;
    struct door_options door = greeting->door;
    struct voucher *voucher = NULL;
    struct proxy_header header;
    struct error err;

    if (!proxy_header_read(str_of((const char *)reader->bytes, reader->size), &header, &err)) {
        give_up(greeting, &err);
        return;
    }
    if (!header.local && !header.datagram) {
        stream->peer = header.source;
        voucher = voucher_new(&header);
    }
    stream_set_owner(stream, NULL, false);
    (void)tls_server_hold(door.tls);
    greeting_free(greeting);
    go_on(frontend, stream, &door, voucher);
    tls_server_release(door.tls);
    drain_notice_end(frontend);
}

static void run_greeting(struct task *task)
{
    struct greeting *greeting = container_of(task, struct greeting, task);
    struct error err = {.text = "closed inside the PROXY header"};

    if (!greeting->reader) {
        throw_away(greeting);
        return;
    }
    switch (read_header(greeting, &err)) {
    case IO_OK:
        use_header(greeting);
        return;
    case IO_WAIT:
        return;
    case IO_END:
    case IO_FAIL:
        give_up(greeting, &err);
        return;
    }
}

static void await_header(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    uint64_t limit_ns = frontend->conn_options.head_timeout_ns, own_ns = (uint64_t)rules_of(frontend)->proxy_header_ns;
    struct greeting *greeting = make(frontend, stream, door);

    if (!greeting)
        return;
    greeting->reader = malloc(sizeof(*greeting->reader));
    if (!greeting->reader) {
        greeting_close(greeting, true);
        return;
    }
    proxy_reader_init(greeting->reader);
    timer_set(frontend->loop, &greeting->timer,
              loop_now_ns(frontend->loop) + (limit_ns > 0 ? u64_min(limit_ns, own_ns) : own_ns));
}

void greeting_new(struct frontend *frontend, struct stream *stream, const struct door_options *door)
{
    const struct client_rules *rules = rules_of(frontend);
    bool is_proxy = networks_have(rules->proxies, rules->proxy_count, &stream->peer);

    if (door->proxy_protocol == PROXY_OFF || (door->proxy_protocol == PROXY_ACCEPT && !is_proxy)) {
        go_on(frontend, stream, door, NULL);
    } else if (!is_proxy && rules->proxy_count > 0 && stream->peer.family != ADDR_UNIX) {
        count_refused(frontend, &stream->peer, door->number, HTTP_END_PROXY);
        stream_close(stream, true);
    } else {
        await_header(frontend, stream, door);
    }
}

void greetings_cut(struct frontend *frontend)
{
    for (struct list_node *node; (node = list_first(&frontend->greetings));)
        greeting_close(container_of(node, struct greeting, node), true);
    frontend->refused = 0;
}
