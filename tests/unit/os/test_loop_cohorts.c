/* test_loop_cohorts.c: who runs when, where many tasks are woken at once. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "stage.h"

enum { PAIRS = 100 };

/* Each `first` wakes its `second`. */
struct crowd {
    struct stage stage;
    unsigned clock;
    struct pair {
        struct task first, second;
        struct watch watch; /* of first */
        struct crowd *crowd;
        unsigned first_at, second_at; /* when each ran, from 1; 0: it has not */
        bool restless;                /* second goes on for ever */
    } pairs[PAIRS];
};

static void run_first(struct task *task)
{
    struct pair *pair = container_of(task, struct pair, first);

    pair->first_at = ++pair->crowd->clock;
    task_wake(pair->crowd->stage.loop, &pair->second);
}

static void run_second(struct task *task)
{
    struct pair *pair = container_of(task, struct pair, second);

    pair->second_at = ++pair->crowd->clock;
    if (pair->restless)
        task_wake(pair->crowd->stage.loop, &pair->second);
}

static void crowd_open(struct crowd *crowd)
{
    *crowd = (struct crowd){.clock = 0};
    stage_open(&crowd->stage);
    for (size_t i = 0; i < PAIRS; i++) {
        struct pair *pair = &crowd->pairs[i];

        pair->crowd = crowd;
        pair->first.run = run_first;
        pair->second.run = run_second;
        pair->watch = (struct watch){.fd = -1, .task = &pair->first};
    }
}

static void crowd_close(struct crowd *crowd)
{
    for (size_t i = 0; i < PAIRS; i++) {
        task_forget(crowd->stage.loop, &crowd->pairs[i].first);
        task_forget(crowd->stage.loop, &crowd->pairs[i].second);
    }
    stage_close(&crowd->stage);
}

static void wake_pairs(struct crowd *crowd, size_t count)
{
    for (size_t i = 0; i < count; i++)
        task_wake(crowd->stage.loop, &crowd->pairs[i].first);
    stage_turn(&crowd->stage);
}

/* In the order of their wakes, each behind who has woken it, all in one turn. */
static void check_order(const struct crowd *crowd, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK(crowd->pairs[i].first_at > 0);
        CHECK(crowd->pairs[i].second_at > crowd->pairs[i].first_at);
        CHECK(i == 0 || crowd->pairs[i].first_at > crowd->pairs[i - 1].first_at);
        CHECK(i == 0 || crowd->pairs[i].second_at > crowd->pairs[i - 1].second_at);
    }
}

TEST(few_tasks_run_before_all_whom_they_wake)
{
    struct crowd crowd;

    crowd_open(&crowd);
    wake_pairs(&crowd, 20);
    check_order(&crowd, 20);
    CHECK(crowd.pairs[19].first_at < crowd.pairs[0].second_at);
    crowd_close(&crowd);
}

TEST(of_many_tasks_those_whom_the_first_wake_run_before_the_last)
{
    struct crowd crowd;

    crowd_open(&crowd);
    wake_pairs(&crowd, PAIRS);
    check_order(&crowd, PAIRS);
    CHECK(crowd.pairs[1].first_at < crowd.pairs[0].second_at); /* yet not one by one */
    CHECK(crowd.pairs[0].second_at < crowd.pairs[PAIRS - 1].first_at);
    crowd_close(&crowd);
}

TEST(tasks_that_go_on_for_ever_do_not_keep_the_rest_of_a_turn_waiting)
{
    struct crowd crowd;

    crowd_open(&crowd);
    crowd.pairs[0].restless = true;
    wake_pairs(&crowd, PAIRS);
    for (size_t i = 1; i < PAIRS; i++) {
        CHECK(crowd.pairs[i].first_at > 0);
        CHECK(crowd.pairs[i].second_at > 0);
    }
    crowd_close(&crowd);
}

TEST(news_of_all_upstream_connections_comes_before_any_of_whom_they_wake)
{
    struct crowd crowd;

    crowd_open(&crowd);
    for (size_t i = 0; i < PAIRS; i++) {
        crowd.pairs[i].watch.first = true;
        fake_world_ready(&crowd.stage.fake, &crowd.pairs[i].watch);
    }
    stage_turn(&crowd.stage);
    check_order(&crowd, PAIRS);
    CHECK(crowd.pairs[PAIRS - 1].first_at < crowd.pairs[0].second_at);
    crowd_close(&crowd);
}
