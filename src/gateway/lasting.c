/* lasting.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lasting.h"

#include "gateway/crowd.h"
#include "gateway/greeting.h"
#include "http/ws/upgrade.h"

enum { LAST_BYTES = 4 };

struct stream_watch {
    uint64_t heard_ns;     /* the host's last byte */
    uint64_t said_ns;      /* the last comment of ours */
    bool events;           /* it is text/event-stream, as the host wrote it */
    char last[LAST_BYTES]; /* of what went on */
    size_t len;
};

static bool refuse(struct exchange *x, enum fault fault, const char *text)
{
    host_count_add(&x->client->frontend->counts.lasting_refused, 1);
    return error_set(&x->error, fault, ERROR_TOO_MANY_STREAMS, "%s", text);
}

/* 0: any number, as of built-in ones. */
static int64_t open_max(const struct endpoint *endpoint)
{
    return endpoint->options ? endpoint->options->stream.open_max : 0;
}

/* Counted first, asked then: other workers do the same at this moment. */
static bool enter_endpoint(const struct endpoint *endpoint)
{
    int64_t max = open_max(endpoint);

    if (max == 0 || (int64_t)atomic_fetch_add_explicit(endpoint->lasting, 1, memory_order_relaxed) < max)
        return true;
    atomic_fetch_sub_explicit(endpoint->lasting, 1, memory_order_relaxed);
    return false;
}

static void leave_endpoint(const struct endpoint *endpoint)
{
    if (open_max(endpoint) > 0)
        atomic_fetch_sub_explicit(endpoint->lasting, 1, memory_order_relaxed);
}

bool lasting_enter(struct exchange *x)
{
    struct frontend *frontend = x->client->frontend;
    struct addr addr = greeting_address(frontend, x->client->peer);
    int64_t max = exchange_service(x)->server.clients.streams_per_address;

    if (!enter_endpoint(x->endpoint))
        return refuse(x, FAULT_SYSTEM, "max_open of the endpoint is reached");
    if (frontend->lasting_crowd && addr.family != ADDR_NONE &&
        !crowd_enter(frontend->lasting_crowd, &addr, (uint32_t)max)) {
        leave_endpoint(x->endpoint);
        return refuse(x, FAULT_CLIENT, "max_streams_per_ip is reached");
    }
    x->lasting = true;
    return true;
}

void lasting_leave(struct frontend *frontend, const struct endpoint *endpoint, const struct addr *peer)
{
    struct addr addr = greeting_address(frontend, peer);

    leave_endpoint(endpoint);
    if (frontend->lasting_crowd && addr.family != ADDR_NONE)
        crowd_leave(frontend->lasting_crowd, &addr);
}

static bool is_extended_connect(const struct exchange *x)
{
    return x->request->protocol.len > 0 && x->client->conn->multiplexed;
}

bool lasting_is_impossible(struct exchange *x)
{
    if (LIKELY(!is_extended_connect(x)) || (x->endpoint->traffic == CLASS_TUNNEL && ws_is_asked(x->request)))
        return false;
    error_set(&x->error, FAULT_CLIENT, ERROR_BAD_UPGRADE, "extended CONNECT to what makes no tunnel");
    return true;
}

/* What the client offers and the endpoint does not want is not offered to the host. */
static bool narrow_offer(struct exchange *x)
{
    const struct str_list *allowed = &x->endpoint->options->stream.subprotocols;

    return allowed->count == 0 || ws_narrow_protocols(x->arena, x->request, allowed->items, allowed->count) ||
           error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a handshake");
}

bool lasting_admit(struct exchange *x)
{
    if (x->endpoint->traffic == CLASS_TUNNEL) {
        x->upgrade = ws_is_asked(x->request);
        return !x->upgrade || (narrow_offer(x) && ws_check_request(x->request, &x->error) && lasting_enter(x));
    }
    x->stream->lasting = true;
    return lasting_enter(x);
}

/* RFC 6455 4.4: who speaks another version is told which one is spoken here. */
static enum progress answer_version_13(struct exchange *x)
{
    struct answer_input input = reply_input(x);

    answer_error(&input, &x->error, 400, STR_EMPTY, STR_EMPTY, &x->answer);
    if (!headers_add(&x->answer.head.headers, x->arena, STR("Sec-WebSocket-Version"), STR("13")))
        return exchange_fail(x);
    return reply(x);
}

enum progress lasting_refuse(struct exchange *x)
{
    if (x->error.code == ERROR_BAD_VERSION)
        return answer_version_13(x);
    if (x->error.fault == FAULT_SYSTEM)
        return reply_error(x, 503, STR_EMPTY, STR_EMPTY);
    return exchange_fail(x);
}

/* Streams. */

static const struct stream_options *options_of(const struct exchange *x)
{
    return &x->endpoint->options->stream;
}

static bool is_of_events(const struct http_head *answer)
{
    struct str type = headers_get_id(&answer->headers, HEADER_CONTENT_TYPE);

    return answer->status == 200 && answer->body_bytes < 0 &&
           !headers_get_id(&answer->headers, HEADER_CONTENT_ENCODING).data &&
           str_eq_fold(str_trim(str_first(type, str_find_char(type, ';'))), STR("text/event-stream"));
}

static uint64_t after(uint64_t since_ns, int64_t limit_ns)
{
    return limit_ns > 0 ? timer_end_ns(since_ns, (uint64_t)limit_ns) : TIMER_OFF;
}

static uint64_t idle_at_ns(const struct exchange *x)
{
    return after(x->watch->heard_ns, options_of(x)->idle_ns);
}

static uint64_t heartbeat_at_ns(const struct exchange *x)
{
    const struct stream_watch *watch = x->watch;
    uint64_t since_ns = watch->said_ns > watch->heard_ns ? watch->said_ns : watch->heard_ns;

    return watch->events ? after(since_ns, options_of(x)->heartbeat_ns) : TIMER_OFF;
}

static void set_timer(struct exchange *x)
{
    uint64_t at_ns = u64_min(idle_at_ns(x), heartbeat_at_ns(x));

    timer_set(exchange_loop(x), &x->deadline, x->due_ns > 0 ? u64_min(at_ns, x->due_ns) : at_ns);
}

void stream_begin(struct exchange *x)
{
    if (!x->lasting || x->upgrade || x->watch)
        return;
    timer_clear(exchange_loop(x), &x->deadline);
    x->watch = arena_make(x->arena, struct stream_watch);
    if (!x->watch)
        return; /* then nothing limits it but the client */
    x->watch->heard_ns = loop_now_ns(exchange_loop(x));
    x->watch->events = is_of_events(x->call.answer);
    host_count_add(&x->client->frontend->counts.streams_open, 1);
    host_count_add(&x->client->frontend->counts.streams, 1);
    set_timer(x);
}

void stream_end(struct exchange *x)
{
    if (x->watch)
        host_count_add(&x->client->frontend->counts.streams_open, -1);
    if (x->lasting)
        lasting_leave(x->client->frontend, x->endpoint, x->client->peer);
}

void stream_heard(struct exchange *x)
{
    struct stream_watch *watch = x->watch;
    char bytes[2 * LAST_BYTES];
    size_t got;

    if (!watch)
        return;
    watch->heard_ns = loop_now_ns(exchange_loop(x));
    memcpy(bytes, watch->last, watch->len);
    got = watch->len + chain_last(&x->response_body, bytes + watch->len, LAST_BYTES);
    watch->len = size_min(got, LAST_BYTES);
    memcpy(watch->last, bytes + got - watch->len, watch->len);
}

/* One line end at the end of the text, and what is left without it. */
static bool drop_line_end(struct str *text)
{
    size_t len = str_ends(*text, STR("\r\n")) ? 2 : str_ends(*text, STR("\n")) || str_ends(*text, STR("\r")) ? 1 : 0;

    text->len -= len;
    return len > 0;
}

bool stream_is_between_events(struct str last)
{
    return last.len == 0 || (drop_line_end(&last) && (last.len == 0 || drop_line_end(&last)));
}

static bool may_speak(const struct exchange *x)
{
    const struct stream_watch *watch = x->watch;

    return watch && watch->events && x->response_body.size == 0 && !x->answer_ended &&
           stream_is_between_events(str_of(watch->last, watch->len));
}

enum progress stream_expire(struct exchange *x)
{
    uint64_t now_ns = loop_now_ns(exchange_loop(x));

    x->deadline.fired = false;
    if (x->due_ns > 0 && now_ns >= x->due_ns) {
        error_set(&x->error, FAULT_UPSTREAM, ERROR_DEADLINE, "the client's own deadline is over");
        return exchange_fail(x);
    }
    if (x->response_body.size > 0)
        x->watch->heard_ns = now_ns; /* it is the client that is waited for */
    if (now_ns >= idle_at_ns(x)) {
        error_set(&x->error, FAULT_UPSTREAM, ERROR_IDLE_TIMEOUT, "the host was silent for the stream's idle_timeout");
        return exchange_fail(x);
    }
    if (now_ns >= heartbeat_at_ns(x)) {
        x->watch->said_ns = now_ns;
        /* Without memory this one is left out. */
        if (may_speak(x))
            (void)!chain_append_borrowed(&x->response_body, loop_blocks(exchange_loop(x)), STR(": \n\n"));
    }
    set_timer(x);
    return MORE;
}

bool stream_leave(struct exchange *x)
{
    if (!may_speak(x))
        return false;
    fetch_end(x->call.fetch, HTTP_CANCEL_GONE);
    x->call.fetch = NULL;
    x->answer_ended = x->request_sent = true;
    return true;
}

void streams_leave(struct client *client)
{
    for (struct list_node *node = ring_first(&client->exchanges); node; node = ring_next(&client->exchanges, node)) {
        struct exchange *x = container_of(node, struct exchange, node);

        x->leaving = x->watch != NULL;
        if (x->leaving)
            task_wake(client->frontend->loop, &x->task);
    }
}
