/* test_handoff_dial.c: dials that lose their race with a connection that becomes idle.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fetch_stage.h"
#include "harness/test.h"
#include "upstream/handoff.h"

/* A request that dials takes what becomes idle first; its dial is kept for the next one. */
TEST(a_dial_that_loses_its_race_is_kept_warm)
{
    struct fetch_stage stage;
    struct pooled *pooled;
    enum io io;

    fetch_stage_open(&stage);
    keep_one(&stage);
    pooled = pool_take(stage.pool, stage.host, &stage.transport, true);
    CHECK(pooled != NULL);
    ask(&stage, "GET", 0);
    CHECK_EQ(totals_of(&stage).dialing, 1);
    pool_return(pooled, &stage.transport);
    drive(&stage);
    CHECK_EQ(totals_of(&stage).warming, 1);
    origin_hears(&stage, "\r\n\r\n"); /* on the connection of before */
    origin_says(&stage, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    CHECK_EQ(await_head(&stage), IO_OK);
    CHECK(fetch_stats(stage.fetch)->reused);
    CHECK_TEXT(await_body(&stage, &io), "ok");
    end(&stage);
    CHECK_EQ(totals_of(&stage).warming, 0);
    CHECK_EQ(totals_of(&stage).dialing, 0);
    CHECK_EQ(totals_of(&stage).idle, 2);
    CHECK_EQ(totals_of(&stage).requests_new, 1);
    /* The old one is busy: the next request has the warm one, which counts as reused. */
    pooled = pool_take(stage.pool, stage.host, &stage.transport, true);
    reuse_one(&stage);
    CHECK_EQ(totals_of(&stage).requests_warm, 1);
    CHECK_EQ(totals_of(&stage).requests_new, 1);
    pool_return(pooled, &stage.transport);
    fetch_stage_close(&stage);
}

/* What its request got instead came from another worker: the request counts once. */
TEST(a_dial_that_nobody_waits_for_is_no_demand)
{
    struct fetch_stage stage;
    struct host_counts *counts;
    struct pooled *pooled;

    fetch_stage_open(&stage);
    keep_one(&stage);
    counts = pool_counts(stage.pool, stage.host);
    pooled = pool_take(stage.pool, stage.host, &stage.transport, true);
    ask(&stage, "GET", 0);
    CHECK_EQ(totals_of(&stage).dialing, 1);
    host_count_add(&counts->active, 1); /* as if it had stayed in use, and the idle one were another */
    pool_return(pooled, &stage.transport);
    drive(&stage);
    CHECK_EQ(totals_of(&stage).warming, 1);
    CHECK_EQ(atomic_load(&stage.host->demand.peak), 2);
    host_count_add(&counts->active, -1);
    origin_hears(&stage, "\r\n\r\n");
    end(&stage);
    fetch_stage_close(&stage);
}
