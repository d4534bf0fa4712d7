/* conn.c: birth, death and facts of an HTTP/1 connection. What it does in between is mapped in h1_internal.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "http/h1/h1_internal.h"

#include <stdlib.h>

enum {
    SERVER_HEAD_BYTES = (1 << 20) + 4096,
    CLIENT_HEAD_BYTES = 256 << 10,
    COPY_BYTES_MAX = 4096, /* pieces up to this size are copied rather than moved */
};

/* Stands in for a failure that there was no memory to keep. */
static const struct error h1_no_memory = {
    .fault = FAULT_SYSTEM, .code = ERROR_OUT_OF_MEMORY, .text = "no memory for a connection"};

const struct h1_message h1_nothing = {0};

static struct h1_message *nothing(void)
{
    return (struct h1_message *)(uintptr_t)&h1_nothing;
}

bool h1_take_message(struct h1_conn *conn)
{
    struct h1_message *message;

    if (h1_has_message(conn))
        return true;
    message = slab_take(loop_records(conn->base.loop));
    if (!message)
        return false;
    *message = (struct h1_message){.stream.conn = &conn->base};
    conn->message = message;
    return true;
}

void h1_drop_bytes(struct h1_conn *conn)
{
    if (!h1_has_message(conn))
        return;
    chain_clear(&conn->message->in);
    chain_clear(&conn->message->out);
}

void h1_give_message(struct h1_conn *conn)
{
    if (!h1_has_message(conn))
        return;
    h1_drop_bytes(conn);
    slab_give(loop_records(conn->base.loop), conn->message);
    conn->message = nothing();
}

/* A client that has begun a request with empty lines has used up some of its time. Who lingers is counted what it still
 * sends. */
static bool is_under_way(const struct h1_conn *conn)
{
    if (conn->message->in.size > 0 || h1_has_unsent(conn))
        return true;
    return h1_is_server(conn) && (!h1_is_waiting(conn) || conn->message->since_ns > 0);
}

void h1_give_message_if_idle(struct h1_conn *conn)
{
    if (!conn->stream_open && h1_has_message(conn) && !is_under_way(conn))
        h1_give_message(conn);
}

static void take_options(struct h1_conn *conn, const struct http_conn_options *options)
{
    uint32_t fields_max = options->fields_max > 0 ? options->fields_max : H1_FIELDS_MAX;

    conn->head_bytes_max = options->head_bytes_max;
    if (conn->head_bytes_max == 0)
        conn->head_bytes_max = h1_is_server(conn) ? SERVER_HEAD_BYTES : CLIENT_HEAD_BYTES;
    conn->fields_max = (uint16_t)(fields_max < UINT16_MAX ? fields_max : UINT16_MAX);
    conn->single_use = options->single_use;
}

static void begin(struct h1_conn *conn, struct stream *stream, const struct http_conn_options *options,
                  struct task *owner, enum http_role role)
{
    conn->base = (struct http_conn){
        .ops = role == HTTP_SERVER ? &h1_server_ops : &h1_client_ops,
        .loop = stream->loop,
        .stream = stream,
        .task = {.run = h1_run},
        .owner = owner,
        .role = role,
    };
    conn->message = nothing();
    conn->scanner = h1_scanner_best();
    take_options(conn, options);
    conn->base.opened_ns = conn->last_used_ns = h1_now(conn);
    conn->hint_timeout_s = conn->hint_max = -1;
    h1_begin_head(conn);
    stream_set_owner(stream, &conn->base.task, false);
    h1_wake_self(conn);
}

static struct http_conn *fail_memory(struct stream *stream, struct error *err)
{
    *err = h1_no_memory;
    stream_close(stream, false);
    return NULL;
}

struct http_conn *h1_server_new(struct stream *stream, const struct http_conn_options *options, struct task *owner,
                                struct error *err)
{
    struct h1_server *server = malloc(sizeof(*server)); /* calloc takes none of what the heap keeps at hand */

    if (!server)
        return fail_memory(stream, err);
    *server = (struct h1_server){
        .timer = {.at_ns = TIMER_OFF, .task = &server->conn.base.task},
        .options = options,
    };
    begin(&server->conn, stream, options, owner, HTTP_SERVER);
    return &server->conn.base;
}

struct http_conn *h1_client_new(struct stream *stream, const struct http_conn_options *options, struct task *owner,
                                struct error *err)
{
    struct h1_client *client = calloc(1, sizeof(*client));

    if (!client)
        return fail_memory(stream, err);
    begin(&client->conn, stream, options, owner, HTTP_CLIENT);
    return &client->conn.base;
}

void h1_close(struct http_conn *base)
{
    struct h1_conn *conn = h1_of_conn(base);

    h1_give_message(conn);
    if (h1_is_server(conn))
        timer_clear(base->loop, &h1_server_of(conn)->timer);
    else
        free(h1_client_of(conn)->surplus);
    if (base->loop)
        task_forget(base->loop, &base->task);
    stream_close(base->stream, conn->close_by_reset);
    if (conn->failure != &h1_no_memory)
        free((void *)(uintptr_t)conn->failure);
    free(conn);
}

static struct str surplus_of(const struct h1_conn *conn)
{
    const struct h1_surplus *surplus = h1_is_server(conn) ? NULL : h1_client_of_const(conn)->surplus;

    return surplus ? str_of(surplus->bytes, surplus->len) : STR_EMPTY;
}

void h1_facts(const struct http_conn *base, struct http_conn_facts *facts)
{
    const struct h1_conn *conn = h1_of_const(base);

    *facts = (struct http_conn_facts){
        .messages = conn->messages,
        .opened_ns = base->opened_ns,
        .last_used_ns = conn->last_used_ns,
        .bytes_in = conn->bytes_in,
        .bytes_out = conn->bytes_out,
        .unfit = (enum http_unfit)conn->unfit,
        .end = (enum http_end)conn->end,
        .raced = conn->raced,
        .late_ns = h1_late_ns(conn),
        .hint_timeout_s = conn->hint_timeout_s,
        .hint_max = conn->hint_max,
        .surplus = surplus_of(conn),
        .last_error = conn->failure,
    };
}

void h1_note_failure(struct h1_conn *conn, const struct error *err)
{
    struct error *copy;

    if (conn->failure)
        return;
    copy = malloc(sizeof(*copy));
    if (copy)
        *copy = *err;
    conn->failure = copy ? copy : &h1_no_memory;
}

enum io h1_fail(const struct h1_conn *conn, struct error *err)
{
    if (conn->failure)
        *err = *conn->failure;
    else
        error_set(err, h1_peer_fault(conn), ERROR_CLOSED, "the message was broken off");
    return IO_FAIL;
}

void h1_set_unfit(struct h1_conn *conn, enum http_unfit why)
{
    if (conn->unfit == HTTP_FIT)
        conn->unfit = (uint8_t)why;
}

static size_t copy(struct h1_conn *conn, struct chain *to, struct chain *from, size_t size)
{
    size_t left = size;

    while (left > 0) {
        struct str front = str_first(chain_front(from), left);

        if (!chain_append(to, h1_blocks(conn), front))
            break;
        chain_drop(from, front.len);
        left -= front.len;
    }
    return size - left;
}

size_t h1_move(struct h1_conn *conn, struct chain *to, struct chain *from, size_t size)
{
    size = size_min(size, from->size);
    return size <= COPY_BYTES_MAX && to->size > 0 ? copy(conn, to, from, size) : chain_move(to, from, size);
}

void h1_wake_stream(struct h1_conn *conn)
{
    conn->receive_waits = conn->send_waits = false;
    if (conn->stream_open)
        task_wake(conn->base.loop, conn->message->stream.owner);
}

void h1_break(struct h1_conn *conn, const struct error *err)
{
    if (conn->broken)
        return;
    conn->broken = true;
    h1_note_failure(conn, err);
    if (h1_is_server(conn))
        h1_note_end(conn, err->fault != FAULT_CLIENT                           ? HTTP_END_FAILED
                          : h1_is_waiting(conn) && conn->message->in.size == 0 ? HTTP_END_RESET
                                                                               : HTTP_END_GONE);
    h1_set_unfit(conn, HTTP_UNFIT_CLOSED);
    if (h1_is_server(conn))
        h1_drop_bytes(conn);
    else if (h1_has_message(conn))
        chain_clear(&conn->message->out);
    if (conn->send != H1_SEND_END)
        conn->send = H1_SEND_FAILED;
    h1_wake_stream(conn);
    if (!conn->stream_open)
        task_wake(conn->base.loop, conn->base.owner);
}
