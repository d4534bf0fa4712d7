/* scenario_races.c: origins that close, half-close and reset kept connections around the moment at which the next
 * request comes, over links of all lengths, with several workers and each policy of re-sending. Clients wait as long as
 * the origin does, so that nearly every reuse is a close call. What must hold whatever the seed says: no origin reads
 * the head of a POST twice, nor that of a GET more than twice; nothing but mishaps of the origin costs a GET its
 * answer. That answers reach the right client is judged by the peers, that connections are in one place by
 * gateway_stage.c. SPDX-License-Identifier: Apache-2.0 */
#include "gateway_stage.h"
#include "scenario.h"
#include "sim/peers.h"
#include "upstream/closed_log.h"
#include "upstream/pool.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 12, REQUESTS = 50 };

static const char *const policies[] = {"off", "idempotent", "unacked"};

/* %s: settings of holdfast/upstream. */
static const char config[] =
    "{\"version\": 3, \"timeout\": \"20s\", \"idle_timeout\": \"600s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}, \"holdfast/upstream\": {%s}},"
    " \"endpoints\": [{\"endpoint\": \"/jobs/{id}\", \"method\": \"*\", \"output_encoding\": \"no-op\","
    "  \"input_headers\": [\"*\"], \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"encoding\": \"no-op\"}]}]}";

struct duel {
    char config[sizeof(config) + 300];
    struct sim *sim;
    struct sim_book *book;
    struct gateway_stage gateway;
    struct loop *origin_loop, *client_loop;
    struct sim_origin *origin;
    struct sim_client *clients[CLIENTS];
};

static bool all_done(void *arg)
{
    const struct duel *duel = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (!sim_client_is_done(duel->clients[i]))
            return false;
    return true;
}

static bool gateway_has_no_clients(void *arg)
{
    return gateway_is_empty(&((struct duel *)arg)->gateway);
}

/* Never: what is learned must not keep the gateway from running into the race. The small budget: what is answered takes
 * nothing of it, so it changes nothing for races. */
static void write_config(struct duel *duel, const char *policy)
{
    char settings[240];
    const char *idle = sim_percent(duel->sim, 60) ? ", \"idle_timeout\": \"never\"" : "";
    const char *cap = sim_percent(duel->sim, 30) ? ", \"max_connections_per_host\": 5, \"queue_timeout\": \"15s\"" : "";

    const char *budget = sim_percent(duel->sim, 30) ? ", \"resend_budget_percent\": 0, \"resend_budget_floor\": 1, "
                                                      "\"resend_budget_window\": \"1s\""
                                                    : "";

    snprintf(settings, sizeof(settings), "\"resend\": \"%s\"%s%s%s", policy, idle, cap, budget);
    snprintf(duel->config, sizeof(duel->config), config, settings);
}

static void duel_open(struct duel *duel, struct sim *sim, const char *policy, const struct sim_client_options *client,
                      uint32_t stray_percent)
{
    uint64_t idle_ns = sim_between(sim, 1, sim_percent(sim, 50) ? 5 : 60) * SIM_MS;
    uint64_t delay_ns = sim_percent(sim, 80) ? sim_between(sim, 0, 2 * idle_ns) : 0;
    struct sim_origin_options origin = {.port = 80, .think_max_ns = SIM_MS, .idle_close_ns = idle_ns};
    struct sim_client_options own = *client;

    if (stray_percent > 0)
        delay_ns = sim_between(sim, 1, 50) * SIM_MS;
    *duel = (struct duel){.sim = sim, .book = sim_book_new()};
    origin.close_jitter_ns = sim_between(sim, 0, idle_ns);
    origin.stray_percent = stray_percent;
    origin.reset_percent = sim_percent(sim, 50) ? (uint32_t)sim_between(sim, 0, 100) : 0;
    origin.half_percent = sim_percent(sim, 30) ? (uint32_t)sim_between(sim, 0, 100) : 0;
    origin.requests_max = sim_percent(sim, 20) ? (unsigned)sim_between(sim, 1, 5) : 0;
    own.gap_max_ns = 2 * (idle_ns + origin.close_jitter_ns);
    write_config(duel, policy);
    sim_link(sim, "gateway", "origin",
             (struct sim_link){.delay_ns = delay_ns, .jitter_ns = stray_percent > 0 ? 0 : delay_ns / 4});
    duel->origin_loop = sim_loop_new(sim, "origin");
    duel->client_loop = sim_loop_new(sim, "client");
    duel->origin = sim_origin_new(sim, duel->origin_loop, duel->book, &origin);
    gateway_open(&duel->gateway, sim, duel->config, (unsigned)sim_between(sim, 1, 4));
    own.server = sim_addr(sim, "gateway", GATEWAY_PORT);
    own.host = "api.example";
    own.path = "/jobs/";
    own.requests = REQUESTS;
    for (unsigned i = 0; i < CLIENTS; i++)
        duel->clients[i] = sim_client_new(sim, duel->client_loop, duel->book, &own);
}

static void check_job(struct sim *sim, const struct sim_job *job)
{
    if (job->heads > (job->is_post ? 1u : 2u))
        sim_fail(sim, "%s %llu was read %u times", job->is_post ? "POST" : "GET", (unsigned long long)job->id,
                 job->heads);
}

/* Of each try a host counts either "reused" or "new", and its connections as often as they were given a request. */
static void check_totals(struct duel *duel)
{
    struct host_totals totals;

    host_totals(hosts_at(duel->gateway.hosts, 0), &totals);
    if (totals.requests_reused + totals.requests_new < sim_origin_requests(duel->origin))
        sim_fail(duel->sim, "%llu requests sent, but %u have come",
                 (unsigned long long)(totals.requests_reused + totals.requests_new), sim_origin_requests(duel->origin));
    scenario_count("closes around a request", sim_origin_closes(duel->origin));
    scenario_count("requests", CLIENTS * REQUESTS);
    scenario_count("reused", totals.requests_reused);
    scenario_count("sent again", totals.resends);
}

static void duel_run(struct duel *duel)
{
    if (!sim_run(duel->sim, all_done, duel, 3600 * SIM_SECOND))
        sim_fail(duel->sim, "the clients do not come to an end: %s", sim_verdict(duel->sim));
    if (!sim_run(duel->sim, gateway_has_no_clients, duel, 60 * SIM_SECOND))
        sim_fail(duel->sim, "the gateway keeps connections of clients that have gone: %s", sim_verdict(duel->sim));
    for (uint64_t id = 1; id <= CLIENTS * REQUESTS; id++)
        check_job(duel->sim, sim_book_find(duel->book, id));
    check_totals(duel);
}

static void duel_close(struct duel *duel)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_client_free(duel->clients[i]);
    gateway_close(&duel->gateway);
    sim_origin_free(duel->origin);
    sim_loop_free(duel->sim, duel->origin_loop);
    sim_loop_free(duel->sim, duel->client_loop);
    sim_book_free(duel->book);
}

/* Half of the requests are POSTs, and origins die under them in every way: at once, unread, in the middle of it. */
SCENARIO(races_never_execute_a_post_twice)
{
    struct sim_client_options client = {.post_percent = 60, .lenient = true};
    struct duel duel;

    client.request_bytes_max = sim_percent(sim, 80) ? 200 : 100000; /* more than is kept for another try */
    client.answer_bytes_max = 200;
    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    client.mishaps =
        1u << SIM_SAYS_CLOSE | 1u << SIM_CLOSES | 1u << SIM_NO_ANSWER | 1u << SIM_RESETS | 1u << SIM_HALF_RESETS;
    if (sim_percent(sim, 10)) /* rarely, as it puts the host into quarantine, and nothing is reused any more */
        client.mishaps |= 1u << SIM_STRAY_BYTES;
    client.mishap_percent = sim_percent(sim, 50) ? (uint32_t)sim_between(sim, 0, 15) : 0;
    sim_fault(sim, NULL, SIM_FAULT_RESET_KEEPS_DATA, 500000);
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, sim_percent(sim, 30) ? 100000 : 0);
    duel_open(&duel, sim, policies[sim_between(sim, 0, COUNT_OF(policies) - 1)], &client, 0);
    duel_run(&duel);
    duel_close(&duel);
}

/* Where re-sending is allowed, no GET fails for a close: nobody is lenient here. */
SCENARIO(races_cost_no_get)
{
    struct sim_client_options client = {.answer_bytes_max = 500};
    struct duel duel;

    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    client.mishaps = 1u << SIM_SAYS_CLOSE | 1u << SIM_CLOSES | (sim_percent(sim, 10) ? 1u << SIM_STRAY_BYTES : 0);
    client.mishap_percent = sim_percent(sim, 30) ? (uint32_t)sim_between(sim, 0, 20) : 0;
    sim_fault(sim, NULL, SIM_FAULT_RESET_KEEPS_DATA, 500000);
    duel_open(&duel, sim, policies[sim_between(sim, 1, COUNT_OF(policies) - 1)], &client, 0);
    duel_run(&duel);
    if (sim_book_count(duel.book, SIM_ANSWERED) != CLIENTS * REQUESTS)
        sim_fail(sim, "%u of %u GETs were answered", sim_book_count(duel.book, SIM_ANSWERED), CLIENTS * REQUESTS);
    duel_close(&duel);
}

/* resend: unacked, and origins that close only what idles: each POST is answered, or has met a close of which the
 * kernel could not prove that nothing had been read. */
SCENARIO(races_cost_a_post_only_what_cannot_be_proved)
{
    struct sim_client_options client = {.post_percent = 100, .request_bytes_max = 300, .answer_bytes_max = 200};
    struct duel duel;
    struct host_totals totals;
    unsigned answered;

    client.lenient = true;
    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    duel_open(&duel, sim, "unacked", &client, 0);
    duel_run(&duel);
    host_totals(hosts_at(duel.gateway.hosts, 0), &totals);
    answered = sim_book_count(duel.book, SIM_ANSWERED);
    if (answered + totals.refused_by[REFUSAL_RESET_UNPROVEN] + totals.refused_by[REFUSAL_FRESH_CONNECTION] +
            totals.refused_by[REFUSAL_ALREADY_RESENT] + totals.refused_by[REFUSAL_BUDGET_SPENT] !=
        CLIENTS * REQUESTS)
        sim_fail(sim, "%u of %u POSTs were answered, %llu refused as unproven", answered, CLIENTS * REQUESTS,
                 (unsigned long long)totals.refused_by[REFUSAL_RESET_UNPROVEN]);
    scenario_count("unproven", totals.refused_by[REFUSAL_RESET_UNPROVEN]);
    duel_close(&duel);
}

/* Whatever was closed for such bytes tells how they began, those of an answer that crossed a request too. */
static void check_samples(const struct duel *duel, unsigned worker)
{
    struct pool *pool = hosts_pool(duel->gateway.hosts, worker);
    struct closed_row *rows = calloc(CLOSED_LOG_MAX, sizeof(*rows));
    size_t count = pool && rows ? pool_list_closed(pool, rows, CLOSED_LOG_MAX) : 0;

    for (size_t i = 0; i < count; i++) {
        bool stray = rows[i].reason == REASON_STRAY_BYTES;

        if (stray && !str_starts(str_of(rows[i].stray.bytes, rows[i].stray.len), STR("HTTP/1.1 ")))
            sim_fail(duel->sim, "of stray bytes on connection %u nothing is told", rows[i].id);
        if (!stray && rows[i].reason != REASON_STRAY_CRLF && rows[i].stray.len > 0)
            sim_fail(duel->sim, "stray bytes of connection %u, which has ended for another reason", rows[i].id);
    }
    free(rows);
}

/* An origin that now and then says an answer to nothing on a kept connection, which may cross a request: the clients
 * judge whose answers they get. The links are long and even: what a request's acknowledgement has caught up with cannot
 * be told from its answer. */
SCENARIO(stray_answers_reach_nobody)
{
    struct sim_client_options client = {.post_percent = 30, .lenient = true, .answer_bytes_max = 200};
    struct duel duel;

    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    duel_open(&duel, sim, policies[sim_between(sim, 0, COUNT_OF(policies) - 1)], &client,
              (uint32_t)sim_between(sim, 1, 30));
    duel_run(&duel);
    scenario_count("stray answers", sim_origin_strays(duel.origin));
    for (unsigned i = 0; i < hosts_workers(duel.gateway.hosts); i++)
        check_samples(&duel, i);
    duel_close(&duel);
}
