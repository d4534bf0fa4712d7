/* trim.h: gives memory back to the system when a crowd has gone. The allocator keeps what is freed between things that
 * live longer, which after a flood is most of what the flood took. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_TRIM_H
#define HOLDFAST_APP_TRIM_H

#include "gateway/frontend.h"

/* Of the main thread. */
struct trim {
    const struct frontend *const *frontends; /* borrowed */
    unsigned workers;
    /* Since memory was last given back: */
    uint64_t most;           /* connections and exchanges that were seen at once */
    uint64_t resident_bytes; /* right behind it */
    unsigned looks;          /* from now on to the next time; 0: it is not due */
};

/* Looks at the workers' numbers, every other second while they do anything (rest.h). */
void trim_look(struct trim *trim);

/* Is it worth while, with `most` connections and exchanges since the last time, `now` of them left, and so many bytes
 * more in use by the process? */
bool trim_is_due(uint64_t most, uint64_t now, uint64_t grown_bytes);

#endif
