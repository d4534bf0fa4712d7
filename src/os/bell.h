/* bell.h: how a thread that has nothing to do while some loops of other threads sleep hears that one of them has woken.
 *
 * A loop looks at its bell only where it begins a second (loop_set_bell), so what the owner sees before it sleeps are
 * the seconds that the loops have begun, and whether one of them is awake (loop_seconds, loop_is_awake).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_BELL_H
#define HOLDFAST_OS_BELL_H

#include "os/mailbox.h"

struct bell {
    atomic_bool hung;
    struct mailbox *mailbox; /* its owner's; borrowed */
    struct letter letter;    /* lies in the mailbox when it was rung */
};

/* The owner's thread, and not between a ring and its letter: the next loop that begins a second rings it. When the
 * owner finds behind this that none has begun one since it looked, whoever begins the next one rings. */
void bell_hang(struct bell *bell);

/* Any thread, once its loop has said that it has begun a second: takes it down, and posts the letter. Else nothing. */
void bell_ring(struct bell *bell);

#endif
