/* sock_diag.h: connections of this network namespace that are in TIME_WAIT, told one by one by the kernel over netlink
 * (sock_diag(7)). It goes through all of its connections for that: milliseconds, so not on a worker's thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_SOCK_DIAG_H
#define HOLDFAST_OS_SOCK_DIAG_H

#include "base/addr.h"

/* Calls see() for each whose peer's port is from port_min to port_max, with the address of our end and that of its
 * peer, both with ports; IPv4 in IPv6 comes out as IPv4. The kernel passes over the others itself: telling of one takes
 * longer than finding it. False: *err (the kernel has no sock_diag, or lets nobody ask), and what was seen is not all.
 */
bool sock_diag_time_waits(uint16_t port_min, uint16_t port_max,
                          void (*see)(void *arg, const struct addr *ours, const struct addr *peer), void *arg,
                          struct error *err) MUST_USE;

#endif
