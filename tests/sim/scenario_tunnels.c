/* scenario_tunnels.c: WebSockets through a gateway: messages of both sides arrive whole and in order, with heartbeats
 * of the gateway in between, whatever the network does to the pieces; a drain sends all of them away.
 * SPDX-License-Identifier: Apache-2.0 */
#include "gateway_stage.h"
#include "scenario.h"
#include "tunnel_peers.h"

static const char config[] =
    "{\"version\": 3, \"timeout\": \"5s\", \"idle_timeout\": \"600s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}},"
    " \"endpoints\": [{\"endpoint\": \"/ws/*\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    "  \"extra_config\": {\"holdfast/stream\": {\"heartbeat\": \"50ms\", \"heartbeat_timeout\": \"20s\"}},"
    "  \"backend\": [{\"url_pattern\": \"/ws/*\", \"encoding\": \"no-op\","
    "   \"extra_config\": {\"holdfast/upstream\": {\"class\": \"tunnel\"}}}]}]}";

static bool has_no_clients(void *stage)
{
    return gateway_is_empty(stage);
}

static void ruffle(struct sim *sim)
{
    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, (uint32_t)sim_between(sim, 0, 300000));
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, (uint32_t)sim_between(sim, 0, 300000));
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, (uint32_t)sim_between(sim, 0, 300000));
    if (sim_percent(sim, 50))
        sim_buffers(sim, sim_between(sim, 500, 20000), sim_between(sim, 500, 20000));
}

static unsigned open_tunnels(const struct gateway_stage *stage)
{
    uint64_t open = 0;

    for (unsigned i = 0; i < stage->worker_count; i++)
        open += stage->workers[i].frontend->counts.tunnels_open;
    return (unsigned)open;
}

static void end(struct sim *sim, struct gateway_stage *stage, struct tunnel_peers *peers)
{
    if (!sim_run(sim, has_no_clients, stage, 60 * SIM_SECOND))
        sim_fail(sim, "the gateway keeps connections of clients that have gone: %s", sim_verdict(sim));
    if (open_tunnels(stage) > 0)
        sim_fail(sim, "%u tunnels are open without clients", open_tunnels(stage));
    tunnel_peers_free(peers);
    gateway_close(stage);
}

SCENARIO(tunnels_lose_nothing)
{
    unsigned count = (unsigned)sim_between(sim, 1, TUNNELS_MAX);
    struct tunnel_peers *peers;
    struct gateway_stage stage;

    ruffle(sim);
    gateway_open(&stage, sim, config, (unsigned)sim_between(sim, 1, 3));
    peers = tunnel_peers_new(sim, GATEWAY_PORT, count, false);
    if (!sim_run(sim, tunnel_peers_are_done, peers, 3600 * SIM_SECOND))
        sim_fail(sim, "the tunnels do not come to an end: %s", sim_verdict(sim));
    if (tunnel_peers_whole(peers) != count)
        sim_fail(sim, "%u of %u tunnels have passed everything", tunnel_peers_whole(peers), count);
    scenario_count("tunnels", count);
    end(sim, &stage, peers);
}

SCENARIO(tunnels_bear_a_bad_network)
{
    struct tunnel_peers *peers;
    struct gateway_stage stage;

    ruffle(sim);
    gateway_open(&stage, sim, config, (unsigned)sim_between(sim, 1, 3));
    sim_fault(sim, NULL, SIM_FAULT_RESET, (uint32_t)sim_between(sim, 0, 20000));
    sim_fault(sim, NULL, SIM_FAULT_REFUSE, (uint32_t)sim_between(sim, 0, 100000));
    sim_fault(sim, "gateway", SIM_FAULT_OUT_OF_FILES, (uint32_t)sim_between(sim, 0, 50000));
    peers = tunnel_peers_new(sim, GATEWAY_PORT, (unsigned)sim_between(sim, 1, TUNNELS_MAX), true);
    if (!sim_run(sim, tunnel_peers_are_done, peers, 3600 * SIM_SECOND))
        sim_fail(sim, "the tunnels do not come to an end: %s", sim_verdict(sim));
    end(sim, &stage, peers);
}

SCENARIO(tunnels_are_sent_away_by_a_drain)
{
    struct tunnel_peers *peers;
    struct gateway_stage stage;

    ruffle(sim);
    gateway_open(&stage, sim, config, 1);
    peers = tunnel_peers_new(sim, GATEWAY_PORT, (unsigned)sim_between(sim, 1, TUNNELS_MAX), true);
    (void)sim_run(sim, tunnel_peers_are_done, peers, sim_between(sim, 0, 500 * SIM_MS));
    gateway_drain(&stage, sim_between(sim, 0, 2 * SIM_SECOND));
    if (!sim_run(sim, has_no_clients, &stage, 60 * SIM_SECOND))
        sim_fail(sim, "the drain does not end: %s", sim_verdict(sim));
    if (!sim_run(sim, tunnel_peers_are_done, peers, 60 * SIM_SECOND))
        sim_fail(sim, "peers are left behind a drain: %s", sim_verdict(sim));
    scenario_count("tunnels sent away", tunnel_peers_sent_away(peers));
    end(sim, &stage, peers);
}
