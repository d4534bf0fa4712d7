/* bell.c: see the header. The owner writes `hung` and then reads the seconds, a loop writes its seconds and then reads
 * `hung`, all of it in one order that all threads agree on, so one of the two sees what the other has written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "os/bell.h"

void bell_hang(struct bell *bell)
{
    atomic_store(&bell->hung, true);
}

void bell_ring(struct bell *bell)
{
    if (atomic_load(&bell->hung) && atomic_exchange(&bell->hung, false))
        mailbox_post(bell->mailbox, &bell->letter);
}
