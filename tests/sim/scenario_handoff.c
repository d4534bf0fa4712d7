/* scenario_handoff.c: many workers, one pool: a process with several workers has hardly more upstream connections than
 * one with a single worker would have. SPDX-License-Identifier: Apache-2.0 */
#include "gateway_stage.h"
#include "scenario.h"
#include "sim/peers.h"

#include <stdio.h>

enum { CLIENTS = 20, REQUESTS = 40 };

/* %s: settings of the service, and those of holdfast/upstream. */
static const char config[] =
    "{%s\"version\": 3, \"timeout\": \"20s\", \"idle_timeout\": \"600s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}, \"holdfast/upstream\": {%s}},"
    " \"endpoints\": [{\"endpoint\": \"/jobs/{id}\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    "  \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"encoding\": \"no-op\"}]}]}";

struct crowd {
    char config[sizeof(config) + 100];
    struct sim *sim;
    struct sim_book *book;
    struct gateway_stage gateway;
    struct loop *origin_loop, *client_loop;
    struct sim_origin *origin;
    struct sim_client *clients[CLIENTS];
    uint64_t active_most, open_most;
    uint64_t idle_max, full_since_ns, full_most_ns; /* a cap on idle ones, and how long there were more */
};

static bool all_done(void *arg)
{
    const struct crowd *crowd = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (!sim_client_is_done(crowd->clients[i]))
            return false;
    return true;
}

static void count_connections(void *arg)
{
    struct crowd *crowd = arg;
    struct host_totals totals;

    if (!crowd->gateway.hosts || hosts_count(crowd->gateway.hosts) == 0)
        return;
    host_totals(hosts_at(crowd->gateway.hosts, 0), &totals);
    if (totals.active > crowd->active_most)
        crowd->active_most = totals.active;
    if (totals.active + totals.idle > crowd->open_most)
        crowd->open_most = totals.active + totals.idle;
    if (crowd->idle_max == 0 || totals.idle <= crowd->idle_max)
        crowd->full_since_ns = 0;
    else if (crowd->full_since_ns == 0)
        crowd->full_since_ns = sim_now_ns(crowd->sim);
    else if (sim_now_ns(crowd->sim) - crowd->full_since_ns > crowd->full_most_ns)
        crowd->full_most_ns = sim_now_ns(crowd->sim) - crowd->full_since_ns;
}

/* Requests come at 100 a second in all and take 50 ms each, on average. */
static void crowd_run(struct crowd *crowd, struct sim *sim, const char *service, const char *settings, unsigned workers)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 100 * SIM_MS};
    struct sim_client_options client = {.path = "/jobs/",
                                        .requests = REQUESTS,
                                        .gap_max_ns = 300 * SIM_MS,
                                        .answer_bytes_max = 1000,
                                        .host = "a.example"};

    crowd->sim = sim;
    crowd->book = sim_book_new();
    snprintf(crowd->config, sizeof(crowd->config), config, service, settings);
    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    crowd->origin_loop = sim_loop_new(sim, "origin");
    crowd->client_loop = sim_loop_new(sim, "client");
    crowd->origin = sim_origin_new(sim, crowd->origin_loop, crowd->book, &origin);
    gateway_open(&crowd->gateway, sim, crowd->config, workers);
    sim_add_check(sim, count_connections, crowd);
    client.server = sim_addr(sim, "gateway", GATEWAY_PORT);
    for (unsigned i = 0; i < CLIENTS; i++)
        crowd->clients[i] = sim_client_new(sim, crowd->client_loop, crowd->book, &client);
    if (!sim_run(sim, all_done, crowd, 3600 * SIM_SECOND))
        sim_fail(sim, "the clients do not come to an end: %s", sim_verdict(sim));
    if (sim_book_count(crowd->book, SIM_ANSWERED) != CLIENTS * REQUESTS)
        sim_fail(sim, "%u of %u requests were answered", sim_book_count(crowd->book, SIM_ANSWERED), CLIENTS * REQUESTS);
}

static void crowd_close(struct crowd *crowd)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_client_free(crowd->clients[i]);
    gateway_close(&crowd->gateway);
    sim_origin_free(crowd->origin);
    sim_loop_free(crowd->sim, crowd->origin_loop);
    sim_loop_free(crowd->sim, crowd->client_loop);
    sim_book_free(crowd->book);
}

static void expect_few(const struct crowd *crowd)
{
    sim_say(crowd->sim, "%llu connections for %llu requests at once", (unsigned long long)crowd->open_most,
            (unsigned long long)crowd->active_most);
    if (crowd->open_most > (crowd->active_most * 12 + 9) / 10)
        sim_fail(crowd->sim, "%llu connections, though no more than %llu requests were under way at once",
                 (unsigned long long)crowd->open_most, (unsigned long long)crowd->active_most);
}

SCENARIO(workers_share_their_connections)
{
    struct crowd crowd = {0};

    crowd_run(&crowd, sim, "", "", (unsigned)sim_between(sim, 2, 8));
    expect_few(&crowd);
    crowd_close(&crowd);
}

/* A worker that is held up answers no letters, and is no faster with a handshake. */
SCENARIO(workers_that_are_held_up_share_their_connections)
{
    struct sim_link link = {.delay_ns = sim_between(sim, 1, 10) * SIM_MS / 4, .jitter_ns = SIM_MS / 4};
    struct crowd crowd = {0};

    sim_link(sim, "gateway", "origin", link);
    sim_fault(sim, "gateway", SIM_FAULT_STALL, (uint32_t)sim_between(sim, 1000, 200000));
    crowd_run(&crowd, sim, "", "", (unsigned)sim_between(sim, 2, 8));
    expect_few(&crowd);
    crowd_close(&crowd);
}

SCENARIO(workers_share_a_cap)
{
    struct crowd crowd = {0};

    crowd_run(&crowd, sim, "", "\"max_connections_per_host\": 3, \"queue_timeout\": \"15s\"",
              (unsigned)sim_between(sim, 2, 8));
    if (crowd.open_most > 3)
        sim_fail(sim, "%llu connections at a cap of 3", (unsigned long long)crowd.open_most);
    crowd_close(&crowd);
}

/* More are idle only while a letter is on its way to the worker whose connection goes. */
SCENARIO(workers_share_a_cap_on_idle_connections)
{
    static const char *const settings[] = {"\"max_idle_connections\": 3, ", "\"max_idle_connections_per_host\": 3, "};
    struct crowd crowd = {.idle_max = 3};

    crowd_run(&crowd, sim, settings[sim_between(sim, 0, 1)], "", (unsigned)sim_between(sim, 2, 8));
    if (crowd.full_most_ns > SIM_MS)
        sim_fail(sim, "for %llu us more than 3 connections were idle", (unsigned long long)crowd.full_most_ns / 1000);
    crowd_close(&crowd);
}
