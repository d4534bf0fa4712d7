/* signal.h: signals as readiness (signalfd). SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_SIGNAL_H
#define HOLDFAST_OS_SIGNAL_H

#include "os/loop.h"

struct signals;

/* Blocks SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 in the calling thread (call it before threads are started, they
 * inherit the mask), ignores SIGPIPE, and wakes `task` when one arrives. They stay blocked for good. NULL with *err. */
struct signals *signals_new(struct loop *loop, struct task *task, struct error *err);
int signals_next(struct signals *signals); /* the next signal's number, 0 when there is none */
void signals_free(struct signals *signals);

const char *signal_name(int number); /* "SIGTERM"; "signal" for any other than the five */

#endif
