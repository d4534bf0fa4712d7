/* fake_world.h: a world for tests of what runs on the loop alone: a clock that jumps, and readiness that the test
 * queues. It has no sockets. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_TESTS_UNIT_OS_FAKE_WORLD_H
#define HOLDFAST_TESTS_UNIT_OS_FAKE_WORLD_H

#include "os/world.h"

enum { FAKE_READY_MAX = 512 };

struct fake_world {
    struct world world;
    uint64_t now_ns, wall_ns;
    unsigned now_reads, wall_reads, waits, watches;
    atomic_uint wakes; /* by any thread */
    uint64_t until_ns; /* of the last wait */
    struct watch *ready[FAKE_READY_MAX];
    int ready_count;
};

void fake_world_init(struct fake_world *fake);

/* The next wait stores this watch, with READY_READ. */
void fake_world_ready(struct fake_world *fake, struct watch *watch);

#endif
