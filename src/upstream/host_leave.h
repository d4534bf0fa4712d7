/* host_leave.h: a host found by SRV records that no record names any more, without connections for a while, leaves the
 * pages of the admin listener, and the workers give back what they keep for its statistics. Its entry in the table
 * stays, for requests may lead to it for as long as they last; it is small. When a record names it again it is back,
 * with its counters, and with new histograms.
 *
 * For the main thread, which alone reads those statistics. SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_UPSTREAM_HOST_LEAVE_H
#define HOLDFAST_UPSTREAM_HOST_LEAVE_H

#include "upstream/host.h"

#define HOST_LEAVE_NS UINT64_C(600000000000)

/* Who has left since the last look, and who is back. Now and then. */
void hosts_sweep(struct hosts *hosts, uint64_t now_ns);

/* The host of that index if pages are to show it; NULL: it has left, or there is none. */
struct host *hosts_shown(struct hosts *hosts, uint32_t index);

#endif
