/* test_tls_refresh.c: when the TLS of listeners is looked at, while the process works and while it rests.
 * SPDX-License-Identifier: Apache-2.0 */
#include "../os/fake_world.h"
#include "app/tls_refresh.h"
#include "harness/test.h"

#define SECOND UINT64_C(1000000000)
#define HOUR   (3600 * SECOND)

struct refresh_stage {
    struct fake_world fake;
    struct loop *loop;
    struct tls_server_tuning tuning;
    struct report report;
    struct secured secured;
    struct tls_refresh refresh;
};

static void open_stage(struct refresh_stage *stage)
{
    *stage = (struct refresh_stage){
        .tuning = {.session_tickets = true, .ticket_rotation_ns = (int64_t)HOUR, .reload_interval_ns = 5 * SECOND},
        .secured.refresh_ns = 5 * SECOND,
    };
    fake_world_init(&stage->fake);
    stage->fake.now_ns = 100 * SECOND;
    stage->loop = loop_new(&stage->fake.world);
    CHECK(stage->loop != NULL);
    report_init(&stage->report, test_arena());
    stage->secured.shared = tls_shared_new(&stage->tuning, &stage->report);
    CHECK(stage->secured.shared != NULL);
    tls_refresh_start(&stage->refresh, stage->loop, &stage->secured);
}

static void close_stage(struct refresh_stage *stage)
{
    tls_refresh_stop(&stage->refresh);
    secured_end(&stage->secured);
    loop_free(stage->loop);
}

static bool looks_after(struct refresh_stage *stage, uint64_t passed_ns)
{
    uint64_t before_ns = stage->refresh.looked_ns;

    stage->fake.now_ns += passed_ns;
    loop_turn(stage->loop, 0);
    return stage->refresh.looked_ns != before_ns;
}

TEST(files_of_a_gateway_that_works_are_looked_at_by_the_clock)
{
    struct refresh_stage stage;

    open_stage(&stage);
    for (int i = 0; i < 3; i++) {
        CHECK(!looks_after(&stage, 5 * SECOND - 1));
        CHECK(looks_after(&stage, 1));
    }
    close_stage(&stage);
}

TEST(only_ticket_keys_go_on_at_rest)
{
    struct refresh_stage stage;
    struct tls_shared_facts facts;

    open_stage(&stage);
    tls_refresh_rest(&stage.refresh, true);
    CHECK(!looks_after(&stage, HOUR - 1));
    CHECK(looks_after(&stage, 1));
    tls_shared_facts(stage.secured.shared, &facts);
    CHECK_EQ(facts.ticket_rotations, 2); /* the first was made at the start */
    CHECK(!looks_after(&stage, HOUR - 1));
    tls_refresh_rest(&stage.refresh, false);
    CHECK(looks_after(&stage, 0)); /* long due */
    CHECK(!looks_after(&stage, 2 * SECOND));
    tls_refresh_rest(&stage.refresh, true);
    tls_refresh_rest(&stage.refresh, false);
    CHECK(looks_after(&stage, 3 * SECOND));
    close_stage(&stage);
}

TEST(a_gateway_without_tls_has_nothing_to_look_at)
{
    struct refresh_stage stage;

    open_stage(&stage);
    tls_refresh_stop(&stage.refresh);
    stage.refresh = (struct tls_refresh){0};
    tls_refresh_rest(&stage.refresh, true);
    CHECK(!looks_after(&stage, HOUR));
    close_stage(&stage);
}
