/* micro_gateway.c: whole requests in the simulated world, see micro.h. SPDX-License-Identifier: Apache-2.0 */
#include "bench/micro/micro.h"
#include "sim/gateway_stage.h"
#include "sim/peers.h"

enum { SEED = 7, ANSWER_BYTES = 128 };

static const char config[] =
    "{\"version\": 3, \"timeout\": \"5s\", \"idle_timeout\": \"600s\", \"host\": [\"http://origin:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}},"
    " \"endpoints\": ["
    "  {\"endpoint\": \"/jobs/{id}\", \"output_encoding\": \"no-op\", \"input_headers\": [\"*\"],"
    "   \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"encoding\": \"no-op\"}]},"
    "  {\"endpoint\": \"/json/{id}\","
    "   \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"deny\": [\"secret\"], \"mapping\": {\"other\": "
    "\"another\"}}]}"
    "]}";

static bool client_is_done(void *arg)
{
    return sim_client_is_done(arg);
}

static void run(unsigned requests, const char *path, uint32_t json_percent)
{
    const struct sim_origin_options served = {.port = 80};
    struct sim_client_options asked = {.host = "api.example",
                                       .path = path,
                                       .requests = requests,
                                       .answer_bytes_max = ANSWER_BYTES,
                                       .framings = 1 << SIM_LENGTH,
                                       .json_percent = json_percent};
    struct gateway_stage gateway;
    struct sim *sim = sim_new(SEED);
    struct sim_book *book = sim_book_new();
    struct loop *origin_loop = sim_loop_new(sim, "origin"), *client_loop = sim_loop_new(sim, "client");
    struct sim_origin *origin = sim_origin_new(sim, origin_loop, book, &served);
    struct sim_client *client;

    gateway_open(&gateway, sim, config, 1);
    asked.server = sim_addr(sim, "gateway", GATEWAY_PORT);
    client = sim_client_new(sim, client_loop, book, &asked);
    if (!sim_run(sim, client_is_done, client, 3600 * SIM_SECOND) || sim_book_count(book, SIM_ANSWERED) != requests)
        sim_fail(sim, "%u of %u requests were answered: %s", sim_book_count(book, SIM_ANSWERED), requests,
                 sim_verdict(sim));
    sim_client_free(client);
    gateway_close(&gateway);
    sim_origin_free(origin);
    sim_loop_free(sim, origin_loop);
    sim_loop_free(sim, client_loop);
    sim_book_free(book);
    sim_free(sim);
}

void micro_gateway_plain(unsigned requests)
{
    run(requests, "/jobs/", 0);
}

void micro_gateway_json(unsigned requests)
{
    run(requests, "/json/", 100);
}
