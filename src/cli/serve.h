/* serve.h: loads a configuration and serves it until a signal ends it. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_SERVE_H
#define HOLDFAST_CLI_SERVE_H

#include "gateway/service.h"

/* Loads into `arena` (taken over), prints problems, serves, drains. Returns the exit code: 0 after a signal, 1 when the
 * configuration does not load or an address cannot be bound. */
int serve(struct arena *arena, const struct service_sources *sources);

/* Prints a report on stderr, coloured when that is a terminal. */
void print_report(const struct report *report, struct arena *arena);

#endif
