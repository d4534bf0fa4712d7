/* client.c: one client connection: its streams become exchanges, and its end is counted. Start with run_client.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/log.h"
#include "gateway/exchange.h"
#include "gateway/frontend_internal.h"
#include "gateway/greeting.h"
#include "gateway/lasting.h"
#include "gateway/websocket.h"

#include <stdlib.h>

/* The first bound that the number does not exceed; the last slot is for all beyond. */
static size_t slot_of(uint64_t number, const uint32_t *bounds, size_t count)
{
    size_t slot = 0;

    while (slot < count && number > bounds[slot])
        slot++;
    return slot;
}

static const uint32_t request_bounds[CLIENT_REQUESTS_BOUNDS] = {0, 1, 2, 5, 10, 100, 1000, 10000};

const uint32_t *client_request_bounds(void)
{
    return request_bounds;
}

/* Only we know why we asked for the end; the conn knows all other reasons, and those that came first. */
static enum http_end reason_of(const struct client *client, const struct http_conn_facts *facts)
{
    if (client->cut != HTTP_END_NONE)
        return (enum http_end)client->cut;
    if (facts->end == HTTP_END_DRAIN && client->told != HTTP_END_NONE)
        return (enum http_end)client->told;
    return facts->end != HTTP_END_NONE ? facts->end : HTTP_END_FAILED;
}

static void note_end(const struct client *client, const struct http_conn_facts *facts, enum http_end end)
{
    uint64_t now_ns = loop_now_ns(client->frontend->loop);
    struct client_closed row = {
        .id = facts->opened_ns,
        .closed_ns = now_ns,
        .age_ns = now_ns - facts->opened_ns,
        .idle_ns = now_ns > facts->last_used_ns ? now_ns - facts->last_used_ns : 0,
        .bytes_in = facts->bytes_in,
        .bytes_out = facts->bytes_out,
        .peer = *client->peer,
        .requests = facts->messages,
        .door = client->door,
        .end = (uint8_t)end,
    };
    struct tls_info tls = {0};

    if (client->conn) {
        row.protocol = client->conn->multiplexed ? "h2" : "http/1.1";
        if (tls_server_info(client->conn->stream, &tls)) {
            row.tls_version = tls.version;
            row.resumed = tls.resumed;
        }
    }
    client_log_note(&client->frontend->closed, &row);
}

static void count_end(struct client *client)
{
    struct frontend_counts *counts = &client->frontend->counts;
    uint64_t now_ns = loop_now_ns(client->frontend->loop);
    struct http_conn_facts facts = {.opened_ns = now_ns, .last_used_ns = now_ns, .hint_timeout_s = -1, .hint_max = -1};
    enum http_end end;
    uint64_t dwell_ms;

    if (client->conn)
        http_facts(client->conn, &facts);
    end = reason_of(client, &facts);
    dwell_ms = (now_ns - facts.opened_ns) / 1000000u;
    note_end(client, &facts, end);
    frontend_count_close(client->frontend, client->door, end);
    host_count_add(&counts->requests_by[slot_of(facts.messages, request_bounds, COUNT_OF(request_bounds))], 1);
    host_count_add(&counts->dwell_by[slot_of(dwell_ms, seconds_bounds_ms(), SECONDS_BOUNDS)], 1);
    host_count_add(&counts->requests_on_closed, facts.messages);
    host_count_add(&counts->dwell_ms, (int64_t)dwell_ms);
    if (facts.raced)
        host_count_add(&counts->races, 1);
    if (facts.hint_timeout_s >= 0 || facts.hint_max >= 0)
        host_count_add(&counts->hinted, 1);
    if (end == HTTP_END_IDLE)
        keep_notice_idle_close(client->frontend, facts.late_ns);
    if (client->told != HTTP_END_NONE && (uint16_t)facts.messages != client->told_messages)
        host_count_add(&counts->told_served, 1);
    host_count_add(&counts->connections_closed, 1);
    host_count_add(&client->frontend->open_by[client->door], -1);
}

static void client_close(struct client *client)
{
    struct frontend *frontend = client->frontend;
    bool was_full = frontend_is_full(frontend);

    ASSERT(!client_is_busy(client));
    count_end(client);
    greeting_leave(frontend, client->peer);
    http_close(client->conn);
    private_end(&client->privates);
    task_forget(frontend->loop, &client->task);
    list_remove(&frontend->clients, &client->node);
    free(client->voucher);
    free(client);
    frontend_resume_doors(frontend, was_full);
    drain_notice_end(frontend);
}

/* Cleartext HTTP/2 by prior knowledge. False: there is no connection any more. */
static bool take_h2c(struct client *client)
{
    struct frontend *frontend = client->frontend;
    struct chain first = {NULL, NULL, 0};
    struct stream *stream;
    struct error err;
    struct addr peer;

    if (!client->may_be_h2c || !h1_yield(client->conn, &stream, &first))
        return true;
    client->may_be_h2c = false;
    peer = stream->peer;
    client->conn = h2_server_new(stream, &first, &frontend->conn_options, &client->task, &err);
    if (!client->conn) {
        LOG(LOG_WARNING, "SERVICE: HTTP Server", "a connection was refused: %s", err.text);
        client->peer = &peer; /* the stream has gone */
        client_close(client);
        return false;
    }
    if (client->told != HTTP_END_NONE)
        http_drain(client->conn);
    return true;
}

/* Requests that came in early data wait for the end of the handshake, which wakes us. */
static void wake_early(struct client *client)
{
    for (struct list_node *node = ring_first(&client->exchanges); node; node = ring_next(&client->exchanges, node)) {
        struct exchange *x = container_of(node, struct exchange, node);

        if (x->state == EXCHANGE_EARLY)
            task_wake(client->frontend->loop, &x->task);
    }
}

static void run_client(struct task *task)
{
    struct client *client = container_of(task, struct client, task);

    wake_early(client);
    if (!take_h2c(client))
        return;
    for (;;) {
        struct http_stream *stream;
        struct error err;
        enum io io = http_accept(client->conn, &stream, &err);

        if (io == IO_WAIT)
            return;
        if (io != IO_OK) {
            /* Exchanges that are still open learn of it from their streams; the last one wakes us. */
            client->over = true;
            if (!client_is_busy(client))
                client_close(client);
            return;
        }
        client->may_be_h2c = false;
        exchange_start(client, stream);
    }
}

/* By what ALPN has chosen; without TLS the first bytes may change it (take_h2c). */
static struct http_conn *make_conn(struct client *client, struct stream *stream, bool secured, struct error *err)
{
    const struct http_conn_options *options = &client->frontend->conn_options;

    if (secured && str_eq(tls_server_protocol(stream), STR("h2")))
        return h2_server_new(stream, NULL, options, &client->task, err);
    client->may_be_h2c = !secured && client->frontend->h2c;
    return h1_server_new(stream, options, &client->task, err);
}

void client_new(struct frontend *frontend, struct stream *stream, const struct door_options *door,
                struct voucher *voucher)
{
    struct client *client = malloc(sizeof(*client)); /* calloc takes none of what the heap keeps at hand */
    struct addr peer = stream->peer;
    struct error err = {0};

    if (!client) {
        free(voucher);
        greeting_leave(frontend, &stream->peer);
        stream_close(stream, true);
        return;
    }
    *client = (struct client){
        .frontend = frontend,
        .task = {.run = run_client},
        .peer = &stream->peer,
        .door = door->number,
    };
    client->conn = make_conn(client, stream, door->tls != NULL, &err);
    if (!client->conn) {
        LOG(LOG_WARNING, "SERVICE: HTTP Server", "a connection was refused: %s", err.text);
        greeting_leave(frontend, &peer);
        free(voucher);
        free(client);
        return;
    }
    client->voucher = voucher;
    list_push_back(&frontend->clients, &client->node);
    host_count_add(&frontend->counts.connections_opened, 1);
    host_count_add(&frontend->open_by[client->door], 1);
    keep_notice_client(frontend);
    drain_welcome(frontend, client);
}

void client_take(struct client *client, struct ring *ring, struct list_node *node)
{
    if (!client_is_busy(client))
        host_count_add(&client->frontend->busy_by[client->door], 1);
    ring_push_back(ring, node);
}

void client_let_go(struct client *client, struct ring *ring, struct list_node *node)
{
    ring_remove(ring, node);
    if (!client_is_busy(client))
        host_count_add(&client->frontend->busy_by[client->door], -1);
}

void client_tell(struct client *client, enum http_end why)
{
    struct http_conn_facts facts;

    if (client->told != HTTP_END_NONE)
        return;
    http_facts(client->conn, &facts);
    client->told = (uint8_t)why;
    client->told_ns = loop_now_ns(client->frontend->loop);
    client->told_messages = (uint16_t)facts.messages;
    http_drain(client->conn);
    host_count_add(&client->frontend->counts.told, 1);
}

void client_leave(struct client *client)
{
    websockets_leave(client);
    streams_leave(client);
}

void client_cut(struct client *client, enum http_end why)
{
    client->cut = (uint8_t)why;
    for (struct list_node *open; (open = ring_first(&client->exchanges));)
        exchange_cut(container_of(open, struct exchange, node));
    websockets_cut(client);
    client_close(client);
}
