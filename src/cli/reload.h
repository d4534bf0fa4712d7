/* reload.h: another configuration for a gateway that runs: SIGHUP and POST /v1/reload.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_CLI_RELOAD_H
#define HOLDFAST_CLI_RELOAD_H

#include "app/server.h"

struct reloading {
    const struct service_sources *sources; /* what was loaded at the start */
    struct server *server;
    struct admin *admin; /* NULL: there is none */
};

/* Reads the file again, checks it and builds it beside what runs, on the thread that calls; then the server changes to
 * it, or goes on as before. Problems go to stderr, and with the result into the answer, which lives in `arena`; NULL:
 * nobody asks. */
struct reload_result reload_now(const struct reloading *reloading, struct arena *arena);

/* Workers have not all taken the last one yet, or too many generations still serve requests: better later. */
bool reload_must_wait(const struct reloading *reloading);
void reload_tell_wait(const struct reloading *reloading); /* on the log, where that may last */

#endif
