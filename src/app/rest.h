/* rest.h: when the main thread looks at what no event tells of: memory in use, what a crowd has left behind, local
 * ports.
 *
 * As long as a worker does anything it looks once a second. When all of them sleep, and memory that is due has been
 * given back, the process rests: it takes nothing by itself, nobody dials, so that ports are not counted, and nobody
 * comes, so that the files of TLS are not looked at. Who has taken much of the memory that there is still looks twice a
 * minute whether others take it, and so does who has hosts that are to leave the pages; else nothing wakes the process.
 * The first worker that wakes ends the rest (os/bell.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_REST_H
#define HOLDFAST_APP_REST_H

#include "app/memory_watch.h"
#include "app/port_watch.h"
#include "app/tls_refresh.h"
#include "app/trim.h"
#include "os/bell.h"

struct rest {
    struct loop *loop; /* the main thread's; NULL: it never started */
    const struct frontend *const *frontends;
    unsigned workers;
    struct memory_watch memory;
    struct trim trim;
    struct port_watch ports;
    struct tls_refresh *tls; /* borrowed */
    struct mailbox *mailbox;
    struct bell bell;
    bool hung; /* the bell, as far as we have heard */
    bool rests;
    unsigned looks;       /* since it last began to look once a second */
    unsigned quiet_looks; /* how many in a row have found all workers as the look before: asleep */
    uint64_t seconds;     /* of all workers, at the last one */
    uint64_t looked_ns;
    struct task task;
    struct timer timer;
};

struct rest_options {
    struct loop *loop;
    const struct frontend *const *frontends;
    unsigned workers;
    struct hosts *hosts;
    struct host_leave_rule leave_rule;
    struct tls_refresh *tls; /* rests as this does */
    uint64_t memory_max;     /* of this process; 0: only what it shares with others counts */
};

/* Before the workers start; all is borrowed. The first look is at once. False: no memory. */
bool rest_start(struct rest *rest, const struct rest_options *options) MUST_USE;
/* When they have ended; also of a zeroed one. */
void rest_stop(struct rest *rest);

#endif
