/* test_front_limits.c: limits that are settings, felt by whole requests in the simulator. The numbers at their edges
 * stand in the tests of what keeps them. SPDX-License-Identifier: Apache-2.0 */
#include "front_stage.h"
#include "harness/test.h"

#define GET_ROOT "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/* A backend with two hosts, at whose machines nobody listens. */
struct hosts_stage {
    struct front_stage front;
    struct addr addr;
    struct loop *loops[2];
};

static void hosts_open(struct hosts_stage *stage, const char *upstream)
{
    struct front_settings settings = {.root = "\"timeout\": \"60s\", "};

    settings.endpoints = arena_format(test_arena(),
                                      "{\"endpoint\": \"/\", \"output_encoding\": \"no-op\", \"backend\": [{\"host\": "
                                      "[\"http://one\", \"http://two\"], \"encoding\": \"no-op\", \"extra_config\": "
                                      "{\"holdfast/upstream\": {%s}}}]}",
                                      upstream)
                             .data;
    front_open(&stage->front, &settings);
    stage->loops[0] = sim_loop_new(stage->front.sim, "one");
    stage->loops[1] = sim_loop_new(stage->front.sim, "two");
    stage->addr = front_listen(&stage->front, 8080);
}

static void hosts_close(struct hosts_stage *stage)
{
    for (size_t i = 0; i < COUNT_OF(stage->loops); i++)
        sim_loop_free(stage->front.sim, stage->loops[i]);
    front_close(&stage->front);
}

static const struct health *health_of(const struct hosts_stage *stage, uint32_t i)
{
    return &hosts_at(stage->front.hosts, i)->health;
}

static void ask_once(struct hosts_stage *stage)
{
    struct caller caller;

    caller_open(&caller, &stage->front, stage->addr);
    caller_say(&caller, GET_ROOT);
    front_run(&stage->front, 100 * SIM_MS);
    caller_close(&caller);
    front_run(&stage->front, 100 * SIM_MS);
}

static const struct {
    const char *upstream;
    uint64_t rest_ms, probe_ms;
} rests[] = {
    {"\"eject_after\": 1", 1000, 5000},
    {"\"eject_after\": 1, \"base_ejection_time\": \"7s\"", 7000, 5000},
    {"\"eject_after\": 1, \"max_ejection_time\": \"300ms\"", 300, 5000},
    {"\"eject_after\": 1, \"ejection_probe_timeout\": \"3h\"", 1000, 10800000},
};

/* Refused at first, so that both rest; when their rests are over, connections are never answered. */
TEST(hosts_rest_and_are_tried_for_as_long_as_the_backend_says)
{
    for (size_t i = 0; i < COUNT_OF(rests); i++) {
        struct hosts_stage stage;
        const struct health *health;
        struct caller caller;
        uint64_t rest_ns, left_ns;

        test_case_is("%s", rests[i].upstream);
        hosts_open(&stage, rests[i].upstream);
        ask_once(&stage);
        for (uint32_t host = 0; host < 2; host++) {
            health = health_of(&stage, host);
            rest_ns = health->rest_until_ns - health->rest_began_ns;
            CHECK_EQ(health->ejections, 1);
            CHECK(rest_ns == rests[i].rest_ms * SIM_MS || rest_ns == rests[i].rest_ms * SIM_MS - 1);
        }
        sim_fault(stage.front.sim, NULL, SIM_FAULT_BLACK_HOLE, 1000000);
        sim_fault(stage.front.sim, "gateway", SIM_FAULT_BLACK_HOLE, 0);
        sim_pass(stage.front.sim, rests[i].rest_ms * SIM_MS);
        caller_open(&caller, &stage.front, stage.addr);
        caller_say(&caller, GET_ROOT);
        front_run(&stage.front, 100 * SIM_MS);
        health = health_of(&stage, eject_state(health_of(&stage, 0)) == HEALTH_PROBED ? 0 : 1);
        CHECK_EQ(eject_state(health), HEALTH_PROBED);
        left_ns = health->rest_until_ns - loop_now_ns(stage.front.loop);
        caller_close(&caller);
        CHECK(left_ns <= rests[i].probe_ms * SIM_MS && left_ns + 500 * SIM_MS > rests[i].probe_ms * SIM_MS);
        hosts_close(&stage);
    }
}

/* A body that is given back as it came. */
static unsigned status_of_echo(const char *server, size_t bytes)
{
    struct front_settings settings = {.server = server};
    char *body = arena_zero(test_arena(), bytes + 1);
    struct front_stage stage;
    struct caller caller;
    unsigned status = 0;

    CHECK(body != NULL);
    memset(body, 'x', bytes);
    front_open(&stage, &settings);
    caller_open(&caller, &stage, front_listen(&stage, 8080));
    caller_say(
        &caller,
        arena_format(test_arena(), "POST /__echo/ HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", 2 * bytes).data);
    for (int i = 0; i < 2; i++) {
        caller_say(&caller, body);
        front_run(&stage, 50 * SIM_MS);
    }
    if (caller_has_heard(&caller, "HTTP/1.1 200 "))
        status = 200;
    else if (caller_has_heard(&caller, "HTTP/1.1 500 "))
        status = 500;
    caller_close(&caller);
    front_run(&stage, 50 * SIM_MS);
    CHECK_EQ(slab_out(loop_pages(stage.loop)), 0);
    front_close(&stage);
    return status;
}

TEST(a_request_has_as_much_memory_as_is_set)
{
    CHECK_INT(status_of_echo("", 50000), 200);
    CHECK_INT(status_of_echo("\"max_request_memory\": \"1MiB\"", 50000), 200);
    CHECK_INT(status_of_echo("\"max_request_memory\": \"64KiB\"", 1000), 200);
    CHECK_INT(status_of_echo("\"max_request_memory\": \"64KiB\"", 50000), 500);
}

/* Somebody connects and says nothing. */
static const struct {
    const char *root, *server;
    uint64_t limit_ms;
} headers[] = {
    {"", "", 10000},
    {"\"read_header_timeout\": \"60s\", ", "", 10000},
    {"\"read_header_timeout\": \"60s\", ", "\"proxy_protocol_timeout\": \"45s\"", 45000},
    {"", "\"proxy_protocol_timeout\": \"20ms\"", 20},
    {"\"read_header_timeout\": \"3s\", ", "", 3000},
    {"\"read_header_timeout\": \"3s\", ", "\"proxy_protocol_timeout\": \"2s\"", 2000},
};

TEST(a_proxy_header_is_awaited_for_as_long_as_is_set)
{
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct front_settings settings = {.root = headers[i].root, .server = headers[i].server};
        struct door_options door = {.proxy_protocol = PROXY_REQUIRE};
        struct front_stage stage;
        struct caller caller;
        struct addr addr;
        struct error err;

        test_case_is("%s%s", headers[i].root, headers[i].server);
        front_open(&stage, &settings);
        addr = sim_addr(stage.sim, "gateway", 8080);
        CHECK(frontend_listen(stage.frontend, &addr, &(struct listen_options){.backlog = 64}, &door, &err));
        caller_open(&caller, &stage, addr);
        CHECK_EQ(stage.frontend->greetings.count, 1);
        front_run(&stage, (headers[i].limit_ms - 5) * SIM_MS);
        CHECK_EQ(stage.frontend->greetings.count, 1);
        front_run(&stage, 10 * SIM_MS);
        CHECK_EQ(stage.frontend->greetings.count, 0);
        caller_close(&caller);
        front_close(&stage);
    }
}

static const struct {
    const char *server;
    uint64_t limit_ms;
} lingers[] = {{"", 2000}, {"\"lingering_timeout\": \"9s\"", 9000}, {"\"lingering_timeout\": \"50ms\"", 50}};

TEST(what_comes_behind_the_last_answer_is_read_for_as_long_as_is_set)
{
    for (size_t i = 0; i < COUNT_OF(lingers); i++) {
        struct front_settings settings = {.server = lingers[i].server};
        struct front_stage stage;
        struct caller caller;

        test_case_is("%s", lingers[i].server);
        front_open(&stage, &settings);
        caller_open(&caller, &stage, front_listen(&stage, 8080));
        caller_say(&caller, "GET /__health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        front_run(&stage, 10 * SIM_MS);
        CHECK(caller_is_left(&caller));
        CHECK_EQ(stage.frontend->clients.count, 1);
        front_run(&stage, (lingers[i].limit_ms - 30) * SIM_MS);
        CHECK_EQ(stage.frontend->clients.count, 1);
        front_run(&stage, 40 * SIM_MS);
        CHECK_EQ(stage.frontend->clients.count, 0);
        caller_close(&caller);
        front_close(&stage);
    }
}

static const struct {
    const char *upstream;
    unsigned connects;
} failovers[] = {
    {"\"eject_after\": 0", 9},
    {"\"eject_after\": 0, \"max_failovers\": 1", 2},
    {"\"eject_after\": 0, \"max_failovers\": 5", 6},
    {"\"eject_after\": 0, \"failover\": \"off\"", 1},
};

/* Ten hosts, none of which listens. */
TEST(a_request_goes_to_as_many_hosts_as_is_set)
{
    for (size_t i = 0; i < COUNT_OF(failovers); i++) {
        struct front_settings settings = {.root = "\"timeout\": \"60s\", "};
        struct front_stage stage;
        struct caller caller;

        test_case_is("%s", failovers[i].upstream);
        settings.endpoints =
            arena_format(test_arena(),
                         "{\"endpoint\": \"/\", \"output_encoding\": \"no-op\", \"backend\": [{\"host\": "
                         "[\"http://10.0.0.1:81\", \"http://10.0.0.1:82\", \"http://10.0.0.1:83\", "
                         "\"http://10.0.0.1:84\", \"http://10.0.0.1:85\", \"http://10.0.0.1:86\", "
                         "\"http://10.0.0.1:87\", \"http://10.0.0.1:88\", \"http://10.0.0.1:89\", "
                         "\"http://10.0.0.1:90\"], \"encoding\": \"no-op\", \"extra_config\": "
                         "{\"holdfast/upstream\": {%s}}}]}",
                         failovers[i].upstream)
                .data;
        front_open(&stage, &settings);
        caller_open(&caller, &stage, front_listen(&stage, 8080));
        caller_say(&caller, GET_ROOT);
        front_run(&stage, 500 * SIM_MS);
        CHECK(caller_has_heard(&caller, "HTTP/1.1 500 "));
        CHECK_EQ(sim_connects(stage.sim, "gateway"), failovers[i].connects);
        caller_close(&caller);
        front_close(&stage);
    }
}
