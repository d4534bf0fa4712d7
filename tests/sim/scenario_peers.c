/* scenario_peers.c: the scripted peers with nothing between them: the judge must find nothing wrong with the truth.
 * What passes here and fails with a gateway in between is the gateway's doing. SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"
#include "sim/peers.h"

enum { CLIENTS = 4 };

struct cast {
    struct sim *sim;
    struct sim_book *book;
    struct loop *origin_loop, *client_loop;
    struct sim_origin *origin;
    struct sim_client *clients[CLIENTS];
};

static bool all_done(void *arg)
{
    const struct cast *cast = arg;

    for (int i = 0; i < CLIENTS; i++)
        if (!sim_client_is_done(cast->clients[i]))
            return false;
    return true;
}

static void run_cast(struct sim *sim, const struct sim_origin_options *origin, const struct sim_client_options *client)
{
    struct cast cast = {.sim = sim, .book = sim_book_new()};
    struct sim_client_options options = *client;
    unsigned ended;

    cast.origin_loop = sim_loop_new(sim, "origin");
    cast.client_loop = sim_loop_new(sim, "client");
    cast.origin = sim_origin_new(sim, cast.origin_loop, cast.book, origin);
    options.server =
        sim_percent(sim, 50) ? sim_addr(sim, "origin", origin->port) : sim_addr_ipv6(sim, "origin", origin->port);
    for (int i = 0; i < CLIENTS; i++)
        cast.clients[i] = sim_client_new(sim, cast.client_loop, cast.book, &options);
    if (!sim_run(sim, all_done, &cast, 3600 * SIM_SECOND))
        sim_fail(sim, "the clients do not come to an end: %s", sim_verdict(sim));
    ended = sim_book_count(cast.book, SIM_ANSWERED) + sim_book_count(cast.book, SIM_BROKEN) +
            sim_book_count(cast.book, SIM_ABANDONED);
    if (ended != CLIENTS * options.requests)
        sim_fail(sim, "%u jobs of %u have ended", ended, CLIENTS * options.requests);
    if (!options.lenient && options.mishaps == 0 && sim_book_count(cast.book, SIM_ANSWERED) != ended)
        sim_fail(sim, "jobs went wrong without a cause");
    for (int i = 0; i < CLIENTS; i++)
        sim_client_free(cast.clients[i]);
    sim_origin_free(cast.origin);
    sim_loop_free(sim, cast.origin_loop);
    sim_loop_free(sim, cast.client_loop);
    sim_book_free(cast.book);
}

static struct sim_client_options some_client(struct sim *sim)
{
    return (struct sim_client_options){
        .host = "origin",
        .path = "/jobs/",
        .requests = (unsigned)sim_between(sim, 1, 20),
        .gap_max_ns = sim_percent(sim, 50) ? 0 : 50 * SIM_MS,
        .request_bytes_max = 50000,
        .answer_bytes_max = sim_percent(sim, 50) ? 200 : 200000,
        .post_percent = 30,
        .json_percent = 30,
    };
}

SCENARIO(peers_agree_when_all_is_well)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 10 * SIM_MS};
    struct sim_client_options client = some_client(sim);

    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, sim_percent(sim, 30) ? 100000 : 0);
    if (sim_percent(sim, 30))
        sim_buffers(sim, 4096, 3000);
    run_cast(sim, &origin, &client);
}

/* The client is the only one between the origin and the judge, so a silent origin would try its patience. */
SCENARIO(peers_see_each_others_mishaps)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 10 * SIM_MS};
    struct sim_client_options client = some_client(sim);

    client.mishaps = 1u << SIM_INTERIM | 1u << SIM_SAYS_CLOSE | 1u << SIM_NO_ANSWER | 1u << SIM_RESETS |
                     1u << SIM_HALF | 1u << SIM_HALF_RESETS;
    client.mishap_percent = 40;
    client.abandon_per_million = 20000;
    sim_fault(sim, NULL, SIM_FAULT_RESET_KEEPS_DATA, 500000);
    run_cast(sim, &origin, &client);
}

SCENARIO(peers_bear_a_bad_network)
{
    struct sim_origin_options origin = {
        .port = 80,
        .think_max_ns = 10 * SIM_MS,
        .idle_close_ns = sim_percent(sim, 50) ? 20 * SIM_MS : 0,
        .requests_max = sim_percent(sim, 50) ? 3 : 0,
    };
    struct sim_client_options client = some_client(sim);

    client.lenient = true;
    sim_fault(sim, NULL, SIM_FAULT_RESET, 10000);
    sim_fault(sim, NULL, SIM_FAULT_REFUSE, 50000);
    sim_fault(sim, NULL, SIM_FAULT_OUT_OF_FILES, 0);
    sim_fault(sim, "client", SIM_FAULT_OUT_OF_FILES, 50000);
    sim_link(sim, "client", "origin",
             (struct sim_link){
                 .delay_ns = sim_between(sim, 0, 20 * SIM_MS), .jitter_ns = 5 * SIM_MS, .loss_per_million = 20000});
    run_cast(sim, &origin, &client);
}
