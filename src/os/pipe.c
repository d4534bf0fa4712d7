/* pipe.c: see the header. SPDX-License-Identifier: Apache-2.0 */
#include "os/pipe.h"

#include "base/assert.h"
#include "os/loop.h"

#include <stdlib.h>

static struct pipe *pipe_new(struct world *world)
{
    struct pipe *pipe = world->ops->pipe_open ? malloc(sizeof(*pipe)) : NULL;

    if (!pipe)
        return NULL;
    *pipe = (struct pipe){.into_fd = -1, .of_fd = -1};
    if (world->ops->pipe_open(world, pipe))
        return pipe;
    free(pipe);
    return NULL;
}

static void pipe_free(struct pipe *pipe, struct world *world)
{
    world->ops->pipe_close(world, pipe);
    free(pipe);
}

struct pipe *pipe_lend(struct loop *loop)
{
    struct pipes *pipes = loop_pipes(loop);
    struct pipe *pipe = pipes->kept;

    if (pipes->lent >= pipes->lent_max)
        return NULL;
    if (pipe) {
        pipes->kept = pipe->next;
        pipes->kept_count--;
    } else {
        pipe = pipe_new(loop_world(loop));
    }
    if (!pipe)
        return NULL;
    pipe->piece_bytes = PIPE_BYTES_MAX;
    pipes->lent++;
    return pipe;
}

void pipe_return(struct loop *loop, struct pipe *pipe)
{
    struct pipes *pipes = loop_pipes(loop);

    if (!pipe)
        return;
    ASSERT(pipes->lent > 0);
    pipes->lent--;
    if (pipe->held > 0 || pipes->kept_count >= PIPES_KEPT_MAX) {
        pipe_free(pipe, loop_world(loop));
        return;
    }
    pipe->next = pipes->kept;
    pipes->kept = pipe;
    pipes->kept_count++;
}

void pipes_clear(struct pipes *pipes, struct world *world)
{
    struct pipe *pipe;

    ASSERT(pipes->lent == 0);
    while ((pipe = pipes->kept)) {
        pipes->kept = pipe->next;
        pipe_free(pipe, world);
    }
    pipes->kept_count = 0;
}
