/* admin.h: the admin listener: health, metrics, pools, a plain live page. Runs on the main thread's loop beside the
 * workers, reads their numbers, and passes commands on. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_ADMIN_H
#define HOLDFAST_ADMIN_ADMIN_H

#include "gateway/frontend.h"

struct conservation;

/* How it stands with a listener of clients. What POST /v1/drain asks for becomes true when `drain_listeners` runs. */
enum listener_state { LISTENER_OPEN, LISTENER_ASKED, LISTENER_DRAINING };
struct admin_listener {
    struct addr addr; /* the one that was taken */
    enum listener_state state;
};

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
    struct admin_listener *listeners;  /* one for each in the configuration, of the admin's loop */
    struct task *drain_listeners;      /* as `drain`, by POST /v1/drain?listener=NAME */
};

struct admin;

/* Serves the pages and commands of docs/admin.md on addr. NULL with *err. */
struct admin *admin_new(struct loop *loop, const struct addr *addr, const struct admin_view *view, struct error *err);

struct addr admin_addr(const struct admin *admin); /* the address taken */
void admin_free(struct admin *admin);              /* closes its connections. NULL is fine */

#endif
