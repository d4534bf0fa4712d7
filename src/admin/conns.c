/* conns.c: questions to workers and what they answered. Start with inquiry_conns, then run_errand (on the worker), then
 * inquiry_receive (at home). SPDX-License-Identifier: Apache-2.0 */
#include "admin/conns.h"

#include "admin/members.h"
#include "base/text.h"
#include "upstream/closed_log.h"
#include "upstream/handoff.h"

#include <stdlib.h>

enum question { ASK_UPSTREAM, ASK_CLIENTS, ASK_CLOSED, ASK_CLIENTS_CLOSED, ASK_FLUSH };

struct client_row {
    uint64_t id; /* when it was opened, of the machine's clock: rises with each */
    struct addr peer;
    const char *protocol, *tls_version; /* the second NULL: in the clear */
    uint16_t door;
    bool active, resumed;
    uint32_t requests, window;
    uint64_t age_ns, idle_ns, bytes_in, bytes_out;
    uint64_t rtt_ns, acked_ago_ns; /* as in pool_row */
};

/* One worker's letter. */
struct part {
    struct pool_errand errand;
    struct inquiry *inquiry;
    unsigned worker;
    struct pool_row *rows;
    struct client_row *clients;
    struct closed_row *closed;
    struct client_closed *clients_closed;
    uint64_t now_ns; /* of the worker, when it answered */
    size_t count;
};

struct inquiry {
    struct inquiry_options options;
    const struct frontend *const *frontends;
    struct hosts *hosts; /* pinned: rows point at some */
    enum question question;
    uint64_t after;
    size_t limit;
    unsigned workers, under_way;
    bool left; /* nobody waits any more */
    struct part parts[];
};

static void free_inquiry(struct inquiry *inquiry)
{
    for (unsigned i = 0; i < inquiry->workers; i++) {
        free(inquiry->parts[i].rows);
        free(inquiry->parts[i].clients);
        free(inquiry->parts[i].closed);
        free(inquiry->parts[i].clients_closed);
    }
    hosts_unpin(inquiry->hosts);
    free(inquiry);
}

/* The oldest first: clients stand in the order in which they came. */
static void list_clients(struct part *part)
{
    const struct inquiry *inquiry = part->inquiry;
    const struct frontend *frontend = inquiry->frontends[part->worker];
    uint64_t now_ns = loop_now_ns(frontend->loop);

    for (struct list_node *node = list_first(&frontend->clients); node && part->count < inquiry->limit;
         node = list_next(&frontend->clients, node)) {
        const struct client *client = container_of(node, struct client, node);
        struct http_conn_facts facts;
        struct tcp_facts tcp;
        struct tls_info tls;
        bool secured;

        http_facts(client->conn, &facts);
        if (facts.opened_ns <= inquiry->after)
            continue;
        secured = tls_server_info(client->conn->stream, &tls);
        if (!stream_facts(client->conn->stream, &tcp))
            tcp = (struct tcp_facts){.acked_ago_ns = UINT64_MAX};
        part->clients[part->count++] = (struct client_row){
            .id = facts.opened_ns,
            .peer = *client->peer,
            .protocol = client->conn->multiplexed ? "h2" : "http/1.1",
            .tls_version = secured ? tls.version : NULL,
            .resumed = tls.resumed,
            .door = client->door,
            .active = client_is_busy(client),
            .window = tcp.window,
            .rtt_ns = tcp.rtt_ns,
            .acked_ago_ns = tcp.acked_ago_ns,
            .requests = facts.messages,
            .age_ns = now_ns - facts.opened_ns,
            .idle_ns = now_ns > facts.last_used_ns ? now_ns - facts.last_used_ns : 0,
            .bytes_in = facts.bytes_in,
            .bytes_out = facts.bytes_out,
        };
    }
}

/* On the worker's thread. */
static void run_errand(struct pool_errand *errand, struct pool *pool)
{
    struct part *part = container_of(errand, struct part, errand);
    struct inquiry *inquiry = part->inquiry;

    switch (inquiry->question) {
    case ASK_UPSTREAM:
        part->count = pool_list(pool, inquiry->after < UINT32_MAX ? (uint32_t)inquiry->after : UINT32_MAX, part->rows,
                                inquiry->limit);
        break;
    case ASK_CLIENTS:
        list_clients(part);
        break;
    case ASK_CLOSED:
        part->now_ns = loop_now_ns(pool_loop(pool));
        part->count = pool_list_closed(pool, part->closed, inquiry->limit);
        break;
    case ASK_CLIENTS_CLOSED:
        part->now_ns = loop_now_ns(pool_loop(pool));
        part->count = client_log_read(&inquiry->frontends[part->worker]->closed, part->clients_closed, inquiry->limit);
        break;
    case ASK_FLUSH:
        pool_flush(pool);
        break;
    }
    mailbox_post(inquiry->options.home, &errand->letter);
}

static bool make_rows(struct part *part)
{
    switch (part->inquiry->question) {
    case ASK_UPSTREAM:
        part->rows = calloc(part->inquiry->limit, sizeof(*part->rows));
        return part->rows;
    case ASK_CLIENTS:
        part->clients = calloc(part->inquiry->limit, sizeof(*part->clients));
        return part->clients;
    case ASK_CLOSED:
        part->closed = calloc(part->inquiry->limit, sizeof(*part->closed));
        return part->closed;
    case ASK_CLIENTS_CLOSED:
        part->clients_closed = calloc(part->inquiry->limit, sizeof(*part->clients_closed));
        return part->clients_closed;
    case ASK_FLUSH:
        break;
    }
    return true;
}

static struct inquiry *inquiry_new(const struct inquiry_options *options, enum question question, uint64_t after,
                                   size_t limit)
{
    unsigned workers = options->view->workers;
    struct inquiry *inquiry = calloc(1, sizeof(*inquiry) + workers * sizeof(inquiry->parts[0]));

    if (!inquiry)
        return NULL;
    inquiry->options = *options;
    inquiry->frontends = options->view->frontends;
    inquiry->hosts = options->view->hosts;
    hosts_pin(inquiry->hosts);
    inquiry->question = question;
    inquiry->after = after;
    inquiry->limit = limit;
    inquiry->workers = workers;
    for (unsigned i = 0; i < workers; i++) {
        inquiry->parts[i] = (struct part){.errand = {.run = run_errand}, .inquiry = inquiry, .worker = i};
        if (!make_rows(&inquiry->parts[i])) {
            free_inquiry(inquiry);
            return NULL;
        }
    }
    return inquiry;
}

/* Workers that have ended have nothing to tell. */
static struct inquiry *send_letters(struct inquiry *inquiry)
{
    for (unsigned i = 0; inquiry && i < inquiry->workers; i++) {
        struct pool *pool = hosts_pool(inquiry->options.view->hosts, i);

        if (pool && pool_send_errand(pool, &inquiry->parts[i].errand))
            inquiry->under_way++;
    }
    return inquiry;
}

/* What a query asks for. */
struct selection {
    bool clients, closed;
    uint64_t after, limit;
};

/* One "name=value" of a query. False: it makes no sense. */
static bool read_pair(struct str pair, struct selection *selection)
{
    struct str name;

    if (!str_split(&pair, '=', &name))
        return false;
    if (str_eq(name, STR("after")))
        return text_to_u64(pair, &selection->after);
    if (str_eq(name, STR("limit")))
        return text_to_u64(pair, &selection->limit) && selection->limit > 0 && selection->limit <= POOL_LIST_MAX;
    if (str_eq(name, STR("state"))) {
        selection->closed = true;
        return str_eq(pair, STR("closed"));
    }
    selection->clients = str_eq(pair, STR("client"));
    return str_eq(name, STR("side")) && (selection->clients || str_eq(pair, STR("upstream")));
}

static enum question question_of(const struct selection *selection)
{
    if (selection->closed)
        return selection->clients ? ASK_CLIENTS_CLOSED : ASK_CLOSED;
    return selection->clients ? ASK_CLIENTS : ASK_UPSTREAM;
}

struct inquiry *inquiry_conns(const struct inquiry_options *options, struct str query, const char **problem)
{
    struct selection selection = {.limit = CONNS_DEFAULT};
    struct inquiry *inquiry;
    struct str pair;

    *problem = "side is upstream or client, after an id, limit 1 to 1000, state closed\n";
    while (str_split(&query, '&', &pair))
        if (!read_pair(pair, &selection))
            return NULL;
    *problem = NULL;
    inquiry = inquiry_new(options, question_of(&selection), selection.after, (size_t)selection.limit);
    return send_letters(inquiry);
}

struct inquiry *inquiry_flush(const struct inquiry_options *options)
{
    return send_letters(inquiry_new(options, ASK_FLUSH, 0, 0));
}

void inquiry_receive(struct letter *letters)
{
    for (struct letter *next; letters; letters = next) {
        struct pool_errand *errand = container_of(letters, struct pool_errand, letter);
        struct inquiry *inquiry = container_of(errand, struct part, errand)->inquiry;

        next = letters->next;
        if (--inquiry->under_way > 0)
            continue;
        if (inquiry->left)
            free_inquiry(inquiry);
        else
            task_wake(inquiry->options.loop, inquiry->options.waiter);
    }
}

bool inquiry_is_over(const struct inquiry *inquiry)
{
    return inquiry->under_way == 0;
}

void inquiry_end(struct inquiry *inquiry)
{
    if (!inquiry)
        return;
    inquiry->left = true;
    if (inquiry->under_way == 0)
        free_inquiry(inquiry);
}

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
