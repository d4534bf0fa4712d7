/* assert.c: the end of the process after a mistake of ours. What the crash report says about the work at hand comes
 * from the hook, as base knows nothing of exchanges. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static _Atomic(void (*)(void)) crash_hook;

void assert_set_hook(void (*hook)(void))
{
    atomic_store(&crash_hook, hook);
}

void assert_failed(const char *condition, const char *file, int line)
{
    /* Taken, not read: an assertion that fails inside the hook must not call it again. */
    void (*hook)(void) = atomic_exchange(&crash_hook, NULL);

    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    if (hook)
        hook();
    abort();
}
