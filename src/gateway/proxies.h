/* proxies.h: the forward proxies that the environment names, and what is said of them at start. Which host is reached
 * through which: upstream/forward_proxy.h. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_GATEWAY_PROXIES_H
#define HOLDFAST_GATEWAY_PROXIES_H

#include "config/report.h"
#include "gateway/endpoint.h"

/* Reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY, each in lower case when it is empty or not there in upper, and whether
 * REQUEST_METHOD is set. NULL: none is named, or no memory, which is in the report. */
const struct forward_rules *proxies_read(struct arena *arena, struct report *report);

/* A note for each scheme whose hosts are reached through a proxy: which, and how many of them. */
void proxies_tell(const struct endpoint *endpoints, size_t count, struct report *report);

#endif
