/* scenario_h2_hosts.c: hosts that speak HTTP/2 and end connections in order: by GOAWAY in the middle of requests, after
 * an idle time of theirs, at a limit of streams. What they have not processed they say, so nothing may fail, nothing
 * may run twice, and nobody may get another's answer. Others die, or read nothing any more while their kernel goes on.
 * The hosts are made of the server role. Start with run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "base/text.h"
#include "gateway_stage.h"
#include "http/h2/h2.h"
#include "net/listener.h"
#include "scenario.h"
#include "sim/peers.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 12, REQUESTS = 30 };

static const char config[] =
    "{\"version\": 3, \"timeout\": \"20s\", \"idle_timeout\": \"600s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true},"
    "  \"holdfast/upstream\": {\"protocol\": \"h2c\"%s}},"
    " \"endpoints\": [{\"endpoint\": \"/jobs/{id}\", \"method\": \"*\", \"output_encoding\": \"no-op\","
    "  \"input_headers\": [\"*\"], \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"encoding\": \"no-op\"}]}]}";

struct h2_host {
    struct sim *sim;
    struct loop *loop;
    struct sim_book *book;
    struct listener *listener;
    struct task task;
    struct h2_rules rules;
    struct http_conn_options options;
    struct list visitors;
    uint32_t goaway_percent; /* of requests end their connection, in order */
    uint32_t death_percent;  /* ... without a word, with all that is under way on it */
    uint32_t deaf_percent;   /* ... make it deaf: nothing is read or said on it from then on */
    struct task nobody;      /* has the streams of the deaf */
    unsigned deaf;
    uint64_t think_max_ns;
    unsigned conns, goaways, requests;
};

struct visitor {
    bool dying, deaf;
    struct h2_host *host;
    struct http_conn *conn;
    struct task task;
    struct list_node node;
    struct list requests;
};

struct request {
    struct visitor *visitor;
    struct http_stream *stream;
    struct arena *arena;
    struct sim_job *job;
    struct task task;
    struct timer timer;
    struct list_node node;
};

static void end_request(struct request *request)
{
    struct loop *loop = request->visitor->host->loop;

    http_done(request->stream);
    timer_clear(loop, &request->timer);
    task_forget(loop, &request->task);
    list_remove(&request->visitor->requests, &request->node);
    arena_free(request->arena);
    free(request);
}

static void answer(struct request *request)
{
    struct http_head head = {.status = 200, .announced_bytes = -1};
    struct str id = arena_format(request->arena, "%llu", (unsigned long long)request->job->id);
    struct error err;

    ASSERT(headers_add(&head.headers, request->arena, STR("x-id"), id));
    (void)!http_send_head(request->stream, &head, true, &err);
    end_request(request);
}

static void run_nobody(struct task *task)
{
    (void)task;
}

/* Bytes lie there, and are acknowledged; answers that are queued have left. */
static void go_deaf(struct visitor *visitor)
{
    visitor->deaf = true;
    visitor->host->deaf++;
    stream_set_owner(visitor->conn->stream, &visitor->host->nobody, false);
}

/* The head is here: from now on it counts as processed. */
static bool begin(struct request *request)
{
    struct h2_host *host = request->visitor->host;
    struct http_head *head;
    struct error err;
    uint64_t id;
    enum io io = http_recv_head(request->stream, request->arena, &head, &err);

    if (io != IO_OK) {
        if (io == IO_FAIL)
            end_request(request);
        return false;
    }
    if (!text_to_u64(str_from_offset(head->path, STR("/jobs/").len), &id))
        sim_fail(host->sim, "a path that nobody asked for: %.*s", STR_ARG(head->path));
    request->job = sim_book_find(host->book, id);
    ASSERT(request->job);
    request->job->heads++;
    request->job->served++;
    if (request->job->is_post && request->job->served > 1)
        sim_fail(host->sim, "POST %llu runs twice", (unsigned long long)id);
    host->requests++;
    timer_set(host->loop, &request->timer, loop_now_ns(host->loop) + sim_between(host->sim, 0, host->think_max_ns));
    if (sim_percent(host->sim, host->goaway_percent)) {
        host->goaways++;
        http_drain(request->visitor->conn);
    }
    if (sim_percent(host->sim, host->death_percent)) {
        request->visitor->dying = true;
        task_wake(host->loop, &request->visitor->task);
    }
    if (sim_percent(host->sim, host->deaf_percent))
        go_deaf(request->visitor);
    return true;
}

static void run_request(struct task *task)
{
    struct request *request = container_of(task, struct request, task);

    if (request->visitor->deaf)
        return;
    if (!request->job && !begin(request))
        return;
    if (request->timer.fired)
        answer(request);
}

static void accept_requests(struct visitor *visitor)
{
    struct http_stream *stream;
    struct error err;

    while (http_accept(visitor->conn, &stream, &err) == IO_OK) {
        struct request *request = calloc(1, sizeof(*request));

        ASSERT(request);
        *request = (struct request){.visitor = visitor, .stream = stream, .task = {.run = run_request}};
        request->arena = arena_new(NULL, SIZE_MAX);
        request->timer = (struct timer){.at_ns = TIMER_OFF, .task = &request->task};
        stream->owner = &request->task;
        list_push_back(&visitor->requests, &request->node);
        task_wake(visitor->host->loop, &request->task);
    }
}

static void end_visitor(struct visitor *visitor)
{
    for (struct list_node *node; (node = list_first(&visitor->requests));)
        end_request(container_of(node, struct request, node));
    http_close(visitor->conn);
    task_forget(visitor->host->loop, &visitor->task);
    list_remove(&visitor->host->visitors, &visitor->node);
    free(visitor);
}

static void run_visitor(struct task *task)
{
    struct visitor *visitor = container_of(task, struct visitor, task);
    struct http_stream *stream;
    struct error err;

    if (visitor->dying) {
        end_visitor(visitor);
        return;
    }
    if (visitor->deaf)
        return;
    accept_requests(visitor);
    if (list_is_empty(&visitor->requests) && http_accept(visitor->conn, &stream, &err) == IO_END)
        end_visitor(visitor);
}

static void run_host(struct task *task)
{
    struct h2_host *host = container_of(task, struct h2_host, task);
    struct stream *stream;
    struct error err;

    while (listener_accept(host->listener, &stream, &err) == IO_OK) {
        struct visitor *visitor = calloc(1, sizeof(*visitor));

        ASSERT(visitor);
        *visitor = (struct visitor){.host = host, .task = {.run = run_visitor}};
        list_init(&visitor->requests);
        list_push_back(&host->visitors, &visitor->node);
        visitor->conn = h2_server_new(stream, NULL, &host->options, &visitor->task, &err);
        ASSERT(visitor->conn);
        host->conns++;
    }
}

static void open_host(struct h2_host *host, struct sim *sim, struct sim_book *book)
{
    struct addr any_addr = {.family = ADDR_IPV6, .port = 80};
    struct error err;

    host->sim = sim;
    host->book = book;
    host->loop = sim_loop_new(sim, "origin");
    host->task.run = run_host;
    host->nobody.run = run_nobody;
    list_init(&host->visitors);
    host->rules = h2_rules_default;
    host->rules.streams_max = (uint32_t)sim_between(sim, 1, 8);
    host->options = (struct http_conn_options){
        .h2 = &host->rules,
        .idle_timeout_ns = sim_between(sim, 100, 3000) * SIM_MS,
        .idle_grace_ns = 1,
        .linger_ns = SIM_SECOND,
    };
    host->think_max_ns = sim_between(sim, 1, 200) * SIM_MS;
    host->goaway_percent = host->deaf_percent == 0 && sim_percent(sim, 70) ? (uint32_t)sim_between(sim, 1, 20) : 0;
    host->listener = listener_new(host->loop, &any_addr, &(struct listen_options){.backlog = 512}, &host->task, &err);
    ASSERT(host->listener);
}

static void close_host(struct h2_host *host)
{
    for (struct list_node *node; (node = list_first(&host->visitors));)
        end_visitor(container_of(node, struct visitor, node));
    listener_free(host->listener);
    task_forget(host->loop, &host->task);
    task_forget(host->loop, &host->nobody);
    sim_loop_free(host->sim, host->loop);
}

struct crowd {
    struct sim_client *clients[CLIENTS];
};

static bool all_done(void *arg)
{
    const struct crowd *crowd = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (!sim_client_is_done(crowd->clients[i]))
            return false;
    return true;
}

/* Every request was counted once, and what need not fail did not. */
static void judge(struct sim *sim, const struct h2_host *host, const struct gateway_stage *gateway,
                  struct sim_book *book)
{
    unsigned answered = sim_book_count(book, SIM_ANSWERED);
    struct host_totals totals;

    host_totals(hosts_at(gateway->hosts, 0), &totals);
    if (host->death_percent + host->deaf_percent == 0 && answered != CLIENTS * REQUESTS)
        sim_fail(sim, "%u of %u requests were answered", answered, CLIENTS * REQUESTS);
    if (totals.requests_new + totals.requests_reused + totals.requests_shared != CLIENTS * REQUESTS + totals.resends)
        sim_fail(sim, "new, reused and shared are not all requests");
    if (host->deaf > 0 && totals.ping_timeouts == 0)
        sim_fail(sim, "%u connections are deaf, and nobody noticed", host->deaf);
    if (totals.ping_timeouts > host->deaf)
        sim_fail(sim, "%llu connections were given up, %u were deaf", (unsigned long long)totals.ping_timeouts,
                 host->deaf);
    if (totals.failures != CLIENTS * REQUESTS - answered || totals.streams > 0)
        sim_fail(sim, "%llu failures, %llu streams are left", (unsigned long long)totals.failures,
                 (unsigned long long)totals.streams);
    scenario_count("answered", answered);
    scenario_count("shared", totals.requests_shared);
    scenario_count("sent again", totals.resends);
    scenario_count("connections", host->conns);
    scenario_count("GOAWAY in use", host->goaways);
    scenario_count("deaf", host->deaf);
    scenario_count("PING timeouts", totals.ping_timeouts);
}

struct manners {
    uint32_t death_percent, deaf_percent;
};

static void run(struct sim *sim, const char *settings, struct manners manners)
{
    struct sim_client_options client = {.path = "/jobs/",
                                        .requests = REQUESTS,
                                        .gap_max_ns = sim_between(sim, 1, 2000) * SIM_MS,
                                        .post_percent = 50,
                                        .framings = 1u << SIM_LENGTH,
                                        .host = "a.example"};
    struct sim_book *book = sim_book_new();
    struct loop *client_loop = sim_loop_new(sim, "client");
    struct gateway_stage gateway = {0};
    struct crowd crowd;
    struct h2_host host = {.death_percent = manners.death_percent, .deaf_percent = manners.deaf_percent};
    char text[sizeof(config) + 100];

    snprintf(text, sizeof(text), config, settings);
    sim_link(sim, "gateway", "origin", (struct sim_link){sim_between(sim, 0, 80) * SIM_MS, SIM_MS, 0});
    open_host(&host, sim, book);
    client.lenient = manners.death_percent + manners.deaf_percent > 0;
    gateway_open(&gateway, sim, text, (unsigned)sim_between(sim, 1, 4));
    client.server = sim_addr(sim, "gateway", GATEWAY_PORT);
    for (unsigned i = 0; i < CLIENTS; i++)
        crowd.clients[i] = sim_client_new(sim, client_loop, book, &client);
    if (!sim_run(sim, all_done, &crowd, 3600 * SIM_SECOND))
        sim_fail(sim, "the clients do not come to an end: %s", sim_verdict(sim));
    judge(sim, &host, &gateway, book);
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_client_free(crowd.clients[i]);
    gateway_close(&gateway);
    close_host(&host);
    sim_loop_free(sim, client_loop);
    sim_book_free(book);
}

SCENARIO(h2_hosts_end_connections_in_order)
{
    run(sim, "", (struct manners){0});
}

SCENARIO(h2_hosts_at_a_cap)
{
    run(sim, ", \"max_connections_per_host\": 2, \"queue_timeout\": \"19s\"", (struct manners){0});
}

SCENARIO(h2_connections_with_limits_of_ours)
{
    run(sim, ", \"max_requests_per_connection\": 7, \"max_connection_age\": \"2s\"", (struct manners){0});
}

/* What may be done twice is sent again; a POST that a host may have seen is not. */
SCENARIO(h2_hosts_that_die_run_no_post_twice)
{
    run(sim, ", \"eject_after\": 0", (struct manners){.death_percent = (uint32_t)sim_between(sim, 1, 15)});
}

/* TCP has no news of it: a PING, and the silence behind it, tell long before the requests' time is up. */
SCENARIO(h2_hosts_that_go_deaf_are_found_out)
{
    run(sim, ", \"eject_after\": 0, \"ping_after\": \"10s\", \"ping_timeout\": \"2s\"",
        (struct manners){.deaf_percent = (uint32_t)sim_between(sim, 1, 10)});
}
