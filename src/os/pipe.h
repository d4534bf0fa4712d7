/* pipe.h: bytes on their way from socket to socket inside the kernel (splice): they are counted here and never seen.
 *
 * A pipe is lent for as long as it holds bytes, or is about to; between two pieces of a body it is back in the loop's
 * hands, so that a few serve many transfers. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_PIPE_H
#define HOLDFAST_OS_PIPE_H

#include "os/world.h"

struct loop;

enum {
    /* What one piece may come to: the two calls for it are little then (1 MiB by 60 KiB in turns takes 1.285 of the CPU
     * where nothing is paced). No setting: what slow clients may hold back, max_pipes says. */
    PIPE_BYTES_MAX = 512 << 10,
    PIPE_BYTES_PACED = 63 << 10, /* ... to a socket whose sends are spaced out: what leaves as one burst (GSO) */
    PIPES_LENT_MAX = 64,         /* of a loop, at a time, by default: slow readers beyond it are served by copying */
    PIPES_KEPT_MAX = 16,         /* empty ones that wait for use */
};

struct pipe {
    struct pipe *next;  /* while it is kept */
    int into_fd, of_fd; /* its ends: what is written to, what is read from */
    size_t held;        /* bytes in it */
    size_t piece_bytes; /* what is filled in at a time, at most: PIPE_BYTES_MAX when it is lent */
};

/* The pipes of one loop; zeroed: none, and none to be lent. */
struct pipes {
    struct pipe *kept;
    unsigned kept_count, lent, lent_max;
};

/* Is a piece all that should be sent before others have their turn? */
static inline bool pipe_is_paced(const struct pipe *pipe)
{
    return pipe->piece_bytes < PIPE_BYTES_MAX;
}

/* An empty pipe. NULL: the world has none, too many are lent, or no descriptor or memory is left; then bytes are copied
 * as ever. */
struct pipe *pipe_lend(struct loop *loop);

/* Kept for the next if it is empty, else closed with what it holds. NULL is fine. */
void pipe_return(struct loop *loop, struct pipe *pipe);

/* Closes the empty ones; none may be lent. */
void pipes_clear(struct pipes *pipes, struct world *world);

#endif
