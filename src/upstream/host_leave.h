/* host_leave.h: a host that SRV records, redirects or a configuration before this one led to, and that nothing names
 * any more and no request has been led to for a while, leaves the pages of the admin listener, and the workers give
 * back what they keep for its statistics. When it is needed again soon it is back, with its counters, and with new
 * histograms. After an hour its entry in the table is given back too, so that a long life among hosts that come and go
 * takes no more memory than a short one.
 *
 * Both times are settings. For the main thread, which alone reads those statistics. SPDX-License-Identifier: Apache-2.0
 */
#ifndef HOLDFAST_UPSTREAM_HOST_LEAVE_H
#define HOLDFAST_UPSTREAM_HOST_LEAVE_H

#include "upstream/host.h"

/* What holds when nothing is set. */
#define HOST_LEAVE_NS  UINT64_C(600000000000)
#define HOST_FORGET_NS UINT64_C(3600000000000)

struct host_leave_rule {
    uint64_t hide_ns;   /* behind its last use it leaves the pages */
    uint64_t forget_ns; /* ... and is given back, no sooner than it has left them; 0: never */
};

/* A generation names it (change 1), or does no more (-1). Main thread. */
void host_name(struct host *host, int change, uint64_t now_ns);
/* Whether the newest configuration names it. Main thread. */
void host_configure(struct host *host, bool configured, uint64_t now_ns);
/* The idle connections to hosts that nobody names any more are closed, by their workers. */
void hosts_let_go(struct hosts *hosts);

/* Who has left since the last look, who is back, and who is forgotten. Now and then. */
void hosts_sweep(struct hosts *hosts, const struct host_leave_rule *rule, uint64_t now_ns);

/* Is there one that has yet to leave, or to be forgotten, as time goes by? */
bool hosts_are_leaving(struct hosts *hosts, const struct host_leave_rule *rule);

/* The host of that index if pages are to show it; NULL: it has left, or there is none. */
struct host *hosts_shown(struct hosts *hosts, uint32_t index);

#endif
