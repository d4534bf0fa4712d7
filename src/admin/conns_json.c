/* conns_json.c: connections as JSON: one row for each, those of all workers in one order. Start with inquiry_write,
 * then write_row. SPDX-License-Identifier: Apache-2.0 */
#include "admin/conns_internal.h"
#include "admin/members.h"

static const char *state_name(enum pool_row_state state)
{
    switch (state) {
    case POOL_ROW_IDLE:
        return "idle";
    case POOL_ROW_ACTIVE:
        return "active";
    case POOL_ROW_SENTINEL:
        break;
    }
    return "sentinel";
}

static void write_addr(struct json_writer *writer, bool *first, const char *name, const struct addr *addr)
{
    char text[ADDR_TEXT_BYTES];

    member_name(writer, first, name);
    if (addr->family == ADDR_NONE)
        json_write_raw(writer, STR("null"));
    else
        json_write_string(writer, addr_format(addr, text));
}

/* What a row about a connection to a host begins with. */
static void begin_upstream(struct json_writer *writer, bool *first, uint64_t id, const struct host *host)
{
    *first = true;
    json_write_raw(writer, STR("{"));
    member_u64(writer, first, "id", id);
    member_name(writer, first, "host");
    json_write_string(writer, host->label);
}

static void write_listener(struct json_writer *writer, bool *first, const struct inquiry *inquiry, uint16_t door)
{
    member_name(writer, first, "listener");
    json_write_string(writer, generation_service(inquiry->options.view->generation)->server.listeners[door].listen);
}

/* What a row about a client's connection begins with; behind `listener`, all is of the row. */
static void begin_client(struct json_writer *writer, bool *first, const struct part *part, uint64_t id, uint16_t door,
                         const struct addr *peer)
{
    *first = true;
    json_write_raw(writer, STR("{"));
    member_u64(writer, first, "id", id);
    write_listener(writer, first, part->inquiry, door);
    write_addr(writer, first, "peer", peer);
    member_u64(writer, first, "worker", part->worker);
}

static void write_end(struct json_writer *writer, bool *first, const char *reason, const char *side)
{
    member_text(writer, first, "state", "closed");
    member_text(writer, first, "reason", reason);
    member_text(writer, first, "side", side);
}

static void write_tls(struct json_writer *writer, bool *first, const char *version, bool resumed)
{
    member_bool(writer, first, "tls", version != NULL);
    member_bool(writer, first, "tls_resumed", resumed);
    member_maybe_text(writer, first, "tls_version", version);
}

static void write_times(struct json_writer *writer, bool *first, uint64_t age_ns, uint64_t idle_ns)
{
    member_seconds(writer, first, "age_seconds", age_ns, UINT64_MAX);
    member_seconds(writer, first, "idle_seconds", idle_ns, UINT64_MAX);
}

static void write_bytes(struct json_writer *writer, bool *first, uint64_t bytes_in, uint64_t bytes_out)
{
    member_u64(writer, first, "bytes_in", bytes_in);
    member_u64(writer, first, "bytes_out", bytes_out);
}

/* What the kernel knows of an open one. */
static void write_path(struct json_writer *writer, bool *first, uint64_t rtt_ns, uint32_t window, uint64_t acked_ago_ns)
{
    member_seconds(writer, first, "rtt_seconds", rtt_ns, 0);
    member_u64(writer, first, "cwnd", window);
    member_seconds(writer, first, "last_ack_seconds", acked_ago_ns, UINT64_MAX);
}

static void write_upstream(struct json_writer *writer, const struct pool_row *row, const struct part *part)
{
    bool first;

    begin_upstream(writer, &first, row->id, row->host);
    write_addr(writer, &first, "peer", &row->peer);
    member_u64(writer, &first, "worker", part->worker);
    member_text(writer, &first, "state", state_name(row->state));
    member_bool(writer, &first, "tls", row->tls);
    member_bool(writer, &first, "tls_resumed", row->resumed);
    member_maybe_text(writer, &first, "tls_version", row->tls_version);
    member_text(writer, &first, "protocol", row->protocol);
    member_u64(writer, &first, "streams", row->streams);
    member_u64(writer, &first, "streams_max", row->streams_max);
    member_bool(writer, &first, "warm", row->warm);
    member_bool(writer, &first, "private", row->bound);
    if (row->made_for < REASONS)
        member_text(writer, &first, "reason", reason_name(row->made_for));
    member_u64(writer, &first, "requests", row->uses);
    member_u64(writer, &first, "coalesced", row->guests);
    write_times(writer, &first, row->age_ns, row->idle_ns);
    write_bytes(writer, &first, row->bytes_in, row->bytes_out);
    write_path(writer, &first, row->rtt_ns, row->window, row->acked_ago_ns);
    json_write_raw(writer, STR("}"));
}

static void write_closed_upstream(struct json_writer *writer, const struct closed_row *row, const struct part *part)
{
    bool first;

    begin_upstream(writer, &first, row->id, row->host);
    member_u64(writer, &first, "worker", part->worker);
    write_end(writer, &first, reason_name((enum reason)row->reason), side_name((enum side)row->side));
    member_u64(writer, &first, "requests", row->uses);
    write_times(writer, &first, row->age_ns, row->idle_ns);
    member_seconds(writer, &first, "closed_seconds_ago", part->now_ns - row->closed_ns, UINT64_MAX);
    if (row->stray.len > 0) {
        member_name(writer, &first, "first_bytes");
        json_write_string(writer, str_of(row->stray.bytes, row->stray.len));
    }
    json_write_raw(writer, STR("}"));
}

static void write_client(struct json_writer *writer, const struct client_row *row, const struct part *part)
{
    bool first;

    begin_client(writer, &first, part, row->id, row->door, &row->peer);
    member_text(writer, &first, "state", row->active ? "active" : "idle");
    write_tls(writer, &first, row->tls_version, row->resumed);
    member_text(writer, &first, "protocol", row->protocol);
    member_u64(writer, &first, "requests", row->requests);
    write_times(writer, &first, row->age_ns, row->active ? 0 : row->idle_ns);
    write_bytes(writer, &first, row->bytes_in, row->bytes_out);
    write_path(writer, &first, row->rtt_ns, row->window, row->acked_ago_ns);
    json_write_raw(writer, STR("}"));
}

static void write_closed_client(struct json_writer *writer, const struct client_closed *row, const struct part *part)
{
    enum http_end end = (enum http_end)row->end;
    bool first;

    begin_client(writer, &first, part, row->id, row->door, &row->peer);
    write_end(writer, &first, http_end_name(end), http_end_is_by_client(end) ? "client" : "ours");
    write_tls(writer, &first, row->tls_version, row->resumed);
    member_maybe_text(writer, &first, "protocol", row->protocol);
    member_u64(writer, &first, "requests", row->requests);
    write_times(writer, &first, row->age_ns, row->idle_ns);
    member_seconds(writer, &first, "closed_seconds_ago", part->now_ns - row->closed_ns, UINT64_MAX);
    write_bytes(writer, &first, row->bytes_in, row->bytes_out);
    json_write_raw(writer, STR("}"));
}

/* By what rows of all workers are merged, the lowest first: open ones by id, closed ones by when, the latest first. */
static uint64_t rank_of(const struct part *part, size_t i)
{
    switch (part->inquiry->question) {
    case ASK_UPSTREAM:
        return part->rows[i].id;
    case ASK_CLIENTS:
        return part->clients[i].id;
    case ASK_CLOSED:
        return UINT64_MAX - part->closed[i].closed_ns;
    case ASK_CLIENTS_CLOSED:
        return UINT64_MAX - part->clients_closed[i].closed_ns;
    case ASK_FLUSH:
        break;
    }
    return 0;
}

static void write_row(struct json_writer *writer, const struct part *part, size_t i)
{
    switch (part->inquiry->question) {
    case ASK_UPSTREAM:
        write_upstream(writer, &part->rows[i], part);
        break;
    case ASK_CLIENTS:
        write_client(writer, &part->clients[i], part);
        break;
    case ASK_CLOSED:
        write_closed_upstream(writer, &part->closed[i], part);
        break;
    case ASK_CLIENTS_CLOSED:
        write_closed_client(writer, &part->clients_closed[i], part);
        break;
    case ASK_FLUSH:
        break;
    }
}

/* The part whose next row is due; NULL: all are written. */
static const struct part *next_part(const struct inquiry *inquiry, const size_t *written)
{
    const struct part *next = NULL;

    for (unsigned i = 0; i < inquiry->workers; i++) {
        const struct part *part = &inquiry->parts[i];

        if (written[i] < part->count && (!next || rank_of(part, written[i]) < rank_of(next, written[next->worker])))
            next = part;
    }
    return next;
}

/* Lists of open ones go on behind the last id, when there may be more. */
static void write_conns(const struct inquiry *inquiry, struct json_writer *writer)
{
    bool first = true, is_open = inquiry->question == ASK_UPSTREAM || inquiry->question == ASK_CLIENTS;
    size_t written[WORKERS_MAX] = {0}, count = 0;
    const struct part *part;
    uint64_t last = 0;

    json_write_raw(writer, STR("{\"connections\":["));
    for (; count < inquiry->limit && (part = next_part(inquiry, written)); count++) {
        size_t i = written[part->worker]++;

        last = rank_of(part, i);
        member_name(writer, &first, NULL);
        write_row(writer, part, i);
    }
    json_write_raw(writer, STR("],\"next\":"));
    if (is_open && count == inquiry->limit)
        json_write_u64(writer, last);
    else
        json_write_raw(writer, STR("null"));
    json_write_raw(writer, STR("}\n"));
}

void inquiry_write(const struct inquiry *inquiry, struct json_writer *writer)
{
    if (inquiry->question == ASK_FLUSH)
        json_write_raw(writer, STR("{\"flushed\":true}\n"));
    else
        write_conns(inquiry, writer);
}
