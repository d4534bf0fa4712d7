/* tls_refresh.h: has the TLS of listeners look at its files and its clock, from the main thread's loop.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_TLS_REFRESH_H
#define HOLDFAST_APP_TLS_REFRESH_H

#include "gateway/secured.h"
#include "os/loop.h"

struct tls_refresh {
    struct loop *loop; /* NULL: it never started, as no listener has TLS */
    struct secured *secured;
    struct task task;
    struct timer timer;
};

void tls_refresh_start(struct tls_refresh *refresh, struct loop *loop, struct secured *secured); /* both borrowed */
void tls_refresh_stop(struct tls_refresh *refresh); /* also of a zeroed one */

#endif
