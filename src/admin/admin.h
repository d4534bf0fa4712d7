/* admin.h: the admin listener: health, metrics, pools, a plain live page. Runs on the main thread's loop beside the
 * workers, reads their numbers, and passes commands on. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_ADMIN_H
#define HOLDFAST_ADMIN_ADMIN_H

#include "gateway/frontend.h"

struct conservation;

/* What the pages are made from; all borrowed, read while workers run. */
struct admin_view {
    struct hosts *hosts;
    const struct generation *generation;
    const struct frontend *const *frontends; /* one for each worker */
    unsigned workers;
    const bool *draining;
    uint64_t overflows_at_start;       /* of accept queues, as the kernel counts them */
    struct conservation *conservation; /* set by admin_new; NULL: nobody checks */
    bool own_names;                    /* set by admin_new: caller_names_us decides */
    struct task *drain;                /* woken on the admin's loop by POST /v1/drain; NULL: nobody can drain */
};

struct admin;

/* Serves the pages and commands of docs/admin.md on addr. NULL with *err. */
struct admin *admin_new(struct loop *loop, const struct addr *addr, const struct admin_view *view, struct error *err);

struct addr admin_addr(const struct admin *admin); /* the address taken */
void admin_free(struct admin *admin);              /* closes its connections. NULL is fine */

#endif
