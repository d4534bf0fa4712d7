/* secured.h: the TLS of a configuration's listeners, made when it is loaded, for all workers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_SECURED_H
#define HOLDFAST_GATEWAY_SECURED_H

#include "gateway/service.h"
#include "tls/server.h"

/* Since the process began. */
struct secured_counts {
    uint64_t reloads_ok, reloads_failed; /* of certificates */
    uint64_t key_changes, key_failures;  /* of ticket keys */
};

struct secured {                 /* zeroed: no listener has TLS */
    struct tls_shared *shared;   /* held */
    struct tls_server **servers; /* by listener; NULL: plain. Listeners with the same block share one */
    size_t count;
    uint64_t refresh_ns;        /* how often secured_refresh is due */
    struct secured_counts past; /* of configurations before */
};

/* Reads certificates and keys. False: problems were added. Service and arena must outlive it. `before`: of the
 * configuration that runs, whose clients are to resume where nothing is said against it; NULL: there is none. */
bool secured_build(struct secured *secured, struct arena *arena, const struct service *service,
                   const struct service *service_before, const struct secured *before, struct report *report) MUST_USE;
/* It runs from now on, in place of `before`, and what it has of that one may go. */
void secured_begin(struct secured *secured, const struct service *service, const struct secured *before);
void secured_end(struct secured *secured);

/* Files that have changed, and ticket keys whose time has come. By one thread. */
void secured_refresh(struct secured *secured, uint64_t now_ns);
/* When that is due though nobody comes: ticket keys go by the clock. By the same thread. UINT64_MAX: never. */
uint64_t secured_due_ns(const struct secured *secured);
/* Does that thread rest from now on? */
void secured_rest(const struct secured *secured, bool rests);
/* Before that thread tells how it stands with the certificates: refreshes them if the last time is long ago. */
void secured_catch_up(struct secured *secured, uint64_t now_ns);

void secured_count(const struct secured *secured, struct secured_counts *counts);

/* Whether the server of this listener stands at an earlier one already. */
bool secured_is_repeated(const struct secured *secured, size_t listener);

#endif
