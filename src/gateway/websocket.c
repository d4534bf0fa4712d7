/* websocket.c: birth, turn and death of a tunnel. What passes: websocket_pump.c; how it ends: websocket_close.c.
 * Start with run_websocket. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/log.h"
#include "gateway/exchange_internal.h"
#include "gateway/frontend_internal.h"
#include "gateway/lasting.h"
#include "gateway/websocket_internal.h"
#include "http/ws/upgrade.h"

#include <stdlib.h>

enum { ROUNDS_MAX = 16 }; /* of one run, so that one busy tunnel does not hold up the others */

const char *websocket_code_name(unsigned slot)
{
    static const char *const names[TUNNEL_CODES] = {"1000", "1001", "1002", "1003", "1004", "1005",
                                                    "1006", "1007", "1008", "1009", "1010", "1011",
                                                    "1012", "1013", "1014", "1015", "3xxx", "4xxx"};

    ASSERT(slot < TUNNEL_CODES);
    return names[slot];
}

static unsigned slot_of(uint16_t code)
{
    if (code >= 1000 && code <= 1015)
        return code - 1000u;
    return code < 4000 ? TUNNEL_CODES - 2 : TUNNEL_CODES - 1;
}

static void count_end(const struct websocket *websocket)
{
    struct frontend_counts *counts = &websocket->client->frontend->counts;

    host_count_add(&counts->tunnel_closes[websocket->by][slot_of(websocket->code)], 1);
    host_count_add(&counts->tunnels_open, -1);
}

/* What is neither sent nor ended in order is cut, so that the peer can tell. */
static void end_client(struct websocket_side *side)
{
    if (!side->finished || side->broken)
        http_cancel(side->stream, HTTP_CANCEL_ERROR);
    http_done(side->stream);
}

static void end_host(struct websocket *websocket, struct websocket_side *side)
{
    struct takeover takeover = {.pooled = websocket->pooled, .stream = side->stream};

    if (!side->finished || side->broken)
        http_cancel(side->stream, HTTP_CANCEL_GONE);
    takeover_end(&takeover, websocket->endpoint->backends[0].transport,
                 websocket->by == TUNNEL_BY_HOST ? SIDE_PEER : SIDE_OURS);
}

static void websocket_end(struct websocket *websocket)
{
    struct client *client = websocket->client;
    struct loop *loop = websocket_loop(websocket);

    websocket_ends(websocket, TUNNEL_BY_US, WS_CODE_ABNORMAL); /* unless it did before */
    count_end(websocket);
    LOG(LOG_DEBUG, "", "[ENDPOINT: %.*s] WebSocket over after %llu ms: %u", STR_ARG(websocket->endpoint->path),
        (unsigned long long)((loop_now_ns(loop) - websocket->began_ns) / 1000000u), (unsigned)websocket->code);
    for (int i = 0; i < WEBSOCKET_SIDES; i++) {
        chain_clear(&websocket->sides[i].in);
        chain_clear(&websocket->sides[i].out);
    }
    timer_clear(loop, &websocket->timer);
    task_forget(loop, &websocket->task);
    client_let_go(client, &client->tunnels, &websocket->node);
    end_client(&websocket->sides[WEBSOCKET_CLIENT]);
    end_host(websocket, &websocket->sides[WEBSOCKET_HOST]);
    lasting_leave(client->frontend, websocket->endpoint, client->peer);
    generation_release(websocket->generation);
    if (client->over)
        task_wake(loop, &client->task);
    free(websocket);
}

static void run_websocket(struct task *task)
{
    struct websocket *websocket = container_of(task, struct websocket, task);
    bool moved = true;

    for (int i = 0; moved && i < ROUNDS_MAX; i++) {
        moved = websocket_pump(websocket, &websocket->sides[WEBSOCKET_CLIENT]);
        moved |= websocket_pump(websocket, &websocket->sides[WEBSOCKET_HOST]);
    }
    websocket_look_at_clocks(websocket);
    if (websocket_settle(websocket)) {
        websocket_end(websocket);
        return;
    }
    if (moved)
        task_wake(websocket_loop(websocket), task);
    timer_set(websocket_loop(websocket), &websocket->timer, websocket_deadline_ns(websocket));
}

/* The handshake's answer, as the host gave it. */
static bool send_answer(struct exchange *x)
{
    struct http_head head = {
        .status = 101,
        .version_minor = 1,
        .protocol = STR("websocket"),
        .headers = x->call.answer->headers,
        .announced_bytes = -1,
    };

    x->stream->lasting = true;
    if (http_send_head(x->stream, &head, false, &x->error) != IO_OK)
        return false;
    x->head_sent = true;
    x->status = 101;
    return true;
}

static void begin_side(struct websocket *websocket, int which, struct http_stream *stream,
                       const struct ws_agreement *agreement)
{
    struct websocket_side *side = &websocket->sides[which];

    side->stream = stream;
    stream->owner = &websocket->task;
    side->heard_ns = websocket->began_ns;
    side->reader = (struct ws_reader){
        .masked = which == WEBSOCKET_CLIENT,
        .compressed = agreement->compressed,
        .other_bits = agreement->other_bits,
        .bytes_max = (uint64_t)websocket_options(websocket)->message_bytes_max,
    };
}

static struct websocket *websocket_new(struct exchange *x, const struct takeover *takeover,
                                       const struct ws_agreement *agreement)
{
    struct websocket *websocket = calloc(1, sizeof(*websocket));

    if (!websocket)
        return NULL;
    websocket->task.run = run_websocket;
    websocket->timer = (struct timer){.at_ns = TIMER_OFF, .task = &websocket->task};
    websocket->client = x->client;
    websocket->generation = generation_hold(x->generation);
    websocket->endpoint = x->endpoint;
    websocket->pooled = takeover->pooled;
    websocket->began_ns = websocket->moved_ns = loop_now_ns(exchange_loop(x));
    begin_side(websocket, WEBSOCKET_CLIENT, x->stream, agreement);
    begin_side(websocket, WEBSOCKET_HOST, takeover->stream, agreement);
    websocket->leaving = drain_is_past_window(x->client->frontend, x->client->door);
    return websocket;
}

bool websocket_begin(struct exchange *x)
{
    struct frontend_counts *counts = &x->client->frontend->counts;
    struct ws_agreement agreement;
    struct takeover takeover;
    struct websocket *websocket = NULL;

    fetch_take_over(x->call.fetch, &takeover);
    if (ws_check_answer(x->request, x->call.answer, &agreement, &x->error)) {
        websocket = websocket_new(x, &takeover, &agreement);
        if (!websocket)
            error_set(&x->error, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a tunnel");
    }
    if (!websocket || !send_answer(x)) {
        if (websocket)
            generation_release(websocket->generation);
        free(websocket);
        x->stream->owner = &x->task;
        http_cancel(takeover.stream, HTTP_CANCEL_ERROR);
        takeover_end(&takeover, x->call.backend->transport, SIDE_OURS);
        return false;
    }
    client_take(x->client, &x->client->tunnels, &websocket->node);
    x->handed_over = true;
    x->lasting = false; /* the tunnel leaves in its place */
    host_count_add(&counts->tunnels_open, 1);
    host_count_add(&counts->tunnels, 1);
    task_wake(exchange_loop(x), &websocket->task);
    return true;
}

void websockets_leave(struct client *client)
{
    for (struct list_node *node = ring_first(&client->tunnels); node; node = ring_next(&client->tunnels, node)) {
        struct websocket *websocket = container_of(node, struct websocket, node);

        websocket->leaving = websocket->close_by_ns == 0;
        task_wake(client->frontend->loop, &websocket->task);
    }
}

void websockets_cut(struct client *client)
{
    for (struct list_node *open; (open = ring_first(&client->tunnels));)
        websocket_end(container_of(open, struct websocket, node));
}
