/* mailbox.h: letters from other threads to a worker's loop. Any thread may post; only the loop's thread receives.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_MAILBOX_H
#define HOLDFAST_OS_MAILBOX_H

#include "os/loop.h"

#include <stdatomic.h>

struct letter {
    struct letter *next;
    int kind; /* the receiver's own numbering */
};

/* Lock-free list of letters; `task` of the owner is woken when one arrives. */
struct mailbox;

/* A mailbox whose owner is woken through `task` (its run takes the letters). NULL: no memory. */
struct mailbox *mailbox_new(struct loop *loop, struct task *task);

/* After all posters have ended; letters left inside are the caller's loss. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);

void mailbox_post(struct mailbox *mailbox, struct letter *letter); /* any thread; ownership goes to the receiver */

/* As mailbox_post, for a box that may be sealed. False: it is, and the letter stays the caller's, who sees all that
 * the owner did before it sealed the box. */
bool mailbox_offer(struct mailbox *mailbox, struct letter *letter) MUST_USE;

/* Only on the loop's thread, or when it has ended: no letter comes any more. Returns those that were left, as
 * mailbox_take. */
struct letter *mailbox_seal(struct mailbox *mailbox);

/* All letters so far, oldest first, or NULL. Only on the loop's thread. */
struct letter *mailbox_take(struct mailbox *mailbox);

#endif
