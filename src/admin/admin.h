/* admin.h: the admin listener: health, metrics, pools, a plain live page. Runs on the main thread's loop beside the
 * workers, reads their numbers, and passes commands on. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_ADMIN_H
#define HOLDFAST_ADMIN_ADMIN_H

#include "gateway/frontend.h"
#include "gateway/tally.h"

struct conservation;

/* How it stands with a listener of clients. What POST /v1/drain asks for becomes true when `drain_listeners` runs. */
enum listener_state { LISTENER_OPEN, LISTENER_ASKED, LISTENER_DRAINING };
struct admin_listener {
    struct addr addr; /* the one that was taken */
    enum listener_state state;
    bool left, gone; /* the next configuration leaves it out; one has done so */
};

/* How it stands with the configuration: of the admin's loop. */
struct reload_facts {
    uint64_t generation; /* its number: 1 at the start, one more with each */
    uint64_t loaded_ns;  /* calendar time of its load */
    uint64_t ok, failed; /* reloads */
    unsigned alive;      /* generations by which requests are served */
    bool last_failed;    /* the last reload did */
};

/* What came of a reload that was asked for. */
struct reload_result {
    uint16_t status;
    struct str body; /* JSON; data NULL: no memory */
};

/* What the pages are made from; all borrowed, read while workers run. */
struct admin_view {
    struct hosts *hosts;
    const struct generation *generation;
    const struct frontend *const *frontends; /* one for each worker */
    unsigned workers;
    const bool *draining;
    uint64_t overflows_at_start;        /* of accept queues, as the kernel counts them */
    struct conservation *conservation;  /* set by admin_new; NULL: nobody checks */
    bool own_names;                     /* set by admin_new: caller_names_us decides */
    struct task *drain;                 /* woken on the admin's loop by POST /v1/drain; NULL: nobody can drain */
    struct admin_listener *listeners;   /* one for each in the configuration, of the admin's loop */
    struct task *drain_listeners;       /* as `drain`, by POST /v1/drain?listener=NAME */
    const struct tally *tally;          /* endpoints that there ever were; NULL: those of the generation */
    const struct reload_facts *reloads; /* NULL: nobody counts */
    /* POST /v1/reload, on the admin's loop; may give the view another generation (admin_succeed). NULL: nobody can. */
    struct reload_result (*reload)(void *arg, struct arena *arena);
    void *reload_arg;
};

struct admin;

/* Serves the pages and commands of docs/admin.md on addr. NULL with *err. */
struct admin *admin_new(struct loop *loop, const struct addr *addr, const struct admin_view *view, struct error *err);

/* Another generation runs from now on (borrowed). */
void admin_succeed(struct admin *admin, const struct generation *generation);

struct addr admin_addr(const struct admin *admin); /* the address taken */
void admin_free(struct admin *admin);              /* closes its connections. NULL is fine */

#endif
