/* stage.h: a loop on a fake world, with actors that leave a trace of who ran when.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_OS_STAGE_H
#define HOLDFAST_TESTS_UNIT_OS_STAGE_H

#include "base/str.h"
#include "fake_world.h"
#include "os/loop.h"

enum { ACTORS = 8 };

struct stage;

/* A task that writes its name into the trace and then does what the test wants. */
struct actor {
    struct task task;
    struct watch watch;
    struct timer timer;
    struct stage *stage;
    char name;
    void (*act)(struct actor *actor); /* NULL: nothing more */
    unsigned runs;
};

struct stage {
    struct fake_world fake;
    struct loop *loop;
    struct actor actors[ACTORS]; /* 'a', 'b', ... */
    char trace[64];
    size_t traced;
};

void stage_open(struct stage *stage);
void stage_close(struct stage *stage); /* forgets all actors and clears their timers */

struct actor *stage_actor(struct stage *stage, char name);
struct task *stage_task(struct stage *stage, char name);
struct timer *stage_timer(struct stage *stage, char name);

struct str stage_trace(const struct stage *stage); /* the names of those who ran, in order */
void stage_turn(struct stage *stage);              /* one that does not sleep */

#endif
