/* port_watch.h: counts the connections in TIME_WAIT that take local ports from hosts
 * (upstream/time_wait.h), and looks for hosts that have left (upstream/host_leave.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef HOLDFAST_APP_PORT_WATCH_H
#define HOLDFAST_APP_PORT_WATCH_H

#include "upstream/host_leave.h"

/* Of the main thread. */
struct port_watch {
    struct hosts *hosts; /* borrowed */
    struct host_leave_rule rule;
    uint64_t opened; /* connections to hosts, when it was last found out whether to ask */
    uint64_t due_ns; /* when the kernel is asked at the latest */
};

/* As often as rest.h says. Unless `dials`, which is whether anybody may dial soon, the kernel is not asked, and
 * only once a minute as long as no connection is made and none in TIME_WAIT is known: with tens of thousands of
 * connections, whoever's, its answer takes 8 to 20 ms. */
void port_watch_look(struct port_watch *watch, uint64_t now_ns, bool dials);

#endif
