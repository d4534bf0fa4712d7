/* scenario_gateway.c: clients, gateway, origins. What peers accept of each other without a gateway (scenario_peers.c)
 * they must get with it, over kept connections, whatever the seed does in between. SPDX-License-Identifier: Apache-2.0
 */
#include "gateway_stage.h"
#include "scenario.h"
#include "sim/peers.h"

#include <stdio.h>

enum { CLIENTS_MAX = 6 };

/* Plain endpoints pass bytes through; /json/ takes JSON apart and writes it anew. */
static const char config[] =
    "{%s\"version\": 3, \"timeout\": \"5s\", \"idle_timeout\": \"600s\","
    " \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}},"
    " \"endpoints\": ["
    "  {\"endpoint\": \"/jobs/{id}\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    "   \"backend\": [{\"url_pattern\": \"/deep/jobs/{id}\", \"encoding\": \"no-op\"}]},"
    "  {\"endpoint\": \"/jobs/{id}\", \"method\": \"POST\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    "   \"backend\": [{\"url_pattern\": \"/deep/jobs/{id}\", \"encoding\": \"no-op\"}]},"
    "  {\"endpoint\": \"/json/{id}\","
    "   \"backend\": [{\"url_pattern\": \"/jobs/{id}\"}]}"
    "]}";

/* What the pool may keep, and for how long. */
static const char *const transports[] = {
    "",
    "\"max_idle_connections_per_host\": 1, ",
    "\"max_idle_connections\": 2, ",
    "\"idle_connection_timeout\": \"10ms\", ",
    "\"disable_keep_alives\": true, ",
    "\"dialer_fallback_delay\": \"-1s\", \"max_idle_connections\": 1, \"idle_connection_timeout\": \"1ms\", ",
};

struct play {
    char config[sizeof(config) + 200];
    struct sim *sim;
    struct sim_book *book;
    struct gateway_stage gateway;
    struct loop *origin_loop, *client_loop;
    struct sim_origin *origin;
    struct sim_client *clients[CLIENTS_MAX];
    unsigned client_count;
};

static bool all_done(void *arg)
{
    const struct play *play = arg;

    for (unsigned i = 0; i < play->client_count; i++)
        if (!sim_client_is_done(play->clients[i]))
            return false;
    return true;
}

static bool gateway_has_no_clients(void *arg)
{
    return gateway_is_empty(&((struct play *)arg)->gateway);
}

static void play_open(struct play *play, struct sim *sim, const struct sim_origin_options *origin,
                      const char *transport)
{
    *play = (struct play){.sim = sim, .book = sim_book_new()};
    snprintf(play->config, sizeof(play->config), config, transport);
    play->origin_loop = sim_loop_new(sim, "origin");
    play->client_loop = sim_loop_new(sim, "client");
    play->origin = sim_origin_new(sim, play->origin_loop, play->book, origin);
    gateway_open(&play->gateway, sim, play->config, (unsigned)sim_between(sim, 1, 3));
}

/* Any number of clients that do the same; the JSON endpoint has clients of its own. */
static void add_clients(struct play *play, const struct sim_client_options *options)
{
    unsigned count = (unsigned)sim_between(play->sim, 1, CLIENTS_MAX);

    for (unsigned i = 0; i < count; i++) {
        struct sim_client_options own = *options;

        own.server = sim_addr(play->sim, "gateway", GATEWAY_PORT);
        own.host = "api.example";
        if (sim_percent(play->sim, 30)) {
            own.path = "/json/";
            own.json_percent = 100;
            own.post_percent = 0;
        }
        play->clients[play->client_count++] = sim_client_new(play->sim, play->client_loop, play->book, &own);
    }
}

static void play_run(struct play *play)
{
    if (!sim_run(play->sim, all_done, play, 3600 * SIM_SECOND))
        sim_fail(play->sim, "the clients do not come to an end: %s", sim_verdict(play->sim));
    if (!sim_run(play->sim, gateway_has_no_clients, play, 60 * SIM_SECOND))
        sim_fail(play->sim, "the gateway keeps connections of clients that have gone: %s", sim_verdict(play->sim));
}

static void play_close(struct play *play)
{
    for (unsigned i = 0; i < play->client_count; i++)
        sim_client_free(play->clients[i]);
    gateway_close(&play->gateway);
    sim_origin_free(play->origin);
    sim_loop_free(play->sim, play->origin_loop);
    sim_loop_free(play->sim, play->client_loop);
    sim_book_free(play->book);
}

static struct sim_client_options some_client(struct sim *sim)
{
    return (struct sim_client_options){
        .path = "/jobs/",
        .requests = (unsigned)sim_between(sim, 1, 15),
        .gap_max_ns = sim_percent(sim, 50) ? 0 : 50 * SIM_MS,
        .request_bytes_max = sim_percent(sim, 50) ? 300 : 50000,
        .answer_bytes_max = sim_percent(sim, 50) ? 300 : 100000,
        .post_percent = 30,
        .json_percent = 20,
        .read_bytes_max = sim_percent(sim, 20) ? 5000 : 0,
    };
}

static const char *some_transport(struct sim *sim)
{
    return transports[sim_percent(sim, 50) ? 0 : sim_between(sim, 0, COUNT_OF(transports) - 1)];
}

/* Not faults: what every network does now and then. */
static void ruffle(struct sim *sim)
{
    sim_fault(sim, NULL, SIM_FAULT_SHORT_READ, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_SPURIOUS_WAKE, sim_percent(sim, 30) ? 100000 : 0);
    sim_fault(sim, NULL, SIM_FAULT_RESET_KEEPS_DATA, 500000);
    if (sim_percent(sim, 30))
        sim_buffers(sim, sim_between(sim, 1000, 20000), sim_between(sim, 1000, 20000));
}

/* A long way to the origin: its FIN is under way while the gateway still takes the connection for a good one. */
static void stretch(struct sim *sim)
{
    uint64_t delay_ns = sim_percent(sim, 70) ? sim_between(sim, 0, 20 * SIM_MS) : 0;

    sim_link(sim, "gateway", "origin", (struct sim_link){.delay_ns = delay_ns, .jitter_ns = delay_ns / 4});
}

SCENARIO(gateway_answers_everything_when_all_is_well)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 10 * SIM_MS};
    struct sim_client_options client = some_client(sim);
    struct play play;
    unsigned made;

    ruffle(sim);
    client.pipeline_max = sim_percent(sim, 30) ? (unsigned)sim_between(sim, 2, 5) : 1;
    play_open(&play, sim, &origin, some_transport(sim));
    add_clients(&play, &client);
    play_run(&play);
    made = play.client_count * client.requests;
    if (sim_book_count(play.book, SIM_ANSWERED) != made)
        sim_fail(sim, "%u of %u requests were answered", sim_book_count(play.book, SIM_ANSWERED), made);
    if (sim_origin_requests(play.origin) != made)
        sim_fail(sim, "%u requests became %u", made, sim_origin_requests(play.origin));
    play_close(&play);
}

SCENARIO(gateway_reuses_connections)
{
    struct sim_origin_options origin = {.port = 80};
    struct sim_client_options client = {.path = "/jobs/", .requests = 50, .answer_bytes_max = 1000};
    struct play play;

    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    play_open(&play, sim, &origin, "");
    add_clients(&play, &client);
    play_run(&play);
    if (sim_origin_conns(play.origin) > play.client_count)
        sim_fail(sim, "%u connections for %u clients with one request at a time", sim_origin_conns(play.origin),
                 play.client_count);
    play_close(&play);
}

/* Whatever an origin does to its connections behind a complete answer, a GET is answered: an origin that closes while
 * the next request is on its way is asked once more. */
SCENARIO(gateway_hides_closing_origins)
{
    struct sim_origin_options origin = {
        .port = 80,
        .think_max_ns = 5 * SIM_MS,
        .idle_close_ns = sim_percent(sim, 50) ? sim_between(sim, 1, 50 * SIM_MS) : 0,
        .requests_max = sim_percent(sim, 50) ? (unsigned)sim_between(sim, 1, 5) : 0,
    };
    struct sim_client_options client = some_client(sim);
    struct play play;

    ruffle(sim);
    stretch(sim);
    client.post_percent = 0;
    client.mishaps = 1u << SIM_INTERIM | 1u << SIM_SAYS_CLOSE | 1u << SIM_CLOSES | 1u << SIM_STRAY_BYTES;
    client.mishap_percent = (uint32_t)sim_between(sim, 0, 60);
    play_open(&play, sim, &origin, some_transport(sim));
    add_clients(&play, &client);
    play_run(&play);
    if (sim_book_count(play.book, SIM_ANSWERED) != play.client_count * client.requests)
        sim_fail(sim, "%u of %u GETs were answered", sim_book_count(play.book, SIM_ANSWERED),
                 play.client_count * client.requests);
    play_close(&play);
}

/* Answers that never become complete: a clear status or a connection that breaks, in time, and nobody else suffers. */
SCENARIO(gateway_tells_sick_origins_apart)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 5 * SIM_MS};
    struct sim_client_options client = some_client(sim);
    struct play play;

    ruffle(sim);
    client.mishaps = 1u << SIM_NO_ANSWER | 1u << SIM_RESETS | 1u << SIM_GARBAGE | 1u << SIM_SILENT | 1u << SIM_HALF |
                     1u << SIM_HALF_RESETS | 1u << SIM_HALF_SILENT;
    client.mishap_percent = 40;
    client.patience_ns = 30 * SIM_SECOND;
    play_open(&play, sim, &origin, some_transport(sim));
    add_clients(&play, &client);
    play_run(&play);
    play_close(&play);
}

/* Everything at once: networks that cut, origins that fall ill, clients that run away, descriptors that run out. */
SCENARIO(gateway_bears_everything)
{
    struct sim_origin_options origin = {
        .port = 80,
        .think_max_ns = 20 * SIM_MS,
        .idle_close_ns = sim_percent(sim, 50) ? 20 * SIM_MS : 0,
        .requests_max = sim_percent(sim, 50) ? 4 : 0,
    };
    struct sim_client_options client = some_client(sim);
    struct play play;

    ruffle(sim);
    client.lenient = true;
    client.pipeline_max = (unsigned)sim_between(sim, 1, 4);
    client.mishaps = (1u << SIM_MISHAP_COUNT) - 1;
    client.mishap_percent = (uint32_t)sim_between(sim, 0, 50);
    client.abandon_per_million = (uint32_t)sim_between(sim, 0, 50000);
    play_open(&play, sim, &origin, some_transport(sim));
    sim_fault(sim, NULL, SIM_FAULT_RESET, (uint32_t)sim_between(sim, 0, 5000));
    sim_fault(sim, NULL, SIM_FAULT_REFUSE, (uint32_t)sim_between(sim, 0, 100000));
    sim_fault(sim, "origin", SIM_FAULT_BLACK_HOLE, (uint32_t)sim_between(sim, 0, 50000));
    sim_fault(sim, "gateway", SIM_FAULT_OUT_OF_FILES, (uint32_t)sim_between(sim, 0, 50000));
    sim_fault(sim, "gateway", SIM_FAULT_DNS_FAILS, (uint32_t)sim_between(sim, 0, 100000));
    sim_fault(sim, "gateway", SIM_FAULT_DNS_SILENT, (uint32_t)sim_between(sim, 0, 50000));
    sim_link(sim, "gateway", "origin", (struct sim_link){sim_between(sim, 0, 20 * SIM_MS), SIM_MS, 2000});
    add_clients(&play, &client);
    play_run(&play);
    play_close(&play);
}

/* A drain in the middle: what was taken on is answered or refused, and then nobody is left. */
SCENARIO(gateway_drains)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 20 * SIM_MS};
    struct sim_client_options client = some_client(sim);
    struct play play;

    ruffle(sim);
    client.lenient = true;
    client.requests = 100000; /* more than will ever be made */
    play_open(&play, sim, &origin, some_transport(sim));
    add_clients(&play, &client);
    (void)sim_run(sim, all_done, &play, sim_between(sim, 0, 300 * SIM_MS));
    gateway_drain(&play.gateway, sim_between(sim, 0, 2 * SIM_SECOND));
    if (!sim_run(sim, gateway_has_no_clients, &play, 60 * SIM_SECOND))
        sim_fail(sim, "the drain does not end: %s", sim_verdict(sim));
    play_close(&play);
}

/* A listener is taken away in the middle, and the gateway stays: at the limit nobody is left who came by it. */
SCENARIO(gateway_listener_goes)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 20 * SIM_MS};
    struct sim_client_options client = some_client(sim);
    uint64_t limit_ns = sim_between(sim, SIM_SECOND, 4 * SIM_SECOND);
    struct play play;

    ruffle(sim);
    client.lenient = true;
    client.requests = 100000;
    play_open(&play, sim, &origin, some_transport(sim));
    add_clients(&play, &client);
    (void)sim_run(sim, all_done, &play, sim_between(sim, 0, 300 * SIM_MS));
    gateway_drain_listener(&play.gateway, sim_between(sim, 0, 2 * SIM_SECOND), limit_ns);
    if (!sim_run(sim, gateway_has_no_clients, &play, limit_ns + 20 * SIM_SECOND))
        sim_fail(sim, "connections of a listener that is gone are left: %s", sim_verdict(sim));
    play_close(&play);
}
