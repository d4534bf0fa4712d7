/* conns.c: questions to workers, as letters there and back. Start with inquiry_conns, then run_errand (on the worker),
 * then inquiry_receive (at home). What they answered is written by conns_json.c. SPDX-License-Identifier: Apache-2.0 */
#include "admin/conns.h"

#include "admin/conns_internal.h"
#include "base/text.h"

#include <stdlib.h>

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
