/* generation.h: a loaded configuration, ready to serve: service, router, compiled endpoints. Read-only once built and
 * shared by all workers; exchanges hold it, so that a later one can take its place while they end.
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

struct generation *generation_hold(struct generation *generation);
void generation_release(struct generation *generation); /* the last one frees it. NULL is fine */

const struct service *generation_service(const struct generation *generation);
const struct router *generation_router(const struct generation *generation);

struct str generation_admin_token(const struct generation *generation); /* admin_token.h; empty: none is needed */

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
