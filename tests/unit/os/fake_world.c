/* fake_world.c: see the header. A wait takes what is queued, or moves the clock to its end; one that would sleep for
 * ever fails the test. SPDX-License-Identifier: Apache-2.0 */
#include "fake_world.h"

#include "harness/test.h"

static struct fake_world *of(struct world *world)
{
    return container_of(world, struct fake_world, world);
}

static uint64_t fake_now_ns(struct world *world)
{
    of(world)->now_reads++;
    return of(world)->now_ns;
}

static uint64_t fake_wall_ns(struct world *world)
{
    of(world)->wall_reads++;
    return of(world)->wall_ns;
}

static void fake_random(struct world *world, void *out, size_t size)
{
    (void)world;
    memset(out, 7, size);
}

static bool fake_watch(struct world *world, struct watch *watch, struct error *err)
{
    if (watch->fd == -1)
        return error_set(err, FAULT_SYSTEM, ERROR_SYSTEM, "no such descriptor");
    of(world)->watches++;
    return true;
}

static void fake_unwatch(struct world *world, struct watch *watch)
{
    (void)watch;
    of(world)->watches--;
}

static int fake_wait(struct world *world, struct watch **ready, int count_max, uint64_t until_ns)
{
    struct fake_world *fake = of(world);
    int count = fake->ready_count;

    CHECK(count <= count_max);
    fake->waits++;
    fake->until_ns = until_ns;
    if (count == 0 && fake->wakes == 0 && until_ns == UINT64_MAX)
        test_fail(__FILE__, __LINE__, "the loop would sleep for ever");
    if (count == 0 && fake->wakes == 0 && until_ns > fake->now_ns)
        fake->now_ns = until_ns;
    for (int i = 0; i < count; i++) {
        ready[i] = fake->ready[i];
        ready[i]->ready |= READY_READ;
    }
    fake->ready_count = 0;
    return count;
}

static void fake_wake(struct world *world)
{
    of(world)->wakes++;
}

void fake_world_init(struct fake_world *fake)
{
    static const struct world_ops ops = {
        .now_ns = fake_now_ns,
        .wall_ns = fake_wall_ns,
        .random = fake_random,
        .watch = fake_watch,
        .unwatch = fake_unwatch,
        .forget = fake_unwatch,
        .wait = fake_wait,
        .wake = fake_wake,
    };

    *fake = (struct fake_world){.world = {.ops = &ops}, .now_ns = 1000, .wall_ns = 5000};
}

void fake_world_ready(struct fake_world *fake, struct watch *watch)
{
    CHECK(fake->ready_count < FAKE_READY_MAX);
    fake->ready[fake->ready_count++] = watch;
}
