/* reign.h: how a worker changes from one generation to the next while it serves. A reign is a worker's part of a
 * generation: what began in it ends in it, and the last exchange of one that is over gives the generation back. The
 * count is the worker's own: no exchange touches a number of other workers. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_REIGN_H
#define HOLDFAST_GATEWAY_REIGN_H

#include "gateway/generation.h"

#include <stdlib.h>

struct reign {
    struct generation *generation; /* held */
    uint64_t exchanges;
    bool over;
};

/* NULL: no memory. Any thread. */
static inline struct reign *reign_new(struct generation *generation)
{
    struct reign *reign = calloc(1, sizeof(*reign));

    if (reign)
        reign->generation = generation_hold(generation);
    return reign;
}

/* Nobody may be in it. NULL is fine. */
static inline void reign_free(struct reign *reign)
{
    if (!reign)
        return;
    generation_release(reign->generation);
    free(reign);
}

static inline void reign_enter(struct reign *reign)
{
    reign->exchanges++;
}

static inline void reign_leave(struct reign *reign)
{
    if (--reign->exchanges == 0 && UNLIKELY(reign->over))
        reign_free(reign);
}

/* Another one follows. */
static inline void reign_end(struct reign *reign)
{
    reign->over = true;
    if (reign->exchanges == 0)
        reign_free(reign);
}

#endif
