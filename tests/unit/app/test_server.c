/* test_server.c: workers and the server they make: born, drained, cut, and what fails half way leaves nothing behind.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../admin/talker.h"
#include "app/server.h"

enum { WORKERS = 2 };

/* A server under test, with the loop of the main thread. */
struct stage {
    struct net_stage net;
    struct server *server;
    struct probe ended;
    struct error err;
};

static const char config[] =
    "{\"version\": 3, \"extra_config\": {"
    "\"router\": {\"disable_access_log\": true},"
    "\"holdfast/server\": {\"drain_limit\": \"200ms\", \"listeners\": [{\"listen\": \"%s\"}]}},"
    "\"endpoints\": [{\"endpoint\": \"/fixed\","
    "\"extra_config\": {\"holdfast/answer\": {\"body\": \"fixed\"}}}]}";

static struct generation *build(struct hosts *hosts, const char *listen)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct str text = STR_EMPTY;
    struct service *service;
    struct generation *generation;
    struct report report;

    if (!arena)
        return NULL;
        /* The format is the test's own, and constant. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    text = arena_format(arena, config, listen);
#pragma GCC diagnostic pop
    report_init(&report, arena);
    service =
        text.data ? service_load(arena, &(struct service_sources){.path = "test", .text = text.data}, &report) : NULL;
    generation = service ? generation_build(arena, service, hosts, &report) : NULL;
    if (!generation)
        arena_free(arena);
    return generation;
}

static bool start(struct stage *stage, const char *listen)
{
    struct hosts *hosts = hosts_new(WORKERS);
    struct generation *generation = hosts ? build(hosts, listen) : NULL;

    if (!generation) {
        hosts_free(hosts);
        return false;
    }
    stage->err = (struct error){0};
    stage->server = server_new(&(struct server_start){.generation = generation,
                                                      .hosts = hosts,
                                                      .workers = WORKERS,
                                                      .loop = stage->net.loop,
                                                      .ended = &stage->ended.task},
                               &stage->err);
    return stage->server != NULL;
}

static void open_stage(struct stage *stage)
{
    *stage = (struct stage){0};
    net_stage_open(&stage->net);
    probe_init(&stage->ended);
}

static bool has_ended(void *arg)
{
    return server_has_ended(((struct stage *)arg)->server);
}

static void close_stage(struct stage *stage)
{
    server_free(stage->server);
    task_forget(stage->net.loop, &stage->ended.task);
    net_stage_close(&stage->net);
}

TEST(a_server_answers_and_drains)
{
    struct talker talker;
    struct stage stage;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    CHECK_EQ(server_worker_count(stage.server), WORKERS);
    CHECK_EQ(server_address_count(stage.server), 1);
    CHECK(server_address(stage.server, 0).port != 0);
    talker_open(&talker, &stage.net, server_address(stage.server, 0), 4096);
    talker_say(&talker, "GET /fixed HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talker, "\r\n\r\nfixed");
    CHECK(!server_is_draining(stage.server));
    server_drain(stage.server);
    server_drain(stage.server); /* once more changes nothing */
    CHECK(server_is_draining(stage.server));
    talker_await(&talker, NULL);
    talker_close(&talker);
    net_stage_until(&stage.net, has_ended, &stage);
    CHECK(stage.ended.runs > 0);
    close_stage(&stage);
}

TEST(a_drain_ends_at_its_limit)
{
    uint64_t start_ns;
    struct talker talker;
    struct stage stage;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    talker_open(&talker, &stage.net, server_address(stage.server, 0), 4096);
    talker_say(&talker, "GET /fixed HTTP/1.1\r\nHo");
    net_stage_for(&stage.net, 20000000);
    start_ns = loop_now_ns(stage.net.loop);
    server_drain(stage.server);
    net_stage_until(&stage.net, has_ended, &stage);
    CHECK(loop_now_ns(stage.net.loop) - start_ns >= 190000000);
    talker_close(&talker);
    close_stage(&stage);
}

TEST(a_cut_server_ends_at_once)
{
    struct talker talker;
    struct stage stage;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    talker_open(&talker, &stage.net, server_address(stage.server, 0), 4096);
    talker_say(&talker, "GET /fixed HTTP/1.1\r\nHo");
    server_cut(stage.server);
    server_cut(stage.server);
    net_stage_until(&stage.net, has_ended, &stage);
    talker_close(&talker);
    close_stage(&stage);
}

/* With SO_REUSEPORT the second one would take half of the first one's connections. */
TEST(two_servers_do_not_share_an_address)
{
    struct stage first, second;
    char text[ADDR_TEXT_BYTES];
    struct addr addr;
    struct str listen;

    open_stage(&first);
    open_stage(&second);
    CHECK(start(&first, "127.0.0.1:0"));
    addr = server_address(first.server, 0);
    listen = arena_copy(test_arena(), addr_format(&addr, text));
    CHECK(!start(&second, listen.data));
    CHECK_EQ(second.err.code, ERROR_ADDRESS_IN_USE);
    CHECK(str_find(str_from(second.err.text), listen) < strlen(second.err.text));
    close_stage(&second);
    server_cut(first.server);
    net_stage_until(&first.net, has_ended, &first);
    close_stage(&first);
}

static void end_at_once(void *arg)
{
    (void)arg;
}

struct worker_scenario {
    struct generation *generation;
    struct hosts *hosts;
};

/* A worker that is built, given a listener and never started. */
static void build_worker(void *arg)
{
    struct worker_scenario *scenario = arg;
    struct addr addr = {.family = ADDR_IPV4, .ip = {127, 0, 0, 1}};
    struct error err = {0};
    struct worker *worker = worker_new(&(struct worker_options){.workers = 1,
                                                                .generation = scenario->generation,
                                                                .hosts = scenario->hosts,
                                                                .access_log = true,
                                                                .ended = end_at_once},
                                       &err);

    CHECK_INT(worker == NULL, err.fault != FAULT_NONE);
    if (worker && !worker_listen(worker, &addr, &(struct listen_options){.backlog = 1}, NULL, &err))
        CHECK(err.fault != FAULT_NONE);
    worker_free(worker);
}

TEST(building_a_worker_bears_having_no_memory)
{
    struct worker_scenario scenario = {.hosts = hosts_new(1)};

    CHECK(scenario.hosts != NULL);
    scenario.generation = build(scenario.hosts, "127.0.0.1:0");
    CHECK(scenario.generation != NULL);
    test_every_allocation_fails(build_worker, &scenario);
    generation_release(scenario.generation);
    hosts_free(scenario.hosts);
}

TEST(workers_are_as_many_as_the_service_wants)
{
    struct service service = {.server.workers = 3};

    CHECK_EQ(server_workers(&service), 3);
    service.server.workers = INT64_C(1) << 32;
    CHECK_EQ(server_workers(&service), WORKERS_MAX);
    service.server.workers = 0;
    CHECK(server_workers(&service) >= 1);
    CHECK(server_workers(&service) <= WORKERS_MAX);
}

/* A reload as the command makes it; the next configuration has another answer. */
static bool change_to(struct stage *stage, const char *listen, unsigned *warnings)
{
    struct arena *arena = arena_new(NULL, SIZE_MAX);
    struct generation *next = NULL;
    struct service *service;
    struct report report;
    struct str text;

    CHECK(arena != NULL);
    report_init(&report, arena);
    text = arena_format(arena,
                        "{\"version\": 3, \"extra_config\": {\"router\": {\"disable_access_log\": true},"
                        "\"holdfast/server\": {\"drain_limit\": \"200ms\", \"listeners\": [{\"listen\": \"%s\"}]}},"
                        "\"endpoints\": [{\"endpoint\": \"/more\", \"extra_config\": {\"holdfast/answer\": "
                        "{\"body\": \"more\"}}}, {\"endpoint\": \"/fixed\","
                        "\"extra_config\": {\"holdfast/answer\": {\"body\": \"changed\"}}}]}",
                        listen);
    service = service_load(arena, &(struct service_sources){.path = "test", .text = text.data}, &report);
    if (service && server_prepare(stage->server, service, &report))
        next = generation_build_next(arena, service, server_hosts(stage->server), server_generation(stage->server),
                                     &report);
    *warnings = report.warnings;
    if (!next) {
        arena_free(arena);
        server_abandon(stage->server);
        return false;
    }
    CHECK(server_succeed(stage->server, next));
    return true;
}

static bool is_alone(void *arg)
{
    return server_reload_facts(((struct stage *)arg)->server)->alive == 1;
}

static void end_stage(struct stage *stage)
{
    server_drain(stage->server);
    net_stage_until(&stage->net, has_ended, stage);
    close_stage(stage);
}

TEST(a_server_changes_to_its_next_generation_and_frees_the_one_before)
{
    struct talker talker;
    struct stage stage;
    unsigned warnings;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    talker_open(&talker, &stage.net, server_address(stage.server, 0), 4096);
    talker_say(&talker, "GET /fixed HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talker, "\r\n\r\nfixed");
    for (unsigned i = 0; i < 3; i++)
        CHECK(change_to(&stage, "127.0.0.1:0", &warnings));
    CHECK_EQ(warnings, 0);
    CHECK_EQ(server_reload_facts(stage.server)->generation, 4);
    net_stage_until(&stage.net, is_alone, &stage);
    talker_say(&talker, "GET /fixed HTTP/1.1\r\nHost: x\r\n\r\n");
    talker_await(&talker, "\r\n\r\nchanged");
    talker_close(&talker);
    end_stage(&stage);
}

TEST(what_workers_have_not_taken_at_the_end_is_freed)
{
    struct stage stage;
    unsigned warnings;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    server_cut(stage.server);
    for (unsigned i = 0; i < 3; i++)
        CHECK(change_to(&stage, "127.0.0.1:0", &warnings));
    net_stage_until(&stage.net, has_ended, &stage);
    close_stage(&stage);
}

TEST(a_generation_that_comes_to_nothing_leaves_the_old_one)
{
    struct stage stage;
    unsigned warnings;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    CHECK(!change_to(&stage, "nonsense", &warnings));
    CHECK_EQ(server_reload_facts(stage.server)->generation, 1);
    CHECK_EQ(server_reload_facts(stage.server)->failed, 1);
    end_stage(&stage);
}

TEST(a_listener_without_a_port_needs_a_restart)
{
    struct stage stage;
    unsigned warnings;

    open_stage(&stage);
    CHECK(start(&stage, "127.0.0.1:0"));
    CHECK(change_to(&stage, "127.0.0.2:0", &warnings));
    CHECK_EQ(warnings, 1);
    CHECK_EQ(server_address_count(stage.server), 1);
    end_stage(&stage);
}
