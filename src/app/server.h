/* server.h: a whole gateway in this process: configuration, workers, listeners, signals, drain. What `run` runs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_SERVER_H
#define HOLDFAST_APP_SERVER_H

#include "admin/admin.h"
#include "app/worker.h"

struct server;

struct server_start {
    struct generation *generation; /* taken over, also on failure */
    struct hosts *hosts;           /* taken over, also on failure; made for `workers` */
    unsigned workers;              /* as server_workers says */
    struct loop *loop;             /* the main thread's: signals, admin, news of the workers; borrowed */
    struct task *ended;            /* woken when the last worker has ended */
};

/* Worker threads for a service: its setting, or the processors the process may use. */
unsigned server_workers(const struct service *service);

/* Binds all listeners, then starts the workers. NULL with *err: nothing runs then ("listen 127.0.0.1:8080: address
 * already in use"). */
struct server *server_new(const struct server_start *start, struct error *err);

/* The addresses that are listened on, one for each configured listener. */
size_t server_address_count(const struct server *server);
struct addr server_address(const struct server *server, size_t index);
bool server_is_secured(const struct server *server, size_t index);       /* by TLS */
const char *server_protocols(const struct server *server, size_t index); /* "http/1.1, h2" */

/* Another configuration for a running server, from the main thread. First its service, before it is built: what needs a
 * restart stays as it is, with a warning, and its listeners get their numbers (carry.h). False: problems were added. */
bool server_prepare(struct server *server, struct service *next, struct report *report) MUST_USE;
/* Then, when it is built (generation_build_next, with server_generation for the one before): taken over. Workers change
 * to it at the end of their turn; what has begun ends by the one before, which is freed then. False: no memory, and
 * the generation is still the caller's. */
bool server_succeed(struct server *server, struct generation *next) MUST_USE;
/* It came to nothing: hosts that were made for it are let go. Counts the failure. */
void server_abandon(struct server *server);
bool server_is_changing(const struct server *server); /* a worker has not taken the newest generation yet */
const struct generation *server_generation(const struct server *server);
struct hosts *server_hosts(const struct server *server);
struct reload_facts *server_reload_facts(struct server *server);

void server_drain(struct server *server); /* by the service's drain_limit or max_shutdown_wait_time */
/* The same for the listeners of which the admin listener says so (admin.h, LISTENER_ASKED), while the others go on. */
void server_drain_listeners(struct server *server);
void server_cut(struct server *server); /* ends at once */
bool server_is_draining(const struct server *server);
bool server_has_ended(const struct server *server); /* true once all workers have */

/* Joins and frees; the server must have ended or never started. NULL is fine. */
void server_free(struct server *server);

unsigned server_worker_count(const struct server *server);

/* For admin pages; what it points to lives as long as the server. */
struct admin_view server_view(const struct server *server);

#endif
