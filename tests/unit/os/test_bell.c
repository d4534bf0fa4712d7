/* test_bell.c: seconds, chores, and the bell that tells another thread that a loop has woken.
 * SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/bell.h"
#include "os/thread.h"
#include "stage.h"

#include <sched.h>

#define SECOND UINT64_C(1000000000)

enum { RACES = 20000 };

static void turn_at(struct stage *stage, uint64_t now_ns)
{
    stage->fake.now_ns = now_ns;
    stage_turn(stage);
}

TEST(a_turn_begins_a_second_when_the_last_one_is_over)
{
    static const struct {
        uint64_t at_ns, seconds;
    } turns[] = {{10 * SECOND, 1},     {10 * SECOND + 1, 1}, {11 * SECOND - 1, 1},
                 {11 * SECOND + 5, 2}, {12 * SECOND, 2},     {99 * SECOND, 3}};
    struct stage stage;
    struct chore chore = {0};

    stage_open(&stage);
    chore.task = stage_task(&stage, 'a');
    loop_add_chore(stage.loop, &chore);
    for (size_t i = 0; i < COUNT_OF(turns); i++) {
        test_case_is("%zu", i);
        turn_at(&stage, turns[i].at_ns);
        CHECK_EQ(loop_seconds(stage.loop), turns[i].seconds);
        CHECK_EQ(stage_actor(&stage, 'a')->runs, turns[i].seconds);
    }
    loop_remove_chore(stage.loop, &chore);
    turn_at(&stage, 200 * SECOND);
    CHECK_EQ(stage_actor(&stage, 'a')->runs, 3);
    stage_close(&stage);
}

static void end_second(struct actor *actor)
{
    loop_end_second(actor->stage->loop);
}

TEST(a_second_that_is_ended_is_followed_by_another_at_once)
{
    struct stage stage;

    stage_open(&stage);
    stage_actor(&stage, 'a')->act = end_second;
    turn_at(&stage, 10 * SECOND);
    turn_at(&stage, 10 * SECOND + 1);
    CHECK_EQ(loop_seconds(stage.loop), 1);
    task_wake(stage.loop, stage_task(&stage, 'a'));
    turn_at(&stage, 10 * SECOND + 2);
    CHECK_EQ(loop_seconds(stage.loop), 1);
    turn_at(&stage, 10 * SECOND + 3); /* nothing to run */
    CHECK_EQ(loop_seconds(stage.loop), 1);
    task_wake(stage.loop, stage_task(&stage, 'b'));
    turn_at(&stage, 10 * SECOND + 4);
    CHECK_EQ(loop_seconds(stage.loop), 2);
    task_wake(stage.loop, stage_task(&stage, 'b'));
    turn_at(&stage, 10 * SECOND + 5);
    CHECK_EQ(loop_seconds(stage.loop), 2);
    stage_close(&stage);
}

static void see_awake(struct actor *actor)
{
    CHECK(loop_is_awake(actor->stage->loop));
    CHECK(!loop_has_tasks(actor->stage->loop));
}

TEST(a_loop_is_awake_in_its_turns)
{
    struct stage stage;

    stage_open(&stage);
    CHECK(!loop_is_awake(stage.loop));
    stage_actor(&stage, 'a')->act = see_awake;
    task_wake(stage.loop, stage_task(&stage, 'a'));
    CHECK(loop_has_tasks(stage.loop));
    stage_turn(&stage);
    CHECK_EQ(stage_actor(&stage, 'a')->runs, 1);
    CHECK(!loop_is_awake(stage.loop));
    loop_stir(stage.loop);
    CHECK_EQ(stage.fake.wakes, 1);
    stage_close(&stage);
}

/* The owner's side: a loop of its own, with a mailbox. */
struct owner {
    struct stage stage;
    struct bell bell;
};

static void owner_open(struct owner *owner)
{
    stage_open(&owner->stage);
    owner->bell = (struct bell){.mailbox = mailbox_new(owner->stage.loop, stage_task(&owner->stage, 'a'))};
    CHECK(owner->bell.mailbox != NULL);
}

static void owner_close(struct owner *owner)
{
    mailbox_free(owner->bell.mailbox);
    stage_close(&owner->stage);
}

TEST(a_bell_rings_once_when_a_second_begins)
{
    struct owner owner;
    struct stage worker;

    owner_open(&owner);
    stage_open(&worker);
    loop_set_bell(worker.loop, &owner.bell);
    turn_at(&worker, 10 * SECOND);
    CHECK(mailbox_take(owner.bell.mailbox) == NULL); /* it did not hang */
    bell_hang(&owner.bell);
    turn_at(&worker, 10 * SECOND + 1);
    CHECK(mailbox_take(owner.bell.mailbox) == NULL); /* that began none */
    turn_at(&worker, 11 * SECOND);
    CHECK(mailbox_take(owner.bell.mailbox) == &owner.bell.letter);
    CHECK_EQ(owner.stage.fake.wakes, 1);
    turn_at(&worker, 12 * SECOND);
    CHECK(mailbox_take(owner.bell.mailbox) == NULL);
    bell_hang(&owner.bell);
    turn_at(&worker, 13 * SECOND);
    CHECK(mailbox_take(owner.bell.mailbox) == &owner.bell.letter);
    stage_close(&worker);
    owner_close(&owner);
}

/* One second for each that is asked for. */
struct racer {
    struct stage stage;
    atomic_uint asked, begun;
};

static void race(void *arg)
{
    struct racer *racer = arg;

    for (unsigned i = 1; i <= RACES; i++) {
        while (atomic_load_explicit(&racer->asked, memory_order_relaxed) < i)
            sched_yield();
        turn_at(&racer->stage, racer->stage.fake.now_ns + 2 * SECOND);
        atomic_store(&racer->begun, i);
    }
}

TEST(a_second_that_begins_while_the_bell_is_hung_is_seen_or_heard)
{
    unsigned seen = 0, heard = 0;
    struct owner owner;
    struct racer racer = {.asked = 0};
    struct thread *thread;
    struct error err;

    owner_open(&owner);
    stage_open(&racer.stage);
    loop_set_bell(racer.stage.loop, &owner.bell);
    thread = thread_start("racer", -1, race, &racer, &err);
    CHECK(thread != NULL);
    for (unsigned i = 1; i <= RACES; i++) {
        uint64_t seconds = loop_seconds(racer.stage.loop);
        bool changed;

        atomic_store_explicit(&racer.asked, i, memory_order_relaxed);
        if (!atomic_load_explicit(&owner.bell.hung, memory_order_relaxed))
            bell_hang(&owner.bell);
        changed = loop_seconds(racer.stage.loop) != seconds;
        while (atomic_load(&racer.begun) < i)
            sched_yield();
        seen += changed;
        if (mailbox_take(owner.bell.mailbox))
            heard++;
        else
            CHECK(changed);
    }
    thread_join(thread);
    CHECK(seen + heard >= RACES);
    stage_close(&racer.stage);
    owner_close(&owner);
}
