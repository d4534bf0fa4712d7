/* port_watch.h: counts, from the main thread's loop, the connections in TIME_WAIT that take local ports from hosts
 * (upstream/time_wait.h), and looks for hosts that have left (upstream/host_leave.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_PORT_WATCH_H
#define HOLDFAST_APP_PORT_WATCH_H

#include "os/loop.h"
#include "upstream/host_leave.h"

#define PORT_WATCH_NS UINT64_C(5000000000)

struct port_watch {
    struct loop *loop; /* NULL: it never started */
    struct hosts *hosts;
    struct host_leave_rule rule;
    struct task task;
    struct timer timer;
};

/* Loop and hosts are borrowed. */
void port_watch_start(struct port_watch *watch, struct loop *loop, struct hosts *hosts,
                      const struct host_leave_rule *rule);
void port_watch_stop(struct port_watch *watch); /* also of a zeroed one */

#endif
