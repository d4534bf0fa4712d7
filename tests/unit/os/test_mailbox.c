/* test_mailbox.c: letters from one thread and from many. SPDX-License-Identifier: Apache-2.0 */
#include "fake_world.h"
#include "harness/test.h"
#include "os/mailbox.h"
#include "os/thread.h"

#include <sched.h>
#include <stdlib.h>

enum { POSTERS = 4, LETTERS = 20000 };

struct owner {
    struct task task;
    struct loop *loop;
    struct mailbox *mailbox;
    unsigned runs;
    size_t received;
    int expected[POSTERS]; /* the next number of each poster */
    bool in_order;
};

static void count_run(struct task *task)
{
    container_of(task, struct owner, task)->runs++;
}

TEST(letters_come_out_oldest_first_behind_one_wake)
{
    struct fake_world fake;
    struct owner owner = {.task.run = count_run};
    struct letter letters[3] = {{.kind = 1}, {.kind = 2}, {.kind = 3}};
    struct letter *letter;

    fake_world_init(&fake);
    owner.loop = loop_new(&fake.world);
    owner.mailbox = mailbox_new(owner.loop, &owner.task);
    CHECK(owner.mailbox && mailbox_take(owner.mailbox) == NULL);
    for (size_t i = 0; i < COUNT_OF(letters); i++)
        mailbox_post(owner.mailbox, &letters[i]);
    CHECK_EQ(fake.wakes, 1);
    loop_turn(owner.loop, UINT64_MAX);
    CHECK_EQ(owner.runs, 1);

    letter = mailbox_take(owner.mailbox);
    for (int kind = 1; kind <= 3; kind++, letter = letter->next) {
        CHECK(letter != NULL);
        CHECK_INT(letter->kind, kind);
    }
    CHECK(letter == NULL);
    CHECK(mailbox_take(owner.mailbox) == NULL);

    loop_turn(owner.loop, 0);
    CHECK_EQ(owner.runs, 1); /* an empty box wakes nobody */
    mailbox_post(owner.mailbox, &letters[1]);
    CHECK_EQ(fake.wakes, 2); /* emptied, so the next letter wakes again */
    loop_turn(owner.loop, 0);
    CHECK_EQ(owner.runs, 2);
    mailbox_free(owner.mailbox);
    loop_free(owner.loop);
}

TEST(a_mailbox_without_memory_is_none)
{
    struct fake_world fake;
    struct owner owner = {.task.run = count_run};
    struct loop *loop;

    fake_world_init(&fake);
    loop = loop_new(&fake.world);
    CHECK(loop != NULL);
    test_fail_allocation(1);
    owner.mailbox = mailbox_new(loop, &owner.task);
    test_fail_allocation(0);
    CHECK(owner.mailbox == NULL);
    loop_free(loop);
}

TEST(only_the_owner_of_a_box_with_letters_is_woken)
{
    struct fake_world fake;
    struct owner owners[3] = {{.task.run = count_run}, {.task.run = count_run}, {.task.run = count_run}};
    struct letter letter = {.kind = 1};
    struct loop *loop;

    fake_world_init(&fake);
    loop = loop_new(&fake.world);
    for (size_t i = 0; i < COUNT_OF(owners); i++)
        owners[i].mailbox = mailbox_new(loop, &owners[i].task);
    mailbox_post(owners[1].mailbox, &letter);
    loop_turn(loop, 0);
    CHECK_EQ(owners[0].runs, 0);
    CHECK_EQ(owners[1].runs, 1);
    CHECK_EQ(owners[2].runs, 0);
    for (size_t i = 0; i < COUNT_OF(owners); i++)
        mailbox_free(owners[i].mailbox);
    mailbox_free(NULL);
    loop_free(loop);
}

struct poster {
    struct mailbox *mailbox;
    struct letter *letters; /* kind: poster * LETTERS + number */
};

static void post_all(void *arg)
{
    struct poster *poster = arg;

    for (int i = 0; i < LETTERS; i++)
        mailbox_post(poster->mailbox, &poster->letters[i]);
}

static void receive(struct task *task)
{
    struct owner *owner = container_of(task, struct owner, task);

    for (struct letter *letter = mailbox_take(owner->mailbox); letter; letter = letter->next) {
        int poster = letter->kind / LETTERS;

        if (letter->kind % LETTERS != owner->expected[poster]++)
            owner->in_order = false;
        owner->received++;
    }
    if (owner->received == (size_t)POSTERS * LETTERS)
        loop_stop(owner->loop);
}

static struct letter *number_letters(int poster)
{
    struct letter *letters = calloc(LETTERS, sizeof(*letters));

    CHECK(letters != NULL);
    for (int i = 0; i < LETTERS; i++)
        letters[i].kind = poster * LETTERS + i;
    return letters;
}

TEST(no_letter_of_four_threads_is_lost_and_each_thread_keeps_its_order)
{
    struct owner owner = {.task.run = receive, .in_order = true};
    struct poster posters[POSTERS];
    struct thread *threads[POSTERS];
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    owner.loop = loop_new(world);
    owner.mailbox = mailbox_new(owner.loop, &owner.task);
    CHECK(owner.loop && owner.mailbox);
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.mailbox = owner.mailbox, .letters = number_letters(i)};
        threads[i] = thread_start("poster", -1, post_all, &posters[i], &err);
        CHECK(threads[i] != NULL);
    }
    loop_run(owner.loop); /* a lost wake would hang here */
    CHECK_EQ(owner.received, POSTERS * LETTERS);
    CHECK(owner.in_order);
    for (int i = 0; i < POSTERS; i++) {
        thread_join(threads[i]);
        free(posters[i].letters);
    }
    CHECK(mailbox_take(owner.mailbox) == NULL);
    mailbox_free(owner.mailbox);
    loop_free(owner.loop);
    linux_world_free(world);
}

struct late_poster {
    struct mailbox *mailbox;
    struct letter letter;
    _Atomic bool sealed; /* relaxed: it orders nothing, so that only the box can */
    int last_words;      /* the owner's, written before it seals; the poster's from then on */
};

static void post_late(void *arg)
{
    struct late_poster *poster = arg;

    while (!atomic_load_explicit(&poster->sealed, memory_order_relaxed))
        sched_yield();
    CHECK(!mailbox_offer(poster->mailbox, &poster->letter));
    poster->last_words++;
}

/* What the owner wrote before it sealed its box is the refused poster's to read, change and free. */
TEST(who_finds_a_box_sealed_knows_all_that_its_owner_did_before)
{
    struct fake_world fake;
    struct owner owner = {.task.run = count_run};
    struct late_poster poster = {0};
    struct thread *thread;
    struct error err;

    fake_world_init(&fake);
    owner.loop = loop_new(&fake.world);
    poster.mailbox = owner.mailbox = mailbox_new(owner.loop, &owner.task);
    CHECK(owner.loop && owner.mailbox);
    thread = thread_start("poster", -1, post_late, &poster, &err);
    CHECK(thread != NULL);
    poster.last_words = 41;
    CHECK(mailbox_seal(owner.mailbox) == NULL);
    atomic_store_explicit(&poster.sealed, true, memory_order_relaxed);
    thread_join(thread);
    CHECK_INT(poster.last_words, 42);
    CHECK(mailbox_take(owner.mailbox) == NULL);
    mailbox_free(owner.mailbox);
    loop_free(owner.loop);
}
