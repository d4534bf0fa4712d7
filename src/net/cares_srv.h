/* cares_srv.h: SRV records through either generation of c-ares; only resolve_cares.c includes this.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_NET_CARES_SRV_H
#define HOLDFAST_NET_CARES_SRV_H

#include "net/cares_compat.h"
#include "net/resolve_srv.h"

/* `answer` is the callee's to free; NULL unless status is ARES_SUCCESS, and when there is no memory. */
typedef void cares_srv_done(void *arg, int status, struct srv_answer *answer);

/* Asks; `done` is called once, maybe at once, at the latest when the channel is destroyed. False: no memory, it is not
 * called. */
bool cares_srv_ask(ares_channel_t *channel, const char *name, cares_srv_done *done, void *arg) MUST_USE;

#endif
