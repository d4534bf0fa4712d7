/* listener.c: accepts connections until the world says that there are none.
 *
 * The edge of a waiting connection comes once, so whatever stops accepting half way must bring its own wake: after a
 * failure that is a timer. Start with listener_accept. SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include "net/tcp.h"

#include <stdlib.h>

#define PAUSE_NS UINT64_C(100000000) /* how soon it is tried again: pace, no limit */

struct listener {
    struct loop *loop;
    struct watch watch;
    struct timer resume; /* set while accepting pauses */
    bool paused;
    struct addr addr;
};

void listener_pause(struct listener *listener)
{
    listener->paused = true;
    timer_set(listener->loop, &listener->resume, loop_now_ns(listener->loop) + PAUSE_NS);
}

enum io listener_accept(struct listener *listener, struct stream **stream, struct error *err)
{
    struct world *world = loop_world(listener->loop);
    struct addr peer = {0};
    enum io io;
    int fd;

    if (listener->paused && !listener->resume.fired)
        return IO_WAIT;
    listener->paused = false;
    if (!(listener->watch.ready & READY_READ))
        return IO_WAIT;
    io = world->ops->accept(world, listener->watch.fd, &fd, &peer, err);
    if (io == IO_WAIT)
        listener->watch.ready = (uint8_t)(listener->watch.ready & ~READY_READ);
    if (io == IO_OK) {
        *stream = tcp_stream_new(listener->loop, fd, &peer, err);
        io = *stream ? IO_OK : IO_FAIL;
    }
    if (io == IO_FAIL)
        listener_pause(listener);
    return io;
}

void listener_look(struct listener *listener)
{
    listener->watch.ready |= READY_READ;
}

void listener_resume(struct listener *listener)
{
    if (!listener->paused)
        return;
    listener->paused = false;
    timer_clear(listener->loop, &listener->resume);
    task_wake(listener->loop, listener->watch.task);
}

bool listener_is_waited_at(const struct listener *listener)
{
    struct world *world = loop_world(listener->loop);

    return world->ops->is_waited_at(world, listener->watch.fd);
}

const struct addr *listener_addr(const struct listener *listener)
{
    return &listener->addr;
}

/* The port that was taken when 0 was asked for; a Unix path is as given. */
static void learn_addr(struct listener *listener, const struct addr *addr)
{
    struct world *world = loop_world(listener->loop);

    if (addr->family == ADDR_UNIX || !world->ops->local_addr(world, listener->watch.fd, &listener->addr))
        listener->addr = *addr;
}

struct listener *listener_new(struct loop *loop, const struct addr *addr, const struct listen_options *options,
                              struct task *owner, struct error *err)
{
    struct world *world = loop_world(loop);
    struct listener *listener = calloc(1, sizeof(*listener));

    if (!listener) {
        error_set(err, FAULT_SYSTEM, ERROR_OUT_OF_MEMORY, "no memory for a listener");
        return NULL;
    }
    listener->loop = loop;
    listener->watch.task = owner;
    listener->resume.task = owner;
    listener->watch.fd = world->ops->listen(world, addr, options, err);
    if (listener->watch.fd == -1)
        goto fail;
    learn_addr(listener, addr);
    if (!loop_watch(loop, &listener->watch, err)) {
        world->ops->close(world, listener->watch.fd);
        goto fail;
    }
    return listener;
fail:
    free(listener);
    return NULL;
}

void listener_free(struct listener *listener)
{
    struct world *world;

    if (!listener)
        return;
    world = loop_world(listener->loop);
    timer_clear(listener->loop, &listener->resume);
    loop_unwatch(listener->loop, &listener->watch);
    world->ops->close(world, listener->watch.fd);
    free(listener);
}
