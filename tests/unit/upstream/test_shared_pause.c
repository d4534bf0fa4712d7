/* test_shared_pause.c: hosts that take no requests on a connection for now (SETTINGS_MAX_CONCURRENT_STREAMS of 0): it
 * stays, nobody is given it, and who waits hears of the end of that. SPDX-License-Identifier: Apache-2.0 */
#include "shared_stage.h"
#include "upstream/pool_internal.h"

static const struct shared_pick any;

static void run_nothing(struct task *task)
{
    (void)task;
}

struct counter {
    struct task task;
    unsigned runs;
};

static void run_counter(struct task *task)
{
    container_of(task, struct counter, task)->runs++;
}

/* RFC 9113 6.5.2: none is for a while only. */
TEST(a_host_that_takes_none_for_now_keeps_its_connection)
{
    struct gate_waiter waiter = {0};
    struct task task = {.run = run_nothing};
    struct http_stream *stream;
    struct pooled *pooled;
    struct shared_stage stage;

    stage_open(&stage);
    waiter.task = &task;
    pooled = stage_dialed(&stage);
    far_allow(&stage, 0, 10);
    stream = stage_begin(pooled);
    CHECK(!pool_is_paused(stage.pool, stage.host));
    far_allow(&stage, 0, 0); /* while a stream is open, which goes on */
    CHECK(pool_is_paused(stage.pool, stage.host));
    CHECK(pool_pauses(pooled));
    CHECK(stage_join(&stage, &any) == NULL);
    CHECK(gate_wait(pool_gate(stage.pool), stage.host, &waiter));
    stage.transport.idle_policy = IDLE_FIXED; /* who waits for it keeps it */
    stage.transport.idle_limit_ns = 1000000;
    stage_give_back(&stage, pooled, stream);
    CHECK_EQ(stage_totals(&stage).idle, 1);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == NULL);
    CHECK(pool_take_any(stage.pool, stage.host, &stage.transport) == NULL);
    CHECK_EQ(stage_totals(&stage).idle, 1);
    gate_quit(pool_gate(stage.pool), stage.host, &waiter);
    CHECK(pool_expires_ns(pooled) < loop_now_ns(stage.loop) + 500000000);
    task_forget(stage.loop, &task);
    pooled->idle_limit_ms = POOLED_NEVER;
    stage.transport.idle_policy = IDLE_NEVER;
    far_allow(&stage, 0, 3);
    CHECK(!pool_is_paused(stage.pool, stage.host));
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == pooled);
    stage_give_back(&stage, pooled, stage_begin(pooled));
    stage_close(&stage);
}

TEST(who_waits_for_a_paused_host_is_woken)
{
    struct gate_waiter waiter = {0};
    struct counter counter = {.task = {.run = run_counter}};
    struct pooled *pooled;
    struct shared_stage stage;

    for (int end = 0; end < 3; end++) {
        test_case_is("end %d", end);
        stage_open(&stage);
        waiter = (struct gate_waiter){.task = &counter.task};
        pooled = stage_dialed(&stage);
        far_allow(&stage, 0, 10);
        stage_give_back(&stage, pooled, stage_begin(pooled));
        far_allow(&stage, 0, 0);
        CHECK(gate_wait(pool_gate(stage.pool), stage.host, &waiter));
        stage_turns(&stage);
        counter.runs = 0;
        if (end == 0)
            far_allow(&stage, 0, 1);
        else if (end == 1)
            far_go_away(&stage, 0);
        else
            pool_flush(stage.pool);
        stage_turns(&stage);
        CHECK(counter.runs > 0);
        CHECK(!pool_is_paused(stage.pool, stage.host));
        CHECK_EQ(stage_totals(&stage).idle, end == 0);
        gate_quit(pool_gate(stage.pool), stage.host, &waiter);
        task_forget(stage.loop, &counter.task);
        stage_close(&stage);
    }
}

TEST(a_paused_connection_hides_no_other)
{
    struct pooled *paused, *good;
    struct shared_stage stage;

    stage_open(&stage);
    good = stage_dialed(&stage);
    paused = stage_dialed(&stage);
    far_allow(&stage, 0, 10);
    far_allow(&stage, 1, 0);
    pool_return(good, &stage.transport);
    pool_return(paused, &stage.transport);
    stage_turns(&stage);
    CHECK_EQ(stage_totals(&stage).idle, 2);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == good);
    CHECK(pool_take(stage.pool, stage.host, &stage.transport, true) == NULL);
    pool_return(good, &stage.transport);
    stage_close(&stage);
}
