/* loop_internal.h: how a mailbox gets the loop's attention from another thread; only loop.c and mailbox.c include this.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_LOOP_INTERNAL_H
#define HOLDFAST_OS_LOOP_INTERNAL_H

#include "os/mailbox.h"

#include <stdatomic.h>

/* Where letters land. Posters touch `newest` only; the rest belongs to the loop's thread. */
struct inbox {
    _Atomic(struct letter *) newest; /* a stack: the newest letter points at the one before */
    struct task *task;               /* woken after loop_notify when there are letters */
    struct list_node node;           /* in the loop's list */
};

void loop_add_inbox(struct loop *loop, struct inbox *inbox);
void loop_remove_inbox(struct loop *loop, struct inbox *inbox);

/* Makes the loop look into its inboxes in the turn after the wait that is in progress or comes next. Any thread. */
void loop_notify(struct loop *loop);

#endif
