/* wire.c: a peer's connection on plain world calls. SPDX-License-Identifier: Apache-2.0 */
#include "sim/peers_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum { PIECE_BYTES = 16384 };

static void open_wire(struct sim_wire *wire, struct loop *loop, int fd, struct task *task)
{
    wire->loop = loop;
    wire->world = loop_world(loop);
    wire->watch = (struct watch){.fd = fd, .task = task};
    wire->again.task = task;
    wire->open = true;
    wire->connected = wire->ended = wire->broken = false;
    ASSERT(loop_watch(loop, &wire->watch, NULL));
}

void sim_wire_accept(struct sim_wire *wire, struct loop *loop, int fd, struct task *task)
{
    open_wire(wire, loop, fd, task);
    wire->connected = true;
}

bool sim_wire_connect(struct sim_wire *wire, struct loop *loop, const struct addr *addr, struct task *task)
{
    struct socket_options options = {.family = (enum addr_family)addr->family};
    struct world *world = loop_world(loop);
    struct error err;
    int fd = world->ops->socket(world, &options, &err);

    if (fd == -1)
        return false;
    if (world->ops->connect(world, fd, addr, &err) == IO_FAIL) {
        world->ops->close(world, fd);
        return false;
    }
    open_wire(wire, loop, fd, task);
    return true;
}

static void finish_connect(struct sim_wire *wire)
{
    enum io io = wire->world->ops->connect_end(wire->world, wire->watch.fd, NULL);

    wire->connected = io == IO_OK;
    wire->broken = io == IO_FAIL;
}

static void pump_in(struct sim_wire *wire)
{
    size_t budget = wire->read_bytes_max > 0 ? wire->read_bytes_max : SIZE_MAX, got;
    char piece[PIECE_BYTES];
    enum io io = IO_OK;

    while (!wire->ended && !wire->broken && budget > 0 && io == IO_OK) {
        struct iovec part = {piece, size_min(sizeof(piece), budget)};

        io = wire->world->ops->readv(wire->world, wire->watch.fd, &part, 1, &got, NULL);
        if (io == IO_OK) {
            sim_bytes_add(&wire->in, piece, got);
            budget -= got;
        }
    }
    wire->ended = wire->ended || io == IO_END;
    wire->broken = wire->broken || io == IO_FAIL;
    if (budget == 0)
        timer_set(wire->loop, &wire->again, loop_now_ns(wire->loop) + SIM_MS);
}

static void pump_out(struct sim_wire *wire)
{
    size_t sent;
    enum io io = IO_OK;

    while (!wire->broken && wire->out.len > 0 && io == IO_OK) {
        struct iovec part = {wire->out.data + wire->out.at, wire->out.len};

        io = wire->world->ops->writev(wire->world, wire->watch.fd, &part, 1, &sent, NULL);
        if (io == IO_OK)
            sim_bytes_take(&wire->out, NULL, sent);
    }
    /* A write that fails says nothing about what can still be read: reading finds the end. */
    if (io == IO_FAIL)
        sim_bytes_free(&wire->out);
}

void sim_wire_pump(struct sim_wire *wire)
{
    wire->watch.ready = 0; /* we go on until there is nothing: what comes later is news */
    if (wire->open && !wire->connected && !wire->broken)
        finish_connect(wire);
    if (!wire->open || !wire->connected)
        return;
    pump_out(wire);
    pump_in(wire);
}

void sim_wire_say(struct sim_wire *wire, const char *format, ...)
{
    char text[1024];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(len >= 0);
    ASSERT((size_t)len < sizeof(text));
    sim_bytes_add(&wire->out, text, (size_t)len);
}

void sim_wire_close(struct sim_wire *wire, bool reset)
{
    if (wire->open) {
        timer_clear(wire->loop, &wire->again);
        loop_unwatch(wire->loop, &wire->watch);
        if (reset)
            wire->world->ops->reset(wire->world, wire->watch.fd);
        else
            wire->world->ops->close(wire->world, wire->watch.fd);
    }
    wire->open = wire->connected = false;
    sim_bytes_free(&wire->in);
    sim_bytes_free(&wire->out);
}
