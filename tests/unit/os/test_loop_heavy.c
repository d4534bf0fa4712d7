/* test_loop_heavy.c: heavy steps: behind all else, in line, a share of each turn. SPDX-License-Identifier: Apache-2.0
 */
#include "harness/test.h"
#include "stage.h"

#define STEP_NS UINT64_C(350000) /* two are a short turn's share */

static bool ask(struct actor *actor)
{
    return loop_may_be_heavy(actor->stage->loop, &actor->task, false);
}

static void step(struct actor *actor)
{
    if (ask(actor))
        actor->stage->fake.now_ns += STEP_NS;
}

static void step_again(struct actor *actor)
{
    if (loop_may_be_heavy(actor->stage->loop, &actor->task, true))
        actor->stage->fake.now_ns += STEP_NS;
}

static void wake_all(struct stage *stage, const char *names, void (*act)(struct actor *actor))
{
    for (; *names; names++) {
        stage_actor(stage, *names)->act = act;
        task_wake(stage->loop, stage_task(stage, *names));
    }
}

TEST(heavy_steps_are_taken_behind_all_else_in_the_order_in_which_they_were_asked_for)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "ba", step);
    wake_all(&stage, "cd", NULL);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("bacdba"));
    stage_close(&stage);
}

TEST(a_crowd_that_wants_heavy_steps_gets_a_share_of_each_turn_and_the_others_go_on_between)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "abcde", step);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdeab"));

    fake_world_ready(&stage.fake, &stage_actor(&stage, 'f')->watch);
    CHECK(loop_has_tasks(stage.loop));
    loop_turn(stage.loop, UINT64_MAX);
    CHECK_EQ(stage.fake.until_ns, 0); /* some stand in line, so it does not sleep */
    CHECK_STR(stage_trace(&stage), STR("abcdeabfcd"));
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdeabfcde"));
    CHECK(!loop_has_tasks(stage.loop));
    stage_close(&stage);
}

static void toil(struct actor *actor)
{
    actor->stage->fake.now_ns += 24 * STEP_NS;
}

TEST(in_a_long_turn_heavy_steps_have_a_quarter_of_what_the_others_took)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "abcdefg", step);
    wake_all(&stage, "h", toil);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdefghabcdef"));
    stage_close(&stage);
}

TEST(whose_work_has_begun_and_who_has_not_take_turns)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "abc", step);
    wake_all(&stage, "de", step_again);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdeda"));
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdedaeb"));
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdedaebc"));
    stage_close(&stage);
}

static void step_for_ever(struct actor *actor)
{
    step_again(actor);
    task_wake(actor->stage->loop, &actor->task);
}

TEST(who_has_not_begun_is_not_kept_waiting_by_those_whose_work_never_ends)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "abcd", step_for_ever);
    wake_all(&stage, "ef", step);
    for (unsigned turns = 0; turns < 3; turns++)
        stage_turn(&stage);
    CHECK_EQ(stage_actor(&stage, 'e')->runs, 2);
    CHECK_EQ(stage_actor(&stage, 'f')->runs, 2);
    stage_close(&stage);
}

TEST(neither_news_nor_asking_again_moves_who_stands_in_line)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "abcd", step);
    stage_turn(&stage);
    task_wake(stage.loop, stage_task(&stage, 'd'));
    CHECK(!ask(stage_actor(&stage, 'c')));
    fake_world_ready(&stage.fake, &stage_actor(&stage, 'd')->watch);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdabcd"));
    CHECK(!loop_has_tasks(stage.loop));
    stage_close(&stage);
}

TEST(who_is_forgotten_in_line_is_passed_over)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "abcd", step);
    stage_turn(&stage);
    task_forget(stage.loop, stage_task(&stage, 'c'));
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdabd"));
    stage_close(&stage);
}

static void ask_twice(struct actor *actor)
{
    if (ask(actor))
        CHECK(!ask(actor));
}

static void ask_for_another(struct actor *actor)
{
    if (ask(actor))
        CHECK(!loop_may_be_heavy(actor->stage->loop, stage_task(actor->stage, 'b'), false));
}

TEST(a_place_in_line_is_good_for_one_step_of_its_own)
{
    struct stage stage;

    stage_open(&stage);
    wake_all(&stage, "a", ask_twice);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("aa"));
    CHECK(loop_has_tasks(stage.loop)); /* it stands in line again */
    task_forget(stage.loop, stage_task(&stage, 'a'));

    wake_all(&stage, "a", ask_for_another);
    stage_turn(&stage);
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("aaaab"));
    stage_close(&stage);
}

TEST(steps_that_take_no_time_are_all_taken_in_one_turn)
{
    struct stage stage;

    stage_open(&stage);
    for (const char *name = "abcdefgh"; *name; name++)
        (void)!ask(stage_actor(&stage, *name));
    stage_turn(&stage);
    CHECK_STR(stage_trace(&stage), STR("abcdefgh"));
    stage_close(&stage);
}
