/* compose.h: the backends of one endpoint at work: side by side or one after the other, each asked once or several
 * times at once (spec 4.8, 4.9).
 *
 * Each try is an exchange without a client's stream, in the arena of whoever composes: the same file that serves a
 * single backend serves it (call.c). Start with composition_start; the waiter is woken when composition_run is worth
 * while. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_COMPOSE_H
#define HOLDFAST_GATEWAY_COMPOSE_H

#include "gateway/exchange.h"
#include "gateway/outcome.h"

struct composition;

struct composition_input {
    struct arena *arena;
    struct client *client;
    struct generation *generation;
    const struct endpoint *endpoint;
    struct http_head *request;
    const struct route_match *match;
    struct str body;          /* the whole of the client's */
    struct str client_ip;     /* as all backends are told it: composition_start finds it out */
    struct task *waiter;      /* woken by news */
    struct host_hold **holds; /* of whoever composes */
    struct fetch_trail *trail;
};

/* Starts the first backends. NULL: no memory. */
struct composition *composition_start(const struct composition_input *input);

/* IO_WAIT, or IO_END: it is over, and *outcome is filled. */
enum io composition_run(struct composition *composition, struct outcome *outcome);

/* Ends what still runs. At any time, also twice; NULL is fine. Must be called before the arena goes. */
void composition_end(struct composition *composition);

#endif
