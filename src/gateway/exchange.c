/* exchange.c: the life of a request. Start with exchange_run: the switch is the whole story.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway/exchange.h"

#include "base/assert.h"
#include "base/lines.h"
#include "gateway/compose.h"
#include "gateway/exchange_internal.h"
#include "gateway/grpc.h"
#include "gateway/lasting.h"

enum { STATUS_CLIENT_GONE = 499 };

/* A host is not to be blamed for a deadline that the client has set. */
static enum http_cancel reason_of(const struct exchange *x)
{
    if (x->error.code != ERROR_DEADLINE || (x->due_ns > 0 && loop_now_ns(exchange_loop(x)) >= x->due_ns))
        return HTTP_CANCEL_GONE;
    return HTTP_CANCEL_DEADLINE;
}

static void return_pipe(struct exchange *x)
{
    pipe_return(exchange_loop(x), x->pipe);
    x->pipe = NULL;
}

enum progress exchange_fail(struct exchange *x)
{
    bool client_gone =
        x->error.fault == FAULT_CLIENT &&
        (x->error.code == ERROR_CLOSED || x->error.code == ERROR_RESET || x->error.code == ERROR_CLIENT_GONE);

    timer_clear(exchange_loop(x), &x->deadline);
    discover_quit(x->call.waiter);
    composition_end(x->composition);
    fetch_end(x->call.fetch, reason_of(x));
    x->call.fetch = NULL;
    call_end_body(x);
    chain_clear(&x->response_body); /* a part of the backend's answer must not stand before ours */
    return_pipe(x);
    if (x->head_sent && !client_gone && x->grpc && reply_late(x))
        return go_to(x, EXCHANGE_FINISH);
    if (x->head_sent || client_gone) {
        http_cancel(x->stream, x->error.code == ERROR_DEADLINE ? HTTP_CANCEL_DEADLINE : HTTP_CANCEL_ERROR);
        return go_to(x, EXCHANGE_FINISH);
    }
    return reply_error(x, 0, STR_EMPTY, STR_EMPTY);
}

static enum io body_too_large(struct exchange *x, uint64_t bytes_max)
{
    error_set(&x->error, FAULT_CLIENT, ERROR_BODY_TOO_LARGE, "a body of more than %llu bytes",
              (unsigned long long)bytes_max);
    return IO_FAIL;
}

static uint64_t body_bytes_max(const struct exchange *x) /* 0: no limit */
{
    return (uint64_t)exchange_service(x)->server.max_body_bytes;
}

enum io exchange_recv_body(struct exchange *x)
{
    uint64_t bytes_max = body_bytes_max(x);
    size_t before = x->request_body.size;
    enum io io = x->stream ? http_recv_body(x->stream, &x->request_body, PIECE_BYTES, &x->error) : IO_END;

    x->request_bytes += x->request_body.size - before;
    return bytes_max && x->request_bytes > bytes_max ? body_too_large(x, bytes_max) : io;
}

/* Names have no colon; addresses that have one stand in no certificate as names. */
static bool check_host(struct exchange *x)
{
    struct stream *stream = x->client->conn->stream;
    struct str authority = x->request->authority;

    if (!stream->ops->secure || !tls_is_misdirected(stream, str_first(authority, str_find_char(authority, ':'))))
        return true;
    return error_set(&x->error, FAULT_CLIENT, ERROR_MISDIRECTED, "another certificate is for this host");
}

static enum progress receive_head(struct exchange *x)
{
    enum io io = http_recv_head(x->stream, x->arena, &x->request, &x->error);

    if (io == IO_WAIT)
        return PAUSE;
    if (io != IO_OK)
        return exchange_fail(x);
    x->started_ns = loop_now_ns(exchange_loop(x));
    return check_host(x) ? go_to(x, EXCHANGE_ROUTE) : exchange_fail(x);
}

/* The endpoint's, or the client's own when it is earlier. */
static void start_deadline(struct exchange *x)
{
    int64_t timeout_ns = x->endpoint->timeout_ns;
    uint64_t now_ns = loop_now_ns(exchange_loop(x)), at_ns = TIMER_OFF, own_ns;

    if (timeout_ns > 0)
        at_ns = now_ns + (uint64_t)timeout_ns;
    if (UNLIKELY(x->grpc) && grpc_timeout(x->request, &own_ns)) {
        x->due_ns = now_ns + own_ns;
        at_ns = u64_min(at_ns, x->due_ns);
    }
    if (at_ns != TIMER_OFF)
        timer_set(exchange_loop(x), &x->deadline, at_ns);
}

static enum progress too_late(struct exchange *x)
{
    error_set(&x->error, FAULT_UPSTREAM, ERROR_DEADLINE, "context deadline exceeded");
    return exchange_fail(x);
}

/* Endpoints that take a body. One that is announced too large is refused before a backend hears of it. */
static enum progress take_request(struct exchange *x)
{
    uint64_t bytes_max = body_bytes_max(x);

    if (bytes_max && x->request->body_bytes > 0 && (uint64_t)x->request->body_bytes > bytes_max) {
        body_too_large(x, bytes_max);
        return exchange_fail(x);
    }
    if (x->endpoint->kind != ENDPOINT_PROXY)
        return go_to(x, EXCHANGE_REQUEST);
    if (x->endpoint->traffic != CLASS_SHORT && !lasting_admit(x))
        return lasting_refuse(x);
    if (x->endpoint->timeout_ns < 0)
        return too_late(x); /* a timer might come behind a quick answer */
    start_deadline(x);
    return early_begin(x);
}

static enum progress serve_endpoint(struct exchange *x)
{
    struct answer_input input;

    if (lasting_is_impossible(x))
        return reply_error(x, 501, STR_EMPTY, STR_EMPTY);
    switch (x->endpoint->kind) {
    case ENDPOINT_PROXY:
    case ENDPOINT_DEBUG:
    case ENDPOINT_ECHO:
    case ENDPOINT_GRPC_HEALTH:
    case ENDPOINT_GRPC_WATCH:
        return take_request(x);
    case ENDPOINT_ANSWER:
    case ENDPOINT_HEALTH:
    case ENDPOINT_OPTIONS:
        break;
    }
    input = reply_input(x);
    answer_builtin(&input, x->endpoint, STR_EMPTY, &x->answer);
    return reply(x);
}

/* OPTIONS * asks about the server as a whole: 200 without a body, as Go's server answers. */
static enum progress answer_asterisk(struct exchange *x)
{
    x->endpoint = generation_unrouted(x->generation);
    x->answer = (struct answer){.head = {.status = 200, .announced_bytes = -1}};
    return reply(x);
}

static enum progress answer_bad_params(struct exchange *x, struct str text)
{
    struct answer_input input = reply_input(x);

    answer_bad_parameter(&input, text, &x->answer);
    return reply(x);
}

static enum progress answer_no_endpoint(struct exchange *x)
{
    struct answer_input input = reply_input(x);

    answer_unrouted(&input, x->match, &x->answer);
    return reply(x);
}

static enum progress find_endpoint(struct exchange *x)
{
    const struct service *service = exchange_service(x);
    struct str path = str_first(x->request->path, str_find_char(x->request->path, '?'));
    struct str bad = STR_EMPTY;
    struct route_match match;

    x->grpc = x->client->conn->multiplexed && grpc_is_asked(x->request);
    if (str_eq(path, STR("*")))
        return answer_asterisk(x);
    router_find(generation_router(x->generation), x->arena, x->request->method, path, &match);
    __builtin_prefetch(match.target);
    x->match = route_match_keep(&match, x->arena);
    if (!x->match) {
        error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory to route a request");
        return exchange_fail(x);
    }
    x->endpoint = x->match->kind == ROUTE_FOUND ? x->match->target : generation_unrouted(x->generation);
    __builtin_prefetch(x->endpoint->backends); /* not asked for lately when there are many endpoints */
    if (!service->router.disable_path_decoding && x->match->param_count)
        bad = route_check_params(x->match, x->arena);
    if (bad.data)
        return answer_bad_params(x, bad);
    return x->match->kind == ROUTE_FOUND ? serve_endpoint(x) : answer_no_endpoint(x);
}

static enum progress answer_with_request(struct exchange *x)
{
    struct answer_input input = reply_input(x);

    if (x->endpoint->kind == ENDPOINT_GRPC_WATCH)
        return watch_begin(x);
    if (x->endpoint->kind == ENDPOINT_DEBUG)
        log_request(x, x->body);
    answer_builtin(&input, x->endpoint, x->body, &x->answer);
    return reply(x);
}

/* Built-in endpoints that show the request want its body, and so does who sends it more than once. */
static enum progress collect_request(struct exchange *x)
{
    bool proxied = x->endpoint->kind == ENDPOINT_PROXY;
    size_t bytes_max = proxied ? COPIED_BODY_MAX_BYTES : REQUEST_BODY_MAX_BYTES;
    enum io io = IO_OK;

    while (io == IO_OK)
        io = x->request_body.size > bytes_max ? body_too_large(x, bytes_max) : exchange_recv_body(x);
    if (io == IO_WAIT)
        return PAUSE;
    if (io == IO_FAIL)
        return exchange_fail(x);
    x->body = chain_copy(&x->request_body, x->arena);
    chain_clear(&x->request_body);
    if (!x->body.data) {
        error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a request's body");
        return exchange_fail(x);
    }
    return proxied ? call_start(x) : answer_with_request(x);
}

static enum progress finish(struct exchange *x)
{
    if (!x->status)
        x->status = STATUS_CLIENT_GONE;
    frontend_count_request(x->client->frontend, x->endpoint ? x->endpoint : generation_unrouted(x->generation),
                           x->status);
    log_access(x);
    return OVER;
}

static void exchange_free(struct exchange *x)
{
    struct client *client = x->client;
    struct reign *reign = x->reign;

    composition_end(x->composition);
    timer_clear(client->frontend->loop, &x->deadline);
    task_forget(client->frontend->loop, &x->task);
    discover_quit(x->call.waiter);
    fetch_end(x->call.fetch, HTTP_CANCEL_GONE);
    chain_clear(&x->request_body);
    chain_clear(&x->response_body);
    return_pipe(x);
    call_end_body(x);
    first_flight_end(x);
    stream_end(x);
    client_let_go(client, &client->exchanges, &x->node);
    if (!x->handed_over)
        http_done(x->stream);
    host_count_add(&client->frontend->counts.exchanges, -1);
    if (client->over)
        task_wake(client->frontend->loop, &client->task);
    host_release_all(&x->own_holds, client->frontend->pool);
    arena_free(x->arena);
    reign_leave(reign);
}

/* The deadline of the whole exchange (KrakenD's endpoint timeout), but streams that have begun have others. */
static enum progress expire(struct exchange *x)
{
    if (x->watch && x->state == EXCHANGE_RELAY)
        return stream_expire(x);
    x->deadline.fired = false;
    return too_late(x);
}

static void exchange_run(struct task *task)
{
    struct exchange *x = container_of(task, struct exchange, task);
    enum progress progress = MORE;

    if (x->deadline.fired)
        progress = expire(x);
    while (progress == MORE) {
        switch (x->state) {
        case EXCHANGE_HEAD:
            progress = receive_head(x);
            break;
        case EXCHANGE_ROUTE:
            progress = find_endpoint(x);
            break;
        case EXCHANGE_REQUEST:
            progress = collect_request(x);
            break;
        case EXCHANGE_EARLY:
            progress = early_run(x);
            break;
        case EXCHANGE_FLIGHT:
            progress = first_flight_run(x);
            break;
        case EXCHANGE_CALL:
            progress = call_run(x);
            break;
        case EXCHANGE_RELAY:
            progress = relay_run(x);
            break;
        case EXCHANGE_COLLECT:
            progress = collect_run(x);
            break;
        case EXCHANGE_DECODE:
            progress = collect_decode(x);
            break;
        case EXCHANGE_COMPOSE:
            progress = compose_run(x);
            break;
        case EXCHANGE_SEND:
            progress = reply_run(x);
            break;
        case EXCHANGE_WATCH:
            progress = watch_run(x);
            break;
        case EXCHANGE_FINISH:
            progress = finish(x);
            break;
        }
    }
    if (progress == OVER)
        exchange_free(x);
}

void exchange_start(struct client *client, struct http_stream *stream)
{
    struct frontend *frontend = client->frontend;
    struct arena *arena = arena_new(loop_pages(frontend->loop), frontend->request_memory_max);
    struct exchange *x = arena ? arena_alloc(arena, sizeof(*x), CACHE_LINE_BYTES) : NULL;

    if (!x) {
        arena_free(arena);
        http_cancel(stream, HTTP_CANCEL_ERROR);
        http_done(stream);
        return;
    }
    memset(x, 0, offsetof(struct exchange, error.text));
    x->arena = arena;
    x->client = client;
    x->stream = stream;
    x->reign = frontend->reign;
    reign_enter(x->reign);
    x->generation = frontend->generation;
    x->task.run = exchange_run;
    x->deadline = (struct timer){.at_ns = TIMER_OFF, .task = &x->task};
    x->started_ns = loop_now_ns(frontend->loop);
    x->trail = &x->own_trail;
    x->holds = &x->own_holds;
    stream->owner = &x->task;
    client_take(client, &client->exchanges, &x->node);
    host_count_add(&frontend->counts.exchanges, 1);
    exchange_run(&x->task);
}

void exchange_cut(struct exchange *x)
{
    if (x->error.fault == FAULT_NONE)
        error_set(&x->error, FAULT_SYSTEM, ERROR_DRAINING, "cut off by the end of the gateway");
    http_cancel(x->stream, HTTP_CANCEL_DEADLINE);
    (void)finish(x);
    exchange_free(x);
}
