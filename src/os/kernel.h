/* kernel.h: what the system is set to and what it has counted, as far as the network is concerned (proc(5)).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_OS_KERNEL_H
#define HOLDFAST_OS_KERNEL_H

#include "base/str.h"

/* The longest accept queue that a listener can have (net.core.somaxconn); 0: cannot be read. */
uint64_t kernel_somaxconn(void);
uint64_t kernel_syn_backlog(void); /* net.ipv4.tcp_max_syn_backlog, likewise */

/* May a new connection have the local port of one in TIME_WAIT (net.ipv4.tcp_tw_reuse)? */
enum time_wait_reuse { TIME_WAIT_BLOCKS, TIME_WAIT_YIELDS, TIME_WAIT_YIELDS_ON_LOOPBACK };
enum time_wait_reuse kernel_time_wait_reuse(void);

/* Connections that found the accept queue full, and all that were dropped before they were accepted: of this network
 * namespace, since it began. False: cannot be read. */
struct kernel_listen {
    uint64_t overflows, drops;
};
bool kernel_listen_read(struct kernel_listen *out);

/* The same from the text of /proc/net/netstat. False: the counters are not in it. */
bool kernel_listen_parse(struct str text, struct kernel_listen *out);

/* What the kernel holds for all TCP connections of the machine, above all what was received and not read, or sent and
 * not acknowledged. False: cannot be read. */
bool kernel_tcp_memory_read(uint64_t *bytes);

/* The same in pages, from the text of /proc/net/sockstat. False: it is not in it. */
bool kernel_tcp_memory_parse(struct str text, uint64_t *pages);

#endif
