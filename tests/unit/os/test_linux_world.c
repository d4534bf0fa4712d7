/* test_linux_world.c: clocks, randomness, waiting and watching. Includes the .c on purpose: to make it wait in
 * milliseconds, as on kernels without epoll_pwait2. SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "loopback.h"
#include "os/linux_world.c"
#include "os/loop.h"
#include "os/thread.h"

static const uint64_t ms_ns = 1000000;

static struct world *new_world(bool in_ms)
{
    struct error err;
    struct world *world = linux_world_new(&err);

    CHECK(world != NULL);
    of(world)->waits_in_ms = in_ms;
    return world;
}

static int wait_once(struct world *world, uint64_t for_ns)
{
    struct watch *ready[4];

    return world->ops->wait(world, ready, COUNT_OF(ready), world->ops->now_ns(world) + for_ns);
}

TEST(clocks_run)
{
    struct world *world = new_world(false);
    uint64_t now_ns = world->ops->now_ns(world);
    uint64_t before_s = (uint64_t)time(NULL), wall_s = world->ops->wall_ns(world) / 1000000000;

    CHECK(world->ops->now_ns(world) >= now_ns);
    CHECK(wall_s >= before_s);
    CHECK(wall_s <= (uint64_t)time(NULL) + 1); /* time() lags behind by up to a tick */
    linux_world_free(world);
    linux_world_free(NULL);
}

TEST(random_bytes_fill_all_and_differ)
{
    struct world *world = new_world(false);
    static uint8_t a[1000], b[1000];
    unsigned zeros_at_end = 0;

    world->ops->random(world, a, sizeof(a));
    world->ops->random(world, b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
    for (size_t i = sizeof(a) - 32; i < sizeof(a); i++)
        zeros_at_end += a[i] == 0;
    CHECK(zeros_at_end < 32);
    linux_world_free(world);
}

TEST(a_wait_ends_at_its_time_and_not_before)
{
    for (int in_ms = 0; in_ms < 2; in_ms++) {
        struct world *world = new_world(in_ms != 0);
        uint64_t start_ns, took_ns;

        test_case_is("in ms: %d", in_ms);
        CHECK_INT(wait_once(world, 0), 0);
        for (uint64_t for_ns = ms_ns / 4; for_ns < 20 * ms_ns; for_ns *= 4) {
            start_ns = world->ops->now_ns(world);
            CHECK_INT(wait_once(world, for_ns), 0);
            took_ns = world->ops->now_ns(world) - start_ns;
            CHECK(took_ns >= for_ns);
            CHECK(took_ns < for_ns + 5000 * ms_ns); /* a unit too large would be a thousand times as long */
        }
        linux_world_free(world);
    }
}

static void wake_soon(void *arg)
{
    struct world *world = arg;
    struct timespec moment = {.tv_nsec = 20000000};

    nanosleep(&moment, NULL);
    world->ops->wake(world);
}

TEST(another_thread_ends_a_wait_without_end)
{
    for (int in_ms = 0; in_ms < 2; in_ms++) {
        struct world *world = new_world(in_ms != 0);
        struct watch *ready[1];
        struct error err;
        struct thread *thread = thread_start("waker", -1, wake_soon, world, &err);

        test_case_is("in ms: %d", in_ms);
        CHECK(thread != NULL);
        CHECK_INT(world->ops->wait(world, ready, 1, UINT64_MAX), 0);
        thread_join(thread);
        linux_world_free(world);
    }
}

TEST(a_wake_before_the_wait_ends_it_and_only_it)
{
    struct world *world = new_world(false);
    struct watch *ready[1];
    uint64_t start_ns;

    for (int round = 0; round < 3; round++) {
        world->ops->wake(world);
        world->ops->wake(world);
        CHECK_INT(world->ops->wait(world, ready, 1, UINT64_MAX), 0);
    }
    start_ns = world->ops->now_ns(world);
    CHECK_INT(wait_once(world, 3 * ms_ns), 0);
    CHECK(world->ops->now_ns(world) - start_ns >= 3 * ms_ns); /* nothing was left over */
    linux_world_free(world);
}

TEST(no_kernel_event_is_lost_in_translation)
{
    static const struct {
        uint32_t events;
        uint8_t bits;
    } cases[] = {
        {0, 0},
        {EPOLLIN, READY_READ},
        {EPOLLOUT, READY_WRITE},
        {EPOLLIN | EPOLLOUT, READY_READ | READY_WRITE},
        {EPOLLIN | EPOLLRDHUP, READY_READ | READY_CLOSED},
        {EPOLLHUP, READY_READ | READY_WRITE | READY_CLOSED},
        {EPOLLERR, READY_READ | READY_WRITE | READY_CLOSED},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        test_case_is("events %x", cases[i].events);
        CHECK_EQ(ready_bits(cases[i].events), cases[i].bits);
    }
}

TEST(a_bit_that_stands_is_no_news_and_a_cleared_one_is)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch watch = {0};
    uint64_t start_ns;
    struct error err;
    size_t size;
    char got[8];

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    watch.fd = pair.server;
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    await_bits(loopback.world, &watch, READY_WRITE);
    CHECK_EQ(write_one(loopback.world, pair.client, STR("1"), &size, &err), IO_OK);
    await_bits(loopback.world, &watch, READY_READ);
    CHECK_EQ(write_one(loopback.world, pair.client, STR("2"), &size, &err), IO_OK);
    CHECK_INT(wait_once(loopback.world, 20 * ms_ns), 0); /* the reader has not asked for more yet */
    start_ns = loopback.world->ops->now_ns(loopback.world);
    CHECK_INT(wait_once(loopback.world, 5 * ms_ns), 0);
    CHECK(loopback.world->ops->now_ns(loopback.world) - start_ns >= 5 * ms_ns); /* and bytes that wait end no wait */

    CHECK_EQ(read_one(loopback.world, pair.server, got, sizeof(got), &size, &err), IO_OK);
    CHECK_TEXT(str_of(got, size), "12");
    watch.ready &= (uint8_t)~READY_READ;
    CHECK_EQ(write_one(loopback.world, pair.client, STR("3"), &size, &err), IO_OK);
    CHECK_INT(wait_once(loopback.world, 1000 * ms_ns), 1);
    CHECK(watch.ready & READY_READ);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(a_reset_after_an_end_is_news_though_all_bits_stand)
{
    struct loopback loopback;
    struct conn_pair pair;
    struct watch watch = {0};
    struct error err;

    loopback_open(&loopback);
    pair = loopback_connect(&loopback);
    watch.fd = pair.server;
    CHECK(loopback.world->ops->watch(loopback.world, &watch, &err));
    loopback.world->ops->shutdown_write(loopback.world, pair.client);
    await_bits(loopback.world, &watch, READY_READ | READY_WRITE | READY_CLOSED);
    loopback.world->ops->reset(loopback.world, pair.client);
    CHECK_INT(wait_once(loopback.world, 1000 * ms_ns), 1);
    loopback.world->ops->unwatch(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, pair.server);
    loopback_close(&loopback);
}

TEST(a_descriptor_that_is_none_cannot_be_watched)
{
    struct world *world = new_world(false);
    struct watch watch = {.fd = -1};
    struct error err = {0};

    CHECK(!world->ops->watch(world, &watch, &err));
    CHECK_CSTR(err.text, "watch: bad file descriptor");
    linux_world_free(world);
}

/* A connection whose server's side is watched, and has a byte to read. */
static struct conn_pair watched_with_news(struct loopback *loopback, struct watch *watch)
{
    struct conn_pair pair;
    struct error err;
    size_t size;

    loopback_open(loopback);
    pair = loopback_connect(loopback);
    watch->fd = pair.server;
    CHECK(loopback->world->ops->watch(loopback->world, watch, &err));
    CHECK_EQ(write_one(loopback->world, pair.client, STR("1"), &size, &err), IO_OK);
    return pair;
}

TEST(after_unwatch_nothing_is_told_any_more)
{
    struct loopback loopback;
    struct watch watch = {0};
    struct conn_pair pair = watched_with_news(&loopback, &watch);

    loopback.world->ops->unwatch(loopback.world, &watch);
    CHECK_INT(wait_once(loopback.world, 5 * ms_ns), 0);
    CHECK_EQ(watch.ready, 0);
    loopback_hang_up(&loopback, &pair);
    loopback_close(&loopback);
}

TEST(what_is_forgotten_and_closed_is_told_of_no_more)
{
    struct loopback loopback;
    struct watch watch = {0};
    struct conn_pair pair = watched_with_news(&loopback, &watch);

    loopback.world->ops->forget(loopback.world, &watch);
    loopback.world->ops->close(loopback.world, pair.server);
    CHECK_INT(wait_once(loopback.world, 5 * ms_ns), 0);
    CHECK_EQ(watch.ready, 0);
    loopback.world->ops->close(loopback.world, pair.client);
    loopback_close(&loopback);
}

/* A reader that frees all readers of the batch, itself too, as soon as one of them runs. */
struct reader {
    struct task task;
    struct watch watch;
    struct conn_pair pair;
    struct crowd *crowd;
};

struct crowd {
    struct loop *loop;
    struct loopback loopback;
    struct reader *readers[8];
    unsigned runs;
};

static void free_reader(struct crowd *crowd, size_t i)
{
    struct reader *reader = crowd->readers[i];

    task_forget(crowd->loop, &reader->task);
    loop_unwatch(crowd->loop, &reader->watch);
    loopback_hang_up(&crowd->loopback, &reader->pair);
    free(reader);
}

static void free_all_readers(struct task *task)
{
    struct crowd *crowd = container_of(task, struct reader, task)->crowd;

    crowd->runs++;
    for (size_t i = 0; i < COUNT_OF(crowd->readers); i++)
        free_reader(crowd, i);
}

TEST(a_task_may_unwatch_and_free_what_is_in_the_same_batch)
{
    for (int first = 0; first < 2; first++) {
        struct crowd crowd = {0};
        struct error err;
        size_t size;

        test_case_is("first %d", first);
        loopback_open(&crowd.loopback);
        crowd.loop = loop_new(crowd.loopback.world);
        CHECK(crowd.loop != NULL);
        for (size_t i = 0; i < COUNT_OF(crowd.readers); i++) {
            struct reader *reader = crowd.readers[i] = calloc(1, sizeof(*reader));

            CHECK(reader != NULL);
            *reader = (struct reader){.task.run = free_all_readers, .crowd = &crowd};
            reader->pair = loopback_connect(&crowd.loopback);
        }
        for (size_t i = 0; i < COUNT_OF(crowd.readers); i++) { /* connecting waits, which would take the news */
            struct reader *reader = crowd.readers[i];

            reader->watch = (struct watch){.fd = reader->pair.server, .first = first && i == 5, .task = &reader->task};
            CHECK(loop_watch(crowd.loop, &reader->watch, &err));
            CHECK_EQ(write_one(crowd.loopback.world, reader->pair.client, STR("x"), &size, &err), IO_OK);
        }
        loop_turn(crowd.loop, UINT64_MAX);
        CHECK_EQ(crowd.runs, 1);
        CHECK_EQ(loop_stats(crowd.loop)->events, COUNT_OF(crowd.readers)); /* they were one batch */
        loop_turn(crowd.loop, 0);
        CHECK_EQ(crowd.runs, 1);
        loop_free(crowd.loop);
        loopback_close(&crowd.loopback);
    }
}

/* Two readers have news in one batch; whichever runs first closes the other, and its number goes to a third, which has
 * none. */
struct heir {
    struct loop *loop;
    struct loopback loopback;
    struct conn_pair pairs[2], pair;
    struct task tasks[2], task;
    struct watch watches[2], watch;
    int closed; /* which reader */
    unsigned closings, runs;
};

static void count_heir_run(struct task *task)
{
    container_of(task, struct heir, task)->runs++;
}

static void take_the_number(struct heir *heir, int of_reader)
{
    struct error err;
    int fd = heir->pairs[of_reader].server;

    heir->closed = of_reader;
    heir->closings++;
    task_forget(heir->loop, &heir->tasks[of_reader]);
    loop_unwatch(heir->loop, &heir->watches[of_reader]);
    loopback_hang_up(&heir->loopback, &heir->pairs[of_reader]);
    CHECK_INT(dup2(heir->pair.server, fd), fd);
    close(heir->pair.server);
    heir->pair.server = fd;
    heir->watch = (struct watch){.fd = fd, .task = &heir->task};
    CHECK(loop_watch(heir->loop, &heir->watch, &err));
}

static void close_second(struct task *task)
{
    take_the_number(container_of(task, struct heir, tasks[0]), 1);
}

static void close_first(struct task *task)
{
    take_the_number(container_of(task, struct heir, tasks[1]), 0);
}

TEST(case_170_a_number_that_was_used_before_hears_of_its_own_connection_only)
{
    struct heir heir = {.tasks = {{.run = close_second}, {.run = close_first}}, .task.run = count_heir_run};
    struct error err;
    size_t size;

    loopback_open(&heir.loopback);
    heir.loop = loop_new(heir.loopback.world);
    CHECK(heir.loop != NULL);
    heir.pair = loopback_connect(&heir.loopback);
    for (int i = 0; i < 2; i++)
        heir.pairs[i] = loopback_connect(&heir.loopback);
    for (int i = 0; i < 2; i++) {
        heir.watches[i] = (struct watch){.fd = heir.pairs[i].server, .task = &heir.tasks[i]};
        CHECK(loop_watch(heir.loop, &heir.watches[i], &err));
        CHECK_EQ(write_one(heir.loopback.world, heir.pairs[i].client, STR("x"), &size, &err), IO_OK);
    }
    loop_turn(heir.loop, UINT64_MAX);
    CHECK_EQ(loop_stats(heir.loop)->events, 2);
    CHECK_EQ(heir.closings, 1); /* the one that was closed did not run */
    CHECK_EQ(heir.runs, 0);
    loop_turn(heir.loop, UINT64_MAX);
    CHECK_EQ(heir.watch.ready, READY_WRITE); /* as each new one; nothing of what the old one had */
    CHECK_EQ(write_one(heir.loopback.world, heir.pair.client, STR("y"), &size, &err), IO_OK);
    loop_turn(heir.loop, UINT64_MAX);
    CHECK_EQ(heir.watch.ready, READY_WRITE | READY_READ);
    CHECK_EQ(heir.runs, 2);
    loop_unwatch(heir.loop, &heir.watches[1 - heir.closed]);
    loopback_hang_up(&heir.loopback, &heir.pairs[1 - heir.closed]);
    loop_unwatch(heir.loop, &heir.watch);
    loopback_hang_up(&heir.loopback, &heir.pair);
    loop_free(heir.loop);
    loopback_close(&heir.loopback);
}

TEST(a_batch_is_not_larger_than_asked_for)
{
    struct loopback loopback;
    struct conn_pair pairs[3];
    struct watch watches[3] = {0};
    struct watch *ready[2];
    struct error err;

    loopback_open(&loopback);
    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        pairs[i] = loopback_connect(&loopback);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        watches[i].fd = pairs[i].client; /* writable from the start */
        CHECK(loopback.world->ops->watch(loopback.world, &watches[i], &err));
    }
    CHECK_INT(loopback.world->ops->wait(loopback.world, ready, 2, UINT64_MAX), 2);
    CHECK_INT(loopback.world->ops->wait(loopback.world, ready, 2, UINT64_MAX), 1);
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        CHECK_EQ(watches[i].ready, READY_WRITE);
        loopback.world->ops->unwatch(loopback.world, &watches[i]);
        loopback_hang_up(&loopback, &pairs[i]);
    }
    loopback_close(&loopback);
}

static void make_world(void *arg)
{
    struct error err = {0};
    struct world *world = linux_world_new(&err);

    (void)arg;
    CHECK(world || err.code == ERROR_OUT_OF_MEMORY);
    linux_world_free(world);
}

TEST(a_world_needs_two_descriptors)
{
    for (unsigned spare = 0; spare <= 2; spare++) {
        struct rlimit before = leave_descriptors(spare);
        struct error err = {0};
        struct world *world = linux_world_new(&err);

        CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
        test_case_is("%u spare", spare);
        CHECK((world != NULL) == (spare == 2));
        CHECK(world || err.code == ERROR_OUT_OF_FILES);
        linux_world_free(world);
    }
}

TEST(a_world_bears_having_no_memory)
{
    test_every_allocation_fails(make_world, NULL);
}
