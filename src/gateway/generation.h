/* generation.h: a loaded configuration, ready to serve: service, router, compiled endpoints. Read-only once built and
 * shared by all workers, which hold it for their exchanges (reign.h), so that a later one can take its place while
 * they end.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_GENERATION_H
#define HOLDFAST_GATEWAY_GENERATION_H

#include "gateway/endpoint.h"
#include "gateway/router.h"
#include "gateway/secured.h"

struct generation;

/* Builds from a checked service that lives in `arena`. Adds problems (route conflicts, bad hosts) to the report. On
 * success the generation owns the arena. NULL when there was an error; the arena is then still the caller's. */
struct generation *generation_build(struct arena *arena, const struct service *service, struct hosts *hosts,
                                    struct report *report);

/* The same for a gateway that runs `before`: TLS clients resume across the change. */
struct generation *generation_build_next(struct arena *arena, const struct service *service, struct hosts *hosts,
                                         const struct generation *before, struct report *report);

/* The hosts that it names, shadows' and all, from before it runs until nobody serves by it: they stay in the table
 * meanwhile. `change` is 1, then -1. */
void generation_name_hosts(const struct generation *generation, int change, uint64_t now_ns);
/* It is the newest, or is again as the one behind it came to nothing: the hosts of others are configured no more. */
void generation_claim_hosts(const struct generation *generation, struct hosts *hosts, uint64_t now_ns);

/* Before it runs: its endpoint's place among all that the process has had (tally.h). Else the index is. */
void generation_set_slot(struct generation *generation, uint32_t index, uint32_t slot);

struct generation *generation_hold(struct generation *generation);
void generation_release(struct generation *generation); /* the last one frees it. NULL is fine */

const struct service *generation_service(const struct generation *generation);
const struct router *generation_router(const struct generation *generation);

struct str generation_admin_token(const struct generation *generation); /* admin_token.h; empty: none is needed */

uint32_t generation_holders(const struct generation *generation);

/* TLS of the listeners: shared by all workers, refreshed by one thread. */
struct secured *generation_secured(const struct generation *generation);

/* Endpoints by their index, for counters and dumps; built-in ones included. The last one, which no route leads to,
 * stands for requests that matched nothing. */
uint32_t generation_endpoint_count(const struct generation *generation);
const struct endpoint *generation_endpoint(const struct generation *generation, uint32_t index);
const struct endpoint *generation_unrouted(const struct generation *generation);

/* Has the worker's pool keep min_idle_per_host connections to the generation's hosts ready, and no others. False: no
 * memory for all of them. */
bool generation_keep_warm(const struct generation *generation, struct pool *pool);

#endif
