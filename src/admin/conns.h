/* conns.h: the page /v1/conns, and commands to all workers: each worker is asked by letter and answers on its own
 * thread, between two of its turns; nobody stops for it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_ADMIN_CONNS_H
#define HOLDFAST_ADMIN_CONNS_H

#include "admin/admin.h"
#include "os/mailbox.h"

#include "json/write.h"

enum { CONNS_DEFAULT = 100 }; /* POOL_LIST_MAX at most */

/* The letters of one request, under way or home. */
struct inquiry;

struct inquiry_options {
    const struct admin_view *view;
    struct mailbox *home; /* where answers come: inquiry_receive */
    struct loop *loop;    /* of `waiter` */
    struct task *waiter;  /* woken when all are home */
};

/* Asks for a page: `query` is what stands behind '?': side=upstream (or client), after=ID, limit=N; state=closed: those
 * of that side that closed last. NULL: it makes no sense, with *problem set, or there is no memory. */
struct inquiry *inquiry_conns(const struct inquiry_options *options, struct str query, const char **problem);

/* Closes the idle upstream connections of all workers. NULL: no memory. */
struct inquiry *inquiry_flush(const struct inquiry_options *options);

void inquiry_receive(struct letter *letters); /* as mailbox_take gave them */
bool inquiry_is_over(const struct inquiry *inquiry);
void inquiry_write(const struct inquiry *inquiry, struct json_writer *writer); /* when it is over */

/* The waiter wants no more; letters may still be under way. NULL is fine. */
void inquiry_end(struct inquiry *inquiry);

#endif
