/* linux_world.c: the real world: clocks, randomness, and epoll. Sockets are in linux_socket.c and linux_listen.c.
 *
 * Each descriptor is registered once, edge-triggered, for everything, and never modified; a wait is one system call.
 * Start with wait_for_events. SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "os/linux_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_MAX = 512 };

struct linux_world {
    struct world world;
    int epoll_fd;
    int wake_fd;      /* an eventfd, never read: each write to it is an edge of its own */
    bool waits_in_ms; /* the kernel, or what guards it, has no epoll_pwait2 */
    struct epoll_event events[BATCH_MAX];
};

static struct linux_world *of(struct world *world)
{
    return container_of(world, struct linux_world, world);
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec time;
    int result = clock_gettime(clock, &time);

    ASSERT(result == 0);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t linux_now_ns(struct world *world)
{
    (void)world;
    return read_clock(CLOCK_BOOTTIME);
}

static uint64_t linux_wall_ns(struct world *world)
{
    (void)world;
    return read_clock(CLOCK_REALTIME);
}

static void linux_random(struct world *world, void *out, size_t size)
{
    uint8_t *at = out;

    (void)world;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);

        ASSERT(got > 0 || errno == EINTR);
        if (got <= 0)
            continue;
        at += got;
        size -= (size_t)got;
    }
}

static bool linux_watch(struct world *world, struct watch *watch, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = watch};

    if (epoll_ctl(of(world)->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == -1)
        return error_set_system(err, errno, "watch");
    return true;
}

/* A batch holds no watches once the loop has it (see loop.c), so there is nothing else to purge. */
static void linux_unwatch(struct world *world, struct watch *watch)
{
    int result = epoll_ctl(of(world)->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);

    ASSERT(result == 0);
}

/* Closing the only descriptor of a socket ends its registration, and ours are the only ones: all are close-on-exec and
 * none is duplicated or sent. A call less for each connection. */
static void linux_forget(struct world *world, struct watch *watch)
{
    (void)world;
    (void)watch;
}

/* Waits with the precision of the clock where the system can, else of a millisecond and never too short. */
static int wait_for_events(struct linux_world *linux_world, int count_max, uint64_t sleep_ns)
{
    struct timespec sleep = {.tv_sec = (time_t)(sleep_ns / 1000000000), .tv_nsec = (long)(sleep_ns % 1000000000)};
    uint64_t sleep_ms = sleep_ns / 1000000 + (sleep_ns % 1000000 != 0);
    int count;

    if (!linux_world->waits_in_ms) {
        count = epoll_pwait2(linux_world->epoll_fd, linux_world->events, count_max,
                             sleep_ns == UINT64_MAX ? NULL : &sleep, NULL);
        /* A container's filter of system calls that is older than the call answers EPERM. */
        if (count != -1 || (errno != ENOSYS && errno != EPERM))
            return count;
        linux_world->waits_in_ms = true;
    }
    if (sleep_ns == UINT64_MAX)
        return epoll_wait(linux_world->epoll_fd, linux_world->events, count_max, -1);
    return epoll_wait(linux_world->epoll_fd, linux_world->events, count_max,
                      sleep_ms < INT_MAX ? (int)sleep_ms : INT_MAX);
}

static uint8_t ready_bits(uint32_t events)
{
    uint8_t bits = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        bits |= READY_READ;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) /* also when connect has failed: trying tells */
        bits |= READY_WRITE;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        bits |= READY_CLOSED;
    return bits;
}

/* Adds the bits; is it news? A reset after a FIN adds none, yet who waits for the peer must hear of it. */
static bool add_bits(struct watch *watch, uint32_t events)
{
    uint8_t before = watch->ready;

    watch->ready |= ready_bits(events);
    return watch->ready != before || (events & (EPOLLHUP | EPOLLERR)) != 0;
}

static uint64_t time_left_ns(uint64_t until_ns)
{
    uint64_t now_ns;

    if (until_ns == 0 || until_ns == UINT64_MAX) /* saves reading the clock */
        return until_ns;
    now_ns = read_clock(CLOCK_BOOTTIME);
    return until_ns > now_ns ? until_ns - now_ns : 0;
}

static int linux_wait(struct world *world, struct watch **ready, int count_max, uint64_t until_ns)
{
    struct linux_world *linux_world = of(world);
    int count_ready = 0, count;

    ASSERT(count_max > 0);
    count_max = count_max < BATCH_MAX ? count_max : BATCH_MAX;
    count = wait_for_events(linux_world, count_max, time_left_ns(until_ns));
    if (count == -1 && errno == EINTR)
        count = wait_for_events(linux_world, count_max, 0); /* so that a wait has told of all, whatever ended it */
    ASSERT(count >= 0);
    for (int i = 0; i < count; i++) {
        struct watch *watch = linux_world->events[i].data.ptr;

        if (watch && add_bits(watch, linux_world->events[i].events)) /* none: the eventfd of `wake` */
            ready[count_ready++] = watch;
    }
    return count_ready;
}

static void linux_wake(struct world *world)
{
    (void)eventfd_write(of(world)->wake_fd, 1); /* cannot fail before 2^64 - 2 wakes */
}

static const struct world_ops linux_ops = {
    .now_ns = linux_now_ns,
    .wall_ns = linux_wall_ns,
    .random = linux_random,
    .socket = linux_socket,
    .listen = linux_listen,
    .accept = linux_accept,
    .is_waited_at = linux_is_waited_at,
    .connect = linux_connect,
    .connect_end = linux_connect_end,
    .local_addr = linux_local_addr,
    .readv = linux_readv,
    .writev = linux_writev,
    .peek = linux_peek,
    .shutdown_write = linux_shutdown_write,
    .close = linux_close,
    .reset = linux_reset,
    .facts = linux_facts,
    .is_paced = linux_is_paced,
    .pipe_open = linux_pipe_open,
    .pipe_close = linux_pipe_close,
    .pipe_fill = linux_pipe_fill,
    .pipe_drain = linux_pipe_drain,
    .watch = linux_watch,
    .unwatch = linux_unwatch,
    .forget = linux_forget,
    .wait = linux_wait,
    .wake = linux_wake,
};

static bool open_descriptors(struct linux_world *linux_world, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};

    linux_world->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (linux_world->epoll_fd == -1)
        return error_set_system(err, errno, "epoll");
    linux_world->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (linux_world->wake_fd == -1)
        return error_set_system(err, errno, "eventfd");
    if (epoll_ctl(linux_world->epoll_fd, EPOLL_CTL_ADD, linux_world->wake_fd, &event) == -1)
        return error_set_system(err, errno, "watch of eventfd");
    return true;
}

struct world *linux_world_new(struct error *err)
{
    struct linux_world *linux_world = calloc(1, sizeof(*linux_world));

    if (!linux_world) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a worker's world");
        return NULL;
    }
    linux_world->world.ops = &linux_ops;
    linux_world->epoll_fd = linux_world->wake_fd = -1;
    if (!open_descriptors(linux_world, err)) {
        linux_world_free(&linux_world->world);
        return NULL;
    }
    return &linux_world->world;
}

void linux_world_free(struct world *world)
{
    struct linux_world *linux_world = world ? of(world) : NULL;

    if (!linux_world)
        return;
    if (linux_world->wake_fd != -1)
        close(linux_world->wake_fd);
    if (linux_world->epoll_fd != -1)
        close(linux_world->epoll_fd);
    free(linux_world);
}
