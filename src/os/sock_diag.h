/* sock_diag.h: TCP connections of this network namespace, told one by one by the kernel over netlink (sock_diag(7)). It
 * goes through all of its connections for that: milliseconds, so not on a worker's thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_SOCK_DIAG_H
#define HOLDFAST_OS_SOCK_DIAG_H

#include "base/addr.h"

/* As the kernel numbers them (RFC 9293 3.3.2). */
enum tcp_state {
    TCP_STATE_ESTABLISHED = 1,
    TCP_STATE_FIN_WAIT2 = 5,
    TCP_STATE_TIME_WAIT = 6,
    TCP_STATE_CLOSE_WAIT = 8
};

struct port_range {
    uint16_t min, max; /* min over max: none */
};

/* What is asked for: connections in one of `states` (1 << enum tcp_state ...) whose port at the peer's end, or at ours,
 * is in the range for that end. */
struct sock_diag_wish {
    uint32_t states;
    struct port_range peers, ours;
};

/* Calls see() for each, with the address of our end and that of its peer, both with ports; IPv4 in IPv6 comes out as
 * IPv4. The kernel passes over the others itself: telling of one takes longer than finding it. False: *err (the kernel
 * has no sock_diag, or lets nobody ask), and what was seen is not all. */
bool sock_diag_look(const struct sock_diag_wish *wish,
                    void (*see)(void *arg, enum tcp_state state, const struct addr *ours, const struct addr *peer),
                    void *arg, struct error *err) MUST_USE;

#endif
