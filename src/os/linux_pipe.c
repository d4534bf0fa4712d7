/* linux_pipe.c: pipes between sockets (splice): the kernel passes pages on, and nothing is copied.
 *
 * What is full and what is empty must not be mixed up, as both say EAGAIN: a pipe is filled only while it is empty, so
 * that EAGAIN is the socket's. SIGPIPE is ignored by the process (signal.c), as splice knows no MSG_NOSIGNAL.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/assert.h"
#include "os/linux_internal.h"
#include "os/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool linux_pipe_open(struct world *world, struct pipe *pipe)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return false;
    /* Refused to who has many of that size already: then it holds less at a time. */
    (void)fcntl(ends[1], F_SETPIPE_SZ, LINUX_PIPE_BYTES);
    pipe->of_fd = ends[0];
    pipe->into_fd = ends[1];
    count_socket(world, 2);
    return true;
}

void linux_pipe_close(struct world *world, struct pipe *pipe)
{
    count_socket(world, -2);
    ASSERT(close(pipe->of_fd) == 0 || errno != EBADF);
    ASSERT(close(pipe->into_fd) == 0 || errno != EBADF);
}

/* A signal may cut it short: so may being stopped, or frozen with a container. */
static ssize_t move(int from_fd, int to_fd, size_t size)
{
    ssize_t moved;

    do {
        moved = splice(from_fd, NULL, to_fd, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    } while (moved == -1 && errno == EINTR);
    return moved;
}

enum io linux_pipe_fill(struct world *world, int fd, struct pipe *pipe, size_t size_max, size_t *got, struct error *err)
{
    ssize_t size;

    (void)world;
    ASSERT(pipe->held == 0);
    ASSERT(size_max > 0);
    size = move(fd, pipe->into_fd, size_max);
    if (size == -1)
        return linux_data_failed(errno, "read", err);
    *got = pipe->held = (size_t)size;
    return size > 0 ? IO_OK : IO_END;
}

enum io linux_pipe_drain(struct world *world, struct pipe *pipe, int fd, size_t *sent, struct error *err)
{
    ssize_t size;

    (void)world;
    ASSERT(pipe->held > 0);
    *sent = 0;
    do {
        size = move(pipe->of_fd, fd, pipe->held);
        ASSERT(size != 0); /* the pipe is not empty, and its other end is open */
        if (size == -1)
            return *sent > 0 ? IO_OK : linux_data_failed(errno, "write", err);
        ASSERT((size_t)size <= pipe->held);
        *sent += (size_t)size;
        pipe->held -= (size_t)size;
    } while (pipe->held > 0);
    return IO_OK;
}
