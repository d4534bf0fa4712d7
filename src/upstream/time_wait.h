/* time_wait.h: connections that were closed by our side first keep their local port for a minute. How many there are
 * towards each host, so that the budget of ports (budget.h) counts them too.
 *
 * The kernel is asked at most every few seconds, by the main thread, and only while they and the connections to the
 * host that has most could together take half of the ports: one read of a small file tells. A host is known by where
 * its last PORT_PEERS connections went. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_TIME_WAIT_H
#define HOLDFAST_UPSTREAM_TIME_WAIT_H

#include "os/kernel.h"
#include "upstream/host.h"

/* A connection to the host goes there. Any thread. */
void time_wait_peer(struct host *host, const struct addr *peer);

/* Counts anew, if it is worth while; else all counts are 0. One thread only. */
void time_wait_look(struct hosts *hosts);

/* The parts of it. */
struct time_wait_count;
struct time_wait_count *time_wait_begin(struct hosts *hosts, enum time_wait_reuse reuse); /* NULL: no memory */
/* Between which ports the hosts are; the kernel tells of those alone. False: there are no hosts. */
bool time_wait_ports(const struct time_wait_count *count, uint16_t *port_min, uint16_t *port_max);
void time_wait_see(void *count, const struct addr *ours, const struct addr *peer); /* one in TIME_WAIT */
void time_wait_end(struct time_wait_count *count); /* the counts are the hosts' now; frees it */

/* For who only asks which connections lead to hosts, whatever their state. */
bool time_wait_leads(const struct time_wait_count *count, const struct addr *ours, const struct addr *peer);
void time_wait_drop(struct time_wait_count *count); /* frees it, and the hosts' counts stay */

/* Could `in_all` of them make ports short for a host? */
bool time_wait_matters(struct hosts *hosts, uint64_t in_all);

#endif
