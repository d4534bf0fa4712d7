/* pipe.c: pipes between sockets, as buffers: what goes in comes out, at most so much at a time, and two descriptors are
 * taken meanwhile. Reading and writing are the socket's. SPDX-License-Identifier: Apache-2.0 */
#include "os/pipe.h"

#include "sim/sim_internal.h"

#include <stdlib.h>

enum { PIPE_BYTES = 65536 };

static struct sim_pipe *pipe_of(struct world *world, const struct pipe *pipe)
{
    struct sim_machine *machine = sim_world_of(world)->machine;

    ASSERT(pipe->of_fd >= 0);
    ASSERT(pipe->of_fd < SIM_PIPES_MAX);
    ASSERT(machine->pipes[pipe->of_fd].open);
    return &machine->pipes[pipe->of_fd];
}

bool sim_pipe_open(struct world *world, struct pipe *pipe)
{
    struct sim_machine *machine = sim_world_of(world)->machine;
    int i = 0;

    while (i < SIM_PIPES_MAX && machine->pipes[i].open)
        i++;
    if (i == SIM_PIPES_MAX || machine->files_open + 2 > machine->files_max ||
        sim_chance(machine, SIM_FAULT_OUT_OF_FILES))
        return false;
    machine->pipes[i] = (struct sim_pipe){.open = true};
    machine->files_open += 2;
    pipe->of_fd = pipe->into_fd = i;
    return true;
}

void sim_pipe_close(struct world *world, struct pipe *pipe)
{
    struct sim_pipe *buffer = pipe_of(world, pipe);

    sim_bytes_free(&buffer->bytes);
    buffer->open = false;
    sim_world_of(world)->machine->files_open -= 2;
}

/* Cut short wherever chance likes: a slot is full, the socket has more. */
static size_t piece(struct world *world, size_t size_max)
{
    size_t size = size_min(size_max, PIPE_BYTES);
    struct sim_machine *machine = sim_world_of(world)->machine;

    return size > 1 && sim_chance(machine, SIM_FAULT_SHORT_WRITE) ? 1 + (size_t)rng_below(&machine->sim->rng, size - 1)
                                                                  : size;
}

enum io sim_pipe_fill(struct world *world, int fd, struct pipe *pipe, size_t size_max, size_t *got, struct error *err)
{
    struct sim_pipe *buffer = pipe_of(world, pipe);
    uint8_t *bytes = sim_alloc(PIPE_BYTES);
    struct iovec part = {.iov_base = bytes, .iov_len = piece(world, size_max)};
    enum io io;

    ASSERT(pipe->held == 0);
    ASSERT(buffer->bytes.len == 0);
    io = world->ops->readv(world, fd, &part, 1, got, err);
    if (io == IO_OK) {
        sim_bytes_add(&buffer->bytes, bytes, *got);
        pipe->held = *got;
    }
    free(bytes);
    return io;
}

enum io sim_pipe_drain(struct world *world, struct pipe *pipe, int fd, size_t *sent, struct error *err)
{
    struct sim_pipe *buffer = pipe_of(world, pipe);
    struct iovec part = {.iov_base = buffer->bytes.data + buffer->bytes.at, .iov_len = buffer->bytes.len};
    enum io io;

    ASSERT(pipe->held > 0);
    ASSERT(pipe->held == buffer->bytes.len);
    io = world->ops->writev(world, fd, &part, 1, sent, err);
    if (io == IO_OK) {
        sim_bytes_take(&buffer->bytes, NULL, *sent);
        pipe->held -= *sent;
    }
    return io;
}

bool sim_is_paced(struct world *world, int fd)
{
    (void)world;
    return fd % 2 == 1;
}
