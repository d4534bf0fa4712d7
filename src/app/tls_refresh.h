/* tls_refresh.h: has the TLS of listeners look at its files and its clock, from the main thread's loop. While the
 * process rests (rest.h) only the clock of the ticket keys goes on: whoever comes next wakes who looks at the files,
 * and waits for it (tls/server.h). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_TLS_REFRESH_H
#define HOLDFAST_APP_TLS_REFRESH_H

#include "gateway/secured.h"
#include "os/loop.h"

struct tls_refresh {
    struct loop *loop; /* NULL: it never started, as no listener has TLS */
    struct secured *secured;
    bool rests;
    uint64_t looked_ns;
    struct task task;
    struct timer timer;
};

void tls_refresh_start(struct tls_refresh *refresh, struct loop *loop, struct secured *secured); /* both borrowed */
/* The process goes to rest, or has woken. Of a zeroed one nothing happens, and what is known is no news. */
void tls_refresh_rest(struct tls_refresh *refresh, bool rests);
void tls_refresh_stop(struct tls_refresh *refresh); /* also of a zeroed one */

#endif
