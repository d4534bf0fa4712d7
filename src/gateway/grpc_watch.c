/* grpc_watch.c: grpc.health.v1.Health/Watch of the gateway itself: an answer that says SERVING and goes on until the
 * gateway, or the listener that it was asked by, drains; then it says NOT_SERVING and ends, so that watchers look
 * elsewhere and hold up no connection. What a message holds: grpc_health.c. It counts among what lasts
 * (max_streams_per_ip). Start with watch_begin. SPDX-License-Identifier: Apache-2.0 */
#include "gateway/grpc.h"
#include "gateway/lasting.h"

static bool queue(struct exchange *x, struct str message)
{
    return chain_append(&x->response_body, loop_blocks(exchange_loop(x)), message) ||
           error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a message");
}

/* Check and the page of health speak of the gateway alone; a watcher is about to lose its connection. */
static bool is_leaving(const struct exchange *x)
{
    const struct frontend *frontend = x->client->frontend;

    return frontend->drain.begun || frontend->door_drains[x->client->door].begun;
}

/* A watcher may say how long it wants to watch. */
static void start_clock(struct exchange *x)
{
    uint64_t own_ns;

    if (!grpc_timeout(x->request, &own_ns))
        return;
    x->due_ns = loop_now_ns(exchange_loop(x)) + own_ns;
    timer_set(exchange_loop(x), &x->deadline, x->due_ns);
}

enum progress watch_begin(struct exchange *x)
{
    struct answer_input input = reply_input(x);
    struct http_head *head = &x->answer.head;

    input.draining = is_leaving(x);
    if (!grpc_health_watch(&input, x->body, &x->answer))
        return reply(x);
    if (!lasting_enter(x))
        return lasting_refuse(x);
    x->stream->lasting = true;
    head->body_bytes = -1;
    if (http_send_head(x->stream, head, false, &x->error) != IO_OK)
        return exchange_fail(x);
    x->head_sent = true;
    x->status = head->status;
    x->answer_ended = input.draining; /* then the first message is the last */
    start_clock(x);
    return queue(x, x->answer.body) ? go_to(x, EXCHANGE_WATCH) : exchange_fail(x);
}

static enum io end(struct exchange *x)
{
    struct http_head *trailers = grpc_trailers(x->arena, GRPC_OK, STR_EMPTY);

    if (trailers)
        return http_send_head(x->stream, trailers, true, &x->error);
    error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for trailers");
    return IO_FAIL;
}

enum progress watch_run(struct exchange *x)
{
    enum io io = exchange_recv_body(x); /* of which none is left: the client may be gone */

    if (io != IO_FAIL && is_leaving(x) && !x->answer_ended) {
        x->answer_ended = true;
        io = queue(x, grpc_health_not_serving()) ? io : IO_FAIL;
    }
    if (io != IO_FAIL)
        io = http_send_body(x->stream, &x->response_body, false, &x->error);
    if (io == IO_OK && x->answer_ended)
        io = end(x) == IO_OK ? IO_END : IO_FAIL;
    if (io == IO_FAIL)
        return exchange_fail(x);
    return io == IO_END ? go_to(x, EXCHANGE_FINISH) : PAUSE;
}

void watches_wake(struct frontend *frontend)
{
    for (struct list_node *node = list_first(&frontend->clients); node; node = list_next(&frontend->clients, node)) {
        struct client *client = container_of(node, struct client, node);

        for (struct list_node *at = ring_first(&client->exchanges); at; at = ring_next(&client->exchanges, at))
            if (container_of(at, struct exchange, node)->state == EXCHANGE_WATCH)
                task_wake(frontend->loop, &container_of(at, struct exchange, node)->task);
    }
}
