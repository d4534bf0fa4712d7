/* origin_thread.h: a test origin on a thread of its own, with its loop. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_ORIGIN_THREAD_H
#define HOLDFAST_CLI_ORIGIN_THREAD_H

#include "cli/origin_server.h"

struct origin_thread;

/* Listens on *addr (which gets the address taken) and serves until origin_thread_stop. NULL with *err. */
struct origin_thread *origin_thread_start(struct addr *addr, const struct origin_options *options, struct error *err);

/* Ends it and joins. NULL is fine. */
void origin_thread_stop(struct origin_thread *thread);

#endif
