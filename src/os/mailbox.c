/* mailbox.c: many threads post, one loop takes. A lock-free stack that is turned round when it is taken whole, so there
 * is no ABA: nobody pops a single letter.
 *
 * Only the first letter into an empty box wakes the loop; later ones are found with it. Start with mailbox_post.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/mailbox.h"

#include "base/assert.h"
#include "os/loop_internal.h"

#include <stdlib.h>

struct mailbox {
    struct inbox inbox;
    struct loop *loop;
    struct letter seal; /* stands in the inbox of a sealed box */
};

struct mailbox *mailbox_new(struct loop *loop, struct task *task)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));

    if (!mailbox)
        return NULL;
    mailbox->loop = loop;
    mailbox->inbox.task = task;
    loop_add_inbox(loop, &mailbox->inbox);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    loop_remove_inbox(mailbox->loop, &mailbox->inbox);
    free(mailbox);
}

bool mailbox_offer(struct mailbox *mailbox, struct letter *letter)
{
    /* Acquire, here and where it failed: who finds the seal may free what the owner has written to before. */
    struct letter *newest = atomic_load_explicit(&mailbox->inbox.newest, memory_order_acquire);

    do {
        if (newest == &mailbox->seal)
            return false;
        letter->next = newest;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->inbox.newest, &newest, letter, memory_order_release,
                                                    memory_order_acquire));
    if (!newest)
        loop_notify(mailbox->loop);
    return true;
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    bool taken = mailbox_offer(mailbox, letter);

    ASSERT(taken);
}

/* Leaves `rest` in the box; oldest first. Release is for a seal: it tells what the owner did before. */
static struct letter *empty(struct mailbox *mailbox, struct letter *rest)
{
    struct letter *letter = atomic_exchange_explicit(&mailbox->inbox.newest, rest, memory_order_acq_rel);
    struct letter *oldest = NULL;

    if (letter == &mailbox->seal)
        return NULL;
    while (letter) {
        struct letter *before = letter->next;

        letter->next = oldest;
        oldest = letter;
        letter = before;
    }
    return oldest;
}

struct letter *mailbox_take(struct mailbox *mailbox)
{
    /* Only our own thread seals it. */
    if (atomic_load_explicit(&mailbox->inbox.newest, memory_order_relaxed) == &mailbox->seal)
        return NULL;
    return empty(mailbox, NULL);
}

struct letter *mailbox_seal(struct mailbox *mailbox)
{
    return empty(mailbox, &mailbox->seal);
}
