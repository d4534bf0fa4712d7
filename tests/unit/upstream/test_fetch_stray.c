/* test_fetch_stray.c: when the kernel is asked whether an answer can be one. What it says then is played through in the
 * simulation (sim/scenario_strays.c). SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "harness/test.h"

enum { US = 1000, MS = 1000000 };

static struct tcp_facts told;
static unsigned asked;

static bool tell(struct world *world, int fd, struct tcp_facts *facts)
{
    (void)world;
    (void)fd;
    asked++;
    *facts = told;
    return true;
}

static const struct {
    uint64_t rtt_ns, rtt_least_ns;
    bool looks;
} rows[] = {
    {1000 * MS, 1 * MS, true},    {1000 * MS, 0, true}, {1000 * MS, 500 * US, true},
    {1000 * MS, 499 * US, false}, {499 * US, 0, false},
};

/* A host that takes long to acknowledge is not far away: an answer of its own that comes soon is believed as it is. */
TEST(an_answer_that_comes_soon_is_doubted_on_long_ways_only)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fetch_stage stage;
        struct world_ops ops;

        test_case_is("row %zu", i);
        fetch_stage_open(&stage);
        ops = *stage.net.world->ops;
        ops.facts = tell;
        stage.net.world->ops = &ops;
        told = (struct tcp_facts){.rtt_ns = rows[i].rtt_ns, .rtt_least_ns = rows[i].rtt_least_ns};
        keep_one(&stage);
        asked = 0;
        ask(&stage, "GET", 0);
        origin_hears(&stage, "\r\n\r\n");
        origin_says(&stage, "HTTP/1.1 204 No Content\r\n\r\n");
        CHECK_EQ(await_head(&stage), IO_OK);
        CHECK(fetch_stats(stage.fetch)->reused);
        CHECK_EQ(asked, rows[i].looks ? 1 : 0);
        end(&stage);
        fetch_stage_close(&stage);
    }
}
