/* test_loop_timers.c: alarms as the loop fires them; the heap below them is tested in test_timers.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "stage.h"

#include <stdlib.h>

TEST(a_timer_fires_at_its_time_and_only_once)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = stage_timer(&stage, 'a');
    timer_set(stage.loop, timer, 2000);
    CHECK(!timer->fired);
    loop_turn(stage.loop, 1999);
    CHECK_EQ(stage.traced, 0);
    CHECK(!timer->fired);
    CHECK_EQ(loop_now_ns(stage.loop), 1999);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 2000);
    CHECK_TEXT(stage_trace(&stage), "a");
    CHECK(timer->fired);
    CHECK_EQ(timer->at_ns, TIMER_OFF);
    loop_turn(stage.loop, 9000);
    CHECK_EQ(stage.traced, 1);
    CHECK(timer->fired); /* until it is set or cleared */
    timer_clear(stage.loop, timer);
    CHECK(!timer->fired);
    stage_close(&stage);
}

TEST(a_clock_without_limit_is_never_up)
{
    CHECK_EQ(timer_end_ns(1000, 5), 1005);
    CHECK_EQ(timer_end_ns(0, 5), 5);
    CHECK_EQ(timer_end_ns(1000, 0), TIMER_OFF);
    CHECK_EQ(timer_end_ns(UINT64_MAX - 5, 5), TIMER_OFF);
    CHECK_EQ(timer_end_ns(UINT64_MAX - 5, 6), TIMER_OFF); /* beyond all time */
    CHECK_EQ(timer_end_ns(2, UINT64_MAX), TIMER_OFF);
}

TEST(timers_fire_in_the_order_of_their_times)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, stage_timer(&stage, 'a'), 1300);
    timer_set(stage.loop, stage_timer(&stage, 'b'), 1100);
    timer_set(stage.loop, stage_timer(&stage, 'c'), 1200);
    stage.fake.now_ns = 1250;
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "bc");
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_TEXT(stage_trace(&stage), "bca");
    stage_close(&stage);
}

TEST(readiness_runs_before_timers_of_the_same_turn)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, stage_timer(&stage, 'a'), 500);
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'b')->watch);
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "ba");
    stage_close(&stage);
}

TEST(setting_a_timer_later_does_not_touch_the_heap)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = stage_timer(&stage, 'a');
    timer_set(stage.loop, timer, 2000);
    timer_set(stage.loop, timer, 3000);
    timer_set(stage.loop, timer, 5000);
    CHECK_EQ(timer->queued_ns, 2000);
    loop_turn(stage.loop, UINT64_MAX); /* its old time comes up: put right, nothing runs */
    CHECK_EQ(stage.fake.now_ns, 2000);
    CHECK_EQ(stage.traced, 0);
    CHECK_EQ(timer->queued_ns, 5000);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.now_ns, 5000);
    CHECK_TEXT(stage_trace(&stage), "a");
    stage_close(&stage);
}

TEST(a_timer_set_earlier_fires_earlier)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, stage_timer(&stage, 'a'), 9000);
    timer_set(stage.loop, stage_timer(&stage, 'b'), 3000);
    timer_set(stage.loop, stage_timer(&stage, 'a'), 2000);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.now_ns, 2000);
    CHECK_TEXT(stage_trace(&stage), "a");
    stage_close(&stage);
}

TEST(a_cleared_timer_does_not_fire)
{
    struct stage stage;

    stage_open(&stage);
    timer_set(stage.loop, stage_timer(&stage, 'a'), 2000);
    timer_set(stage.loop, stage_timer(&stage, 'b'), 3000);
    timer_clear(stage.loop, stage_timer(&stage, 'a'));
    timer_clear(stage.loop, stage_timer(&stage, 'c')); /* never set: fine */
    CHECK_EQ(stage_timer(&stage, 'a')->at_ns, TIMER_OFF);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 3000);
    CHECK_TEXT(stage_trace(&stage), "b");
    stage_close(&stage);
}

TEST(a_timer_that_is_set_off_does_not_fire_and_can_be_set_again)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = stage_timer(&stage, 'a');
    timer_set(stage.loop, timer, TIMER_OFF); /* while it is not in the heap */
    CHECK_EQ(timer->slot, 0);
    timer_set(stage.loop, timer, 2000);
    timer_set(stage.loop, timer, TIMER_OFF);
    loop_turn(stage.loop, 2500);
    CHECK_EQ(stage.traced, 0);
    CHECK(!timer->fired);
    timer_set(stage.loop, timer, 4000);
    loop_turn(stage.loop, 2600); /* the rest of its old place, if any, goes */
    CHECK_EQ(stage.traced, 0);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.now_ns, 4000);
    CHECK_TEXT(stage_trace(&stage), "a");
    stage_close(&stage);
}

TEST(setting_a_timer_again_takes_back_that_it_has_fired)
{
    struct stage stage;
    struct timer *timer;

    stage_open(&stage);
    timer = stage_timer(&stage, 'a');
    timer_set(stage.loop, timer, 2000);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK(timer->fired);
    timer_set(stage.loop, timer, 3000);
    CHECK(!timer->fired);
    loop_turn(stage.loop, UINT64_MAX);
    CHECK(timer->fired);
    CHECK_TEXT(stage_trace(&stage), "aa");
    stage_close(&stage);
}

TEST(a_timer_without_memory_fires_at_once_rather_than_never)
{
    enum { MANY = 1024 };
    struct timer *timers = calloc(MANY, sizeof(*timers));
    struct stage stage;
    size_t early = 0;

    CHECK(timers != NULL);
    stage_open(&stage);
    test_fail_allocation(1);
    for (size_t i = 0; i < MANY; i++) {
        timers[i].task = stage_task(&stage, 'a');
        timer_set(stage.loop, &timers[i], 2000);
        early += timers[i].fired;
    }
    test_fail_allocation(0);
    CHECK_EQ(early, 1);
    stage_turn(&stage);
    CHECK_TEXT(stage_trace(&stage), "a");
    for (size_t i = 0; i < MANY; i++)
        timer_clear(stage.loop, &timers[i]);
    stage_close(&stage);
    free(timers);
}
