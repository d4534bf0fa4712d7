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
