/* scenario_hosts.c: several hosts for one backend, some of them sick. The origins share a book, which fails the run
 * when any two of them are given the same POST. SPDX-License-Identifier: Apache-2.0 */
#include "gateway_stage.h"
#include "scenario.h"
#include "sim/peers.h"

#include <stdio.h>

enum { HOSTS = 3, CLIENTS = 6 };

static const char *const machines[HOSTS] = {"one", "two", "three"};
static const char *const rules[] = {"random", "round_robin", "least_connections", "p2c"};

/* %s: the rule of choice. */
static const char config[] =
    "{\"version\": 3, \"timeout\": \"20s\", \"idle_timeout\": \"600s\", \"dialer_timeout\": \"50ms\","
    " \"response_header_timeout\": \"2s\","
    " \"host\": [\"http://one:80\", \"http://two:80\", \"http://three:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}, \"holdfast/upstream\": {\"balance\": \"%s\"}},"
    " \"endpoints\": [{\"endpoint\": \"/jobs/{id}\", \"method\": \"*\", \"output_encoding\": \"no-op\","
    "  \"input_headers\": [\"*\"], \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"encoding\": \"no-op\"}]}]}";

struct ward {
    char config[sizeof(config) + 20];
    struct sim *sim;
    struct sim_book *book;
    struct gateway_stage gateway;
    struct loop *loops[HOSTS], *client_loop;
    struct sim_origin *origins[HOSTS];
    struct sim_client *clients[CLIENTS];
};

static bool all_done(void *arg)
{
    const struct ward *ward = arg;

    for (unsigned i = 0; i < CLIENTS; i++)
        if (!sim_client_is_done(ward->clients[i]))
            return false;
    return true;
}

/* Of ward->config. */
static void ward_begin(struct ward *ward, struct sim *sim, const struct sim_client_options *client)
{
    struct sim_origin_options origin = {.port = 80, .think_max_ns = 10 * SIM_MS};
    struct sim_client_options own = *client;

    ward->sim = sim;
    ward->book = sim_book_new();
    if (sim_percent(sim, 30)) {
        origin.idle_close_ns = sim_between(sim, 1, 50 * SIM_MS);
        if (!own.lenient)
            own.post_percent = 0; /* one that meets a close may fail for that (scenario_races.c) */
    }
    for (unsigned i = 0; i < HOSTS; i++) {
        ward->loops[i] = sim_loop_new(sim, machines[i]);
        ward->origins[i] = sim_origin_new(sim, ward->loops[i], ward->book, &origin);
    }
    ward->client_loop = sim_loop_new(sim, "client");
    gateway_open(&ward->gateway, sim, ward->config, (unsigned)sim_between(sim, 1, 3));
    own.server = sim_addr(sim, "gateway", GATEWAY_PORT);
    own.host = "api.example";
    own.path = "/jobs/";
    for (unsigned i = 0; i < CLIENTS; i++)
        ward->clients[i] = sim_client_new(sim, ward->client_loop, ward->book, &own);
}

static void ward_open(struct ward *ward, struct sim *sim, const struct sim_client_options *client)
{
    *ward = (struct ward){0};
    snprintf(ward->config, sizeof(ward->config), config, rules[sim_between(sim, 0, COUNT_OF(rules) - 1)]);
    ward_begin(ward, sim, client);
}

static void ward_run(struct ward *ward)
{
    if (!sim_run(ward->sim, all_done, ward, 3600 * SIM_SECOND))
        sim_fail(ward->sim, "the clients do not come to an end: %s", sim_verdict(ward->sim));
}

static void ward_close(struct ward *ward)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        sim_client_free(ward->clients[i]);
    gateway_close(&ward->gateway);
    for (unsigned i = 0; i < HOSTS; i++) {
        sim_origin_free(ward->origins[i]);
        sim_loop_free(ward->sim, ward->loops[i]);
    }
    sim_loop_free(ward->sim, ward->client_loop);
    sim_book_free(ward->book);
}

static unsigned times_moved_on(const struct ward *ward)
{
    struct host_totals totals;
    uint64_t failovers = 0;

    for (uint32_t i = 0; i < hosts_count(ward->gateway.hosts); i++) {
        host_totals(hosts_at(ward->gateway.hosts, i), &totals);
        failovers += totals.failovers;
    }
    return (unsigned)failovers;
}

/* Up to two of three cannot be reached: nothing was sent there, so everything is answered by the third, POSTs too. */
SCENARIO(hosts_that_cannot_be_reached_cost_no_request)
{
    struct sim_client_options client = {.requests = 20, .gap_max_ns = 30 * SIM_MS, .post_percent = 40};
    enum sim_fault fault = sim_percent(sim, 50) ? SIM_FAULT_REFUSE : SIM_FAULT_BLACK_HOLE;
    unsigned healthy = (unsigned)sim_between(sim, 0, HOSTS - 1);
    struct ward ward;

    client.request_bytes_max = client.answer_bytes_max = 5000;
    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    for (unsigned i = 0; i < HOSTS; i++)
        sim_fault(sim, machines[i], fault, i == healthy ? 0 : 1000000);
    ward_open(&ward, sim, &client);
    ward_run(&ward);
    if (sim_book_count(ward.book, SIM_ANSWERED) != CLIENTS * client.requests)
        sim_fail(sim, "%u of %u requests were answered", sim_book_count(ward.book, SIM_ANSWERED),
                 CLIENTS * client.requests);
    if (sim_origin_requests(ward.origins[healthy]) < CLIENTS * client.requests)
        sim_fail(sim, "answers without requests");
    if (times_moved_on(&ward) == 0)
        sim_fail(sim, "no request went from one host to another");
    ward_close(&ward);
}

/* Hosts that reset, refuse and fall silent at random. Requests may fail; what the book forbids may not happen. */
SCENARIO(sick_hosts_are_never_given_a_post_twice)
{
    struct sim_client_options client = {
        .requests = 25, .gap_max_ns = 50 * SIM_MS, .post_percent = 50, .mishap_percent = 20, .lenient = true};
    struct ward ward;

    client.request_bytes_max = sim_percent(sim, 50) ? 300 : 100000; /* more than is kept for another try */
    client.answer_bytes_max = 5000;
    client.mishaps = 1u << SIM_NO_ANSWER | 1u << SIM_RESETS | 1u << SIM_HALF_RESETS | 1u << SIM_SILENT;
    sim_fault(sim, NULL, SIM_FAULT_SHORT_WRITE, sim_percent(sim, 30) ? 100000 : 0);
    for (unsigned i = 0; i < HOSTS; i++) {
        sim_fault(sim, machines[i], SIM_FAULT_RESET, sim_percent(sim, 60) ? 30000 : 0);
        sim_fault(sim, machines[i], SIM_FAULT_REFUSE, sim_percent(sim, 60) ? 300000 : 0);
        sim_fault(sim, machines[i], SIM_FAULT_BLACK_HOLE, sim_percent(sim, 30) ? 100000 : 0);
    }
    ward_open(&ward, sim, &client);
    ward_run(&ward);
    ward_close(&ward);
}

/* One host that gets a second address. */
static const char wide[] =
    "{\"version\": 3, \"timeout\": \"20s\", \"idle_timeout\": \"600s\", \"host\": [\"http://wide.example:80\"],"
    " \"extra_config\": {\"router\": {\"disable_access_log\": true}},"
    " \"endpoints\": [{\"endpoint\": \"/jobs/{id}\", \"method\": \"*\", \"output_encoding\": \"no-op\","
    "  \"input_headers\": [\"*\"], \"backend\": [{\"url_pattern\": \"/jobs/{id}\", \"encoding\": \"no-op\"}]}]}";

enum { FEW = 3, MANY = 6, CROWD = 24 };

struct wide_ward {
    struct sim *sim;
    struct sim_book *book;
    struct gateway_stage gateway;
    struct loop *loops[MANY], *client_loop;
    struct sim_origin *origins[MANY];
    struct sim_client *clients[CROWD];
    unsigned asked[MANY]; /* requests at each, when it was last noted */
};

static const char *machine_name(unsigned i)
{
    static const char *const names[MANY] = {"m0", "m1", "m2", "m3", "m4", "m5"};

    return names[i];
}

static void name_machines(struct sim *sim, unsigned count)
{
    char text[MANY * ADDR_TEXT_BYTES], ip[ADDR_TEXT_BYTES];
    size_t len = 0;

    for (unsigned i = 0; i < count; i++) {
        struct addr addr = sim_addr(sim, machine_name(i), 80);
        struct str one = addr_format_ip(&addr, ip);

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i > 0 ? " " : "", STR_ARG(one));
    }
    sim_name(sim, "wide.example", text, SIM_SECOND);
}

static void wide_open(struct wide_ward *ward, struct sim *sim, unsigned workers)
{
    struct sim_client_options client = {.requests = 160, .gap_max_ns = 400 * SIM_MS, .answer_bytes_max = 1000};

    *ward = (struct wide_ward){.sim = sim, .book = sim_book_new()};
    for (unsigned i = 0; i < MANY; i++) {
        ward->loops[i] = sim_loop_new(sim, machine_name(i));
        ward->origins[i] = sim_origin_new(sim, ward->loops[i], ward->book,
                                          &(struct sim_origin_options){.port = 80, .think_max_ns = 400 * SIM_MS});
    }
    name_machines(sim, FEW);
    ward->client_loop = sim_loop_new(sim, "client");
    gateway_open(&ward->gateway, sim, wide, workers);
    client.framings = 1u << SIM_LENGTH | 1u << SIM_CHUNKED;
    client.post_percent = (unsigned)sim_between(sim, 0, 50);
    client.server = sim_addr(sim, "gateway", GATEWAY_PORT);
    client.host = "api.example";
    client.path = "/jobs/";
    for (unsigned i = 0; i < CROWD; i++)
        ward->clients[i] = sim_client_new(sim, ward->client_loop, ward->book, &client);
}

static void wide_close(struct wide_ward *ward)
{
    for (unsigned i = 0; i < CROWD; i++)
        sim_client_free(ward->clients[i]);
    gateway_close(&ward->gateway);
    for (unsigned i = 0; i < MANY; i++) {
        sim_origin_free(ward->origins[i]);
        sim_loop_free(ward->sim, ward->loops[i]);
    }
    sim_loop_free(ward->sim, ward->client_loop);
    sim_book_free(ward->book);
}

static bool crowd_is_done(void *arg)
{
    const struct wide_ward *ward = arg;

    for (unsigned i = 0; i < CROWD; i++)
        if (!sim_client_is_done(ward->clients[i]))
            return false;
    return true;
}

/* Of the last span: the busiest address against the mean, in per cent. */
static unsigned skew(struct wide_ward *ward, unsigned addresses)
{
    unsigned most = 0, all = 0;

    for (unsigned i = 0; i < addresses; i++) {
        unsigned now = sim_origin_requests(ward->origins[i]), got = now - ward->asked[i];

        ward->asked[i] = now;
        all += got;
        most = got > most ? got : most;
    }
    if (all < 80 * addresses)
        sim_fail(ward->sim, "%u requests are too few to judge", all);
    return most * addresses * 100 / (all + (all == 0));
}

static uint64_t opened(const struct wide_ward *ward, uint64_t *open)
{
    struct host_totals totals;

    host_totals(hosts_at(ward->gateway.hosts, 0), &totals);
    *open = totals.connections_opened - totals.connections_closed;
    return totals.connections_opened;
}

/* keepalive F-11: within 60 s of a scale-out the busiest address has under 1.15 times the mean, for at most twice the
 * handshakes that it takes, which is as many as there were connections: half of them have to move. */
SCENARIO(requests_are_even_over_addresses_within_a_minute_of_a_scale_out)
{
    struct wide_ward ward;
    uint64_t before, after, open, left;
    unsigned first, last, workers = (unsigned)sim_between(sim, 1, 2);

    wide_open(&ward, sim, workers);
    (void)sim_run(sim, crowd_is_done, &ward, 5 * SIM_SECOND);
    (void)skew(&ward, FEW);
    (void)sim_run(sim, crowd_is_done, &ward, 10 * SIM_SECOND);
    first = skew(&ward, FEW);
    before = opened(&ward, &open);
    name_machines(sim, MANY);
    (void)sim_run(sim, crowd_is_done, &ward, 30 * SIM_SECOND);
    (void)skew(&ward, MANY);
    (void)sim_run(sim, crowd_is_done, &ward, 12 * SIM_SECOND);
    last = skew(&ward, MANY);
    after = opened(&ward, &left);
    sim_say(sim, "the busiest of the mean: %u %%, then %u %%; %llu handshakes, %llu connections", first, last,
            (unsigned long long)(after - before), (unsigned long long)open);
    if (first >= 115 || last >= 115)
        sim_fail(sim, "the busiest address has %u, then %u per cent of the mean", first, last);
    if (after - before > open)
        sim_fail(sim, "%llu handshakes for %llu connections", (unsigned long long)(after - before),
                 (unsigned long long)open);
    if (!sim_run(sim, crowd_is_done, &ward, 3600 * SIM_SECOND))
        sim_fail(sim, "the clients do not come to an end: %s", sim_verdict(sim));
    wide_close(&ward);
}
