/* conn.c: birth, death and facts of an HTTP/2 connection. What it does in between is mapped in h2_internal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h2/h2_internal.h"

#include <stdlib.h>

enum { CLIENT_HEAD_BYTES = 256 << 10 };

/* Stands in for a failure that there was no memory to keep. */
static const struct error h2_no_memory = {
    .fault = FAULT_SYSTEM, .code = ERROR_OUT_OF_MEMORY, .text = "no memory for a connection"};

static void begin(struct h2_conn *conn, struct stream *stream, const struct http_conn_options *options,
                  const struct h2_rules *rules, struct task *owner, enum http_role role)
{
    struct pace_limit limit;

    conn->base = (struct http_conn){
        .ops = role == HTTP_SERVER ? &h2_server_ops : &h2_client_ops,
        .loop = stream->loop,
        .stream = stream,
        .task = {.run = h2_run},
        .owner = owner,
        .role = role,
        .multiplexed = true,
    };
    conn->options = options;
    conn->rules = rules;
    conn->counts = options->h2_counts;
    conn->timer = (struct timer){.at_ns = TIMER_OFF, .task = &conn->base.task};
    conn->base.opened_ns = conn->last_used_ns = h2_now(conn);
    list_init(&conn->streams);
    list_init(&conn->waiting);
    limit = h2_leaving_limit(conn);
    pace_begin(&conn->leaving, &limit);
    h2_framer_init(&conn->framer, role == HTTP_SERVER);
    h2_guard_init(conn);
}

static struct h2_conn *make_server(struct stream *stream, const struct http_conn_options *options, struct task *owner)
{
    struct h2_conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        begin(conn, stream, options, options->h2 ? options->h2 : &h2_rules_default, owner, HTTP_SERVER);
    return conn;
}

/* Of what it is given the clocks are a server's. */
static struct h2_conn *make_client(struct stream *stream, const struct http_conn_options *options, struct task *owner)
{
    struct h2_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->options = (struct http_conn_options){
        .fields_max = options->fields_max, .h2_counts = options->h2_counts, .single_use = options->single_use};
    client->rules = options->h2 ? *options->h2 : h2_client_rules_default;
    client->rules.head_bytes_max = options->head_bytes_max > 0 ? options->head_bytes_max : CLIENT_HEAD_BYTES;
    begin(&client->h2, stream, &client->options, &client->rules, owner, HTTP_CLIENT);
    return &client->h2;
}

/* What is made becomes a conn. */
static struct http_conn *start(struct h2_conn *conn, struct stream *stream, struct error *err)
{
    if (!conn || !h2_session_open(conn, err)) {
        if (!conn)
            *err = h2_no_memory;
        free(conn);
        stream_close(stream, false);
        return NULL;
    }
    if (conn->counts)
        h2_count(&conn->counts->connections);
    stream_set_owner(stream, &conn->base.task, conn->base.role == HTTP_CLIENT);
    h2_wake_self(conn);
    return &conn->base;
}

struct http_conn *h2_server_new(struct stream *stream, struct chain *first, const struct http_conn_options *options,
                                struct task *owner, struct error *err)
{
    struct http_conn *base = start(make_server(stream, options, owner), stream, err);

    if (first && base)
        chain_move(&h2_of_conn(base)->first, first, SIZE_MAX);
    else if (first)
        chain_clear(first);
    return base;
}

struct http_conn *h2_client_new(struct stream *stream, const struct http_conn_options *options, struct task *owner,
                                struct error *err)
{
    return start(make_client(stream, options, owner), stream, err);
}

void h2_close(struct http_conn *base)
{
    struct h2_conn *conn = h2_of_conn(base);

    ASSERT(conn->open == 0);
    conn->broken = true;
    for (struct list_node *node; (node = list_first(&conn->streams));) {
        struct h2_stream *stream = container_of(node, struct h2_stream, node);

        stream->live = false;
        h2_stream_release(stream);
    }
    h2_session_close(conn);
    chain_clear(&conn->out);
    chain_clear(&conn->first);
    timer_clear(base->loop, &conn->timer);
    task_forget(base->loop, &base->task);
    stream_close(base->stream, false);
    if (conn->failure != &h2_no_memory)
        free((void *)(uintptr_t)conn->failure);
    free(conn);
}

void h2_facts(const struct http_conn *base, struct http_conn_facts *facts)
{
    const struct h2_conn *conn = h2_of_const(base);

    *facts = (struct http_conn_facts){
        .messages = conn->messages,
        .opened_ns = base->opened_ns,
        .last_used_ns = conn->last_used_ns,
        .bytes_in = conn->bytes_in,
        .bytes_out = conn->bytes_out,
        .end = (enum http_end)conn->end,
        .raced = conn->raced,
        .hint_timeout_s = -1,
        .hint_max = -1,
        .last_error = conn->failure,
    };
}

void h2_note_failure(struct h2_conn *conn, const struct error *err)
{
    struct error *copy;

    if (conn->failure)
        return;
    copy = malloc(sizeof(*copy));
    if (copy)
        *copy = *err;
    conn->failure = copy ? copy : &h2_no_memory;
}

void h2_note_end(struct h2_conn *conn, enum http_end end)
{
    if (conn->end == HTTP_END_NONE)
        conn->end = (uint8_t)end;
}

/* Nothing is sent on them any more. Inside nghttp2 its streams stay until it lets go of them itself. */
void h2_fail_streams(struct h2_conn *conn)
{
    struct list_node *next;

    for (struct list_node *node = list_first(&conn->streams); node; node = next) {
        next = list_next(&conn->streams, node);
        h2_stream_gone(container_of(node, struct h2_stream, node));
    }
}

void h2_break(struct h2_conn *conn, const struct error *err)
{
    if (conn->broken)
        return;
    conn->broken = true;
    h2_note_failure(conn, err);
    h2_note_end(conn, err->fault != FAULT_CLIENT      ? HTTP_END_FAILED
                      : list_is_empty(&conn->streams) ? HTTP_END_RESET
                                                      : HTTP_END_GONE);
    chain_clear(&conn->out);
    h2_wake_self(conn);
}
